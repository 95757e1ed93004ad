"""The computer: what results depend on, the memory that runs took, and native code's chatter."""

from __future__ import annotations

import importlib.abc
import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

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


_STANDARD_ERROR = threading.RLock()


@contextmanager
def hidden_chatter(pattern: str = "") -> Iterator[None]:
    """Hide lines that begin so if native code, such as LiteRT's, writes them to standard error.

    Other lines follow when the block is left. Nothing is hidden if TF_CPP_MIN_LOG_LEVEL is 0.
    """
    with _STANDARD_ERROR, tempfile.TemporaryFile() as sink:
        try:
            saved = os.dup(2)
        except OSError:  # a program without a console
            saved = None
        if saved is None or os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
            yield
            return
        _flush()
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            _flush()
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            for line in sink:
                if not re.match(pattern.encode(), line):
                    os.write(2, line)


class QuietTensorFlow(importlib.abc.MetaPathFinder):
    """Finds TensorFlow, whoever imports it first, and hides its logs until it is imported.

    TF_CPP_MIN_LOG_LEVEL says nothing to them, as they come before TensorFlow has read it.
    """

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Give what Python's own finders give, with a quiet loader."""
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_quietly(module: ModuleType) -> None:
                with hidden_chatter(r"[IWE]\d{4} |WARNING: All log messages before absl::"):
                    load(module)

            spec.loader.exec_module = load_quietly
        return spec


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


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


def machine_facts() -> dict[str, object]:
    """Describe the computer: processor, logical cores, memory in bytes, operating system."""
    import psutil

    processor = platform.processor()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text("utf-8", "replace").splitlines():
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
            command, capture_output=True, encoding="utf-8", check=True, timeout=10
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def peak_memory_of_children() -> int | None:
    """Give the largest resident memory, in bytes, of any child process that has ended."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_memory(process: int | None = None) -> int:
    """Give the largest resident memory, in bytes, that this or another process has had so far.

    On Linux it is VmHWM: what getrusage gives there was handed on by the process that started it.
    """
    status = Path(f"/proc/{process or 'self'}/status")
    if status.is_file():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    if sys.platform == "darwin" and process is None:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import psutil

    memory = psutil.Process(process).memory_info()
    return getattr(memory, "peak_wset", memory.rss)  # macOS has no peak of others
