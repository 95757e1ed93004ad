"""Small trials of what the kit leans on: each says what it found, or raises RuntimeError."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def compute_with_tensorflow() -> str:
    """Import TensorFlow and Keras and multiply two matrices; RuntimeError where they cannot."""
    cpu_facts = Path("/proc/cpuinfo")
    if (
        platform.machine() == "x86_64"
        and cpu_facts.exists()
        and " avx " not in cpu_facts.read_text()
    ):
        raise RuntimeError("this processor has no AVX, which TensorFlow's wheels need")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise RuntimeError(f"KERAS_BACKEND is {backend}; affectkit needs Keras on TensorFlow")
    with _hidden_stderr():
        import keras
        import tensorflow as tf

        product = (
            tf.linalg.matmul([[1.0, 2.0], [3.0, 4.0]], [[1.0], [1.0]]).numpy().ravel().tolist()
        )
        gpus = tf.config.list_physical_devices("GPU")
    if product != [3.0, 7.0]:
        raise RuntimeError(f"a matrix product came out as {product} instead of [3.0, 7.0]")
    devices = f"{len(gpus)} GPU" if gpus else "CPU, no GPU found (none is needed)"
    return f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {devices}"


def write_and_read_images() -> str:
    """Encode and decode a small picture as JPEG, PNG and WebP; RuntimeError where one fails."""
    import cv2
    import numpy as np

    ramp = np.linspace(0, 255, 32, dtype=np.uint8)
    picture = np.dstack([np.tile(ramp, (32, 1)), np.tile(ramp[:, None], 32), np.full((32, 32), 90)])
    for suffix in (".jpg", ".png", ".webp"):
        _, encoded = cv2.imencode(suffix, picture.astype(np.uint8))
        decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        error = np.abs(decoded.astype(int) - picture).mean()
        if error > (0 if suffix == ".png" else 8):
            raise RuntimeError(f"{suffix} pictures come back wrong (off by {error:.1f} on average)")
    return f"OpenCV {cv2.__version__} reads and writes JPEG, PNG and WebP"


def write_and_read_video() -> str:
    """Write a short MP4 and read it back; RuntimeError where that fails."""
    import cv2
    import numpy as np

    greys = [40, 80, 120, 160, 200]
    with tempfile.TemporaryDirectory() as folder, _hidden_stderr():
        path = str(Path(folder) / "clip.mp4")
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
        for grey in greys:
            writer.write(np.full((48, 64, 3), grey, np.uint8))
        writer.release()
        reader = cv2.VideoCapture(path)
        found = []
        while (answer := reader.read())[0]:
            found.append(answer[1].mean())
        reader.release()
    if len(found) != len(greys) or np.abs(np.subtract(found, greys)).max() > 10:
        raise RuntimeError(f"an MP4 with frames of grey {greys} came back as {found}")
    return "OpenCV reads and writes MP4"


def find_kernel() -> str:
    """Find the `python3` kernel; RuntimeError where it starts another Python than this one."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    # A bare "python" means whichever Python starts Jupyter; a virtual environment's Python is a
    # link, so paths are compared without following it.
    command = Path(spec.argv[0])
    if len(command.parts) > 1 and command.parent.absolute() != Path(sys.executable).parent:
        raise RuntimeError(f"python3 in {spec.resource_dir} starts {command}, not this Python")
    return f"python3 in {spec.resource_dir}"


def verify_assets(folder: Path) -> str:
    """Compare each file of `folder` with its .sha256 file; RuntimeError where one differs."""
    sums = sorted(folder.glob("*.sha256"))
    if not sums:
        raise RuntimeError(f"{folder} has no data")
    names = []
    for line in (line for file in sums for line in file.read_text().splitlines()):
        expected, name = line.split()
        if not (folder / name).is_file():
            raise RuntimeError(f"{folder / name} is missing")
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            raise RuntimeError(
                f"{folder / name} is damaged (its SHA-256 is not {expected[:12]}...)"
            )
        names.append(name)
    return ", ".join(names)


@contextmanager
def _hidden_stderr() -> Iterator[None]:
    """Hide what native code writes to file descriptor 2 (CUDA and codec chatter)."""
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("w") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def versions() -> dict[str, str | None]:
    """Give the versions of Python and of the packages that results depend on."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name, distributions in _PACKAGES.items():
        found[name] = None
        for distribution in distributions:
            try:
                found[name] = importlib.metadata.version(distribution)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def machine() -> dict[str, object]:
    """Describe the computer: processor, logical cores, memory in bytes, operating system."""
    import psutil

    processor = platform.processor()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return {
        "processor": processor or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
    }


def git_commit(folder: Path) -> str | None:
    """Give the commit of a source checkout, with "+" if files differ; None where there is none."""
    if not (folder / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def peak_memory_of_children() -> int | None:
    """Give the largest resident memory, in bytes, of any child process that has ended."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "scikit-learn": ("scikit-learn",),
    "scipy": ("scipy",),
    "opencv": ("opencv-python", "opencv-python-headless"),
    "matplotlib": ("matplotlib",),
    "papermill": ("papermill",),
}
