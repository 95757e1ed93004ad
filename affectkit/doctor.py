"""Check that this machine can run affectkit, and say what to do where it cannot."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from affectkit.files.hashes import file_hash
from affectkit.machine import hidden_chatter

if TYPE_CHECKING:
    from rich.console import Console

ASSETS = Path(__file__).parent / "assets"
NEEDED_DISK_GB = 2.0
NEEDED_MEMORY_GB = 4.0
REINSTALL = "run `make course` again, or `pip install --require-hashes -r requirements.lock`"
KERNEL_REMEDY = f"remove that folder, then run: {sys.executable} -m ipykernel install --sys-prefix"
# What a library says when something outside Python is missing -> what to do.
KNOWN_REMEDIES = {
    "libGL.so": "install it: apt-get install libgl1 libglib2.0-0 (Fedora: dnf install mesa-libGL)",
    "libgthread": "install it: apt-get install libglib2.0-0",
    "libxcb": "install it: apt-get install libxcb1",
    "libglib": "install it: apt-get install libglib2.0-0",
    "DLL load failed": "install Microsoft's Visual C++ Redistributable (x64)",
    "KERAS_BACKEND": "unset the environment variable KERAS_BACKEND",
    "no AVX": "use another computer: TensorFlow cannot run on this one",
}


@dataclass(frozen=True)
class Check:
    """One requirement and whether this machine meets it.

    Attributes
    ----------
    name : str
        What was checked.
    ok : bool
        Whether it works.
    detail : str
        What was found.
    remedy : str
        What to do where it does not work.
    optional : bool
        Whether affectkit works without it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    optional: bool = False


def check_environment() -> list[Check]:
    """Check everything that affectkit needs; takes some seconds, since TensorFlow is imported.

    Returns
    -------
    list of Check
        In the order in which to mend them. Nothing is raised: what fails is a check.
    """
    try:
        distribution = importlib.metadata.distribution("affectkit")
    except importlib.metadata.PackageNotFoundError:
        remedy = "in the folder with pyproject.toml: pip install -e ."
        package_checks = [Check("affectkit", False, "not installed", remedy)]
    else:
        package_checks = [
            check_python(platform.python_version(), distribution.metadata["Requires-Python"]),
            *check_packages(distribution.requires or []),
        ]
    return [
        *package_checks,
        _attempt("TensorFlow computes", compute_with_tensorflow, REINSTALL),
        _attempt("LiteRT computes", answer_with_litert, REINSTALL),
        _attempt("Tables", write_and_read_table, REINSTALL),
        _attempt("Image files", write_and_read_images, REINSTALL),
        _attempt("Video files", write_and_read_video, REINSTALL),
        _attempt("Jupyter kernel", find_kernel, KERNEL_REMEDY),
        _attempt("Bundled faces", lambda: verify_assets(ASSETS), "fetch affectkit anew"),
        check_disk(Path.cwd(), NEEDED_DISK_GB),
        check_memory(NEEDED_MEMORY_GB),
        check_camera(),
    ]


def check_python(version: str, required: str) -> Check:
    """Check a Python version such as "3.11.7" against a range such as ">=3.11,<3.14"."""
    ok = SpecifierSet(required).contains(version)
    return Check("Python", ok, f"{version} (needs {required})", "make a new .venv with Python 3.11")


def check_packages(requirements: list[str]) -> list[Check]:
    """Check the installed version of each package of `requirements` (PEP 508 strings).

    Requirements of extras, and of other platforms, are left out.
    """
    checks = []
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
            ok = False
        else:
            ok = requirement.specifier.contains(version, prereleases=True)
        detail = f"{version} (needs {requirement.specifier or 'any version'})"
        remedy = f"{sys.executable} -m pip install '{wanted}'"
        checks.append(Check(requirement.name, ok, detail, remedy))
    return checks


def check_disk(folder: Path, needed_gb: float) -> Check:
    """Check the free space of the disk that holds `folder`, in GB (10**9 bytes)."""
    free = shutil.disk_usage(folder).free / 1e9
    detail = f"{free:.1f} GB free (needs {needed_gb:g})"
    return Check("Disk", free >= needed_gb, detail, f"make room on the disk that holds {folder}")


def check_memory(needed_gb: float) -> Check:
    """Check the memory that programs can still get, in GB (10**9 bytes)."""
    import psutil

    available = psutil.virtual_memory().available / 1e9
    detail = f"{available:.1f} GB available (needs {needed_gb:g})"
    return Check("Memory", available >= needed_gb, detail, "close other programs and notebooks")


def check_camera() -> Check:
    """Look for a camera (optional: only the webcam notebook wants one); it is not switched on."""
    if sys.platform != "linux":
        return Check(
            "Camera", True, "not looked for; the webcam notebook asks for it", optional=True
        )
    cameras = sorted(Path("/dev").glob("video*"))
    detail = ", ".join(map(str, cameras)) or "none; the webcam notebook then plays a video instead"
    return Check("Camera", bool(cameras), detail, optional=True)


def print_report(checks: list[Check], console: Console) -> int:
    """Print a line a check, with the remedy of each that failed.

    Parameters
    ----------
    checks : list of Check
        From `check_environment`.
    console : rich.console.Console
        Where to print.

    Returns
    -------
    int
        Exit code: 0, or 1 where anything but an optional check failed.
    """
    from rich.text import Text

    for check in checks:
        mark, style = ("[OK]", "green") if check.ok else ("[FAIL]", "bold red")
        if check.optional and not check.ok:
            mark, style = "[--]", "yellow"
        line = Text.assemble((f"{mark:<7}", style), (check.name, "bold"), f": {check.detail}")
        if check.remedy and not check.ok:
            line.append(f"\n       what to do: {check.remedy}")
        console.print(line, soft_wrap=True)
    failed = sum(not check.ok and not check.optional for check in checks)
    console.print(f"{failed} of {len(checks)} checks failed." if failed else "All is well.")
    return int(failed > 0)


def _attempt(name: str, test: Callable[[], str], remedy: str) -> Check:
    """Turn what `test` returns or raises into a check."""
    try:
        return Check(name, True, test())
    except Exception as error:  # noqa: BLE001  whatever a broken library raises is the finding
        message = " ".join(str(error).split()) or type(error).__name__
        known = (text for sign, text in KNOWN_REMEDIES.items() if sign in message)
        return Check(name, False, message, next(known, remedy))


# What the kit leans on is tried out: each trial says what it found, or raises RuntimeError.


def compute_with_tensorflow() -> str:
    """Import TensorFlow and Keras and multiply two matrices; RuntimeError where they cannot."""
    cpu_facts = Path("/proc/cpuinfo")
    if (
        platform.machine() == "x86_64"
        and cpu_facts.exists()
        and " avx " not in cpu_facts.read_text("utf-8", "replace")
    ):
        raise RuntimeError("this processor has no AVX, which TensorFlow's wheels need")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise RuntimeError(f"KERAS_BACKEND is {backend}; affectkit needs Keras on TensorFlow")
    with hidden_chatter():
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


def answer_with_litert() -> str:
    """Show a black picture to the network of `predict`; RuntimeError if its shares aren't 1."""
    import numpy as np

    path = ASSETS / "checkpoints" / "affectkit-real.int8.tflite"
    with hidden_chatter():
        from ai_edge_litert.interpreter import Interpreter

        network = Interpreter(str(path)).get_signature_runner()
        ((name, face),) = network.get_input_details().items()
        shares = network(**{name: np.zeros(face["shape"], face["dtype"])})["expression"]
    if abs(shares.sum() - 1) > 0.05:
        raise RuntimeError(f"the shares of expressions are {shares.round(3).tolist()}")
    return f"LiteRT runs {path.name}"


def write_and_read_table() -> str:
    """Write a small table as Parquet and read it back; RuntimeError where it differs."""
    import pandas as pd
    import pyarrow as pa  # pandas would not say what is wrong with it

    table = pd.DataFrame({"file": ["é.jpg", None], "valence": [-0.5, None]})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        table.to_parquet(path)
        found = pd.read_parquet(path)
    if not found.equals(table):
        raise RuntimeError(f"a table came back from Parquet as {found.to_dict('list')}")
    return f"pandas {pd.__version__} and pyarrow {pa.__version__} read and write Parquet"


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
    with tempfile.TemporaryDirectory() as folder, hidden_chatter():
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
    for line in (line for file in sums for line in file.read_text("utf-8").splitlines()):
        expected, name = line.split()
        if not (folder / name).is_file():
            raise RuntimeError(f"{folder / name} is missing")
        if file_hash(folder / name) != expected:
            raise RuntimeError(
                f"{folder / name} is damaged (its SHA-256 is not {expected[:12]}...)"
            )
        names.append(name)
    return ", ".join(names)
