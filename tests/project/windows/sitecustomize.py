"""Windows' rules on Linux, for affectkit's own code and what notebooks run: Python imports this.

Put first on PYTHONPATH, it is loaded by every process of a test, also by workers and kernels.
Libraries keep their own ways, since those know Windows by themselves.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import sys
import warnings
from pathlib import Path

MISSING = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
"""Modules that Windows does not have."""

BETWEEN = {"contextlib", "os", "pathlib", "shutil", "tempfile", __name__}


def asks(depth: int = 2) -> bool:
    """Tell whether affectkit or a notebook asks, be it by a module of Python's."""
    frame = sys._getframe(depth)
    while frame is not None and frame.f_globals.get("__name__") in BETWEEN:
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return name == "__main__" or name.partition(".")[0] == "affectkit"


def is_open(path: object) -> bool:
    """Tell whether this process has a file, or one in this folder, open."""
    wanted = os.path.realpath(path)
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # closed since
            continue
        if target == wanted or target.startswith(wanted + os.sep):
            return True
    return False


def guarded(name: str) -> None:
    """Let a function of `os` fail where Windows would."""
    done_by_linux = getattr(os, name)

    def as_windows(path: object, *others: object, **options: object) -> object:
        if options.get("dir_fd") is None and asks():
            for one in (path, *others):
                if is_open(one):
                    raise PermissionError(errno.EACCES, "another process uses the file", str(one))
            if name == "rename" and Path(others[0]).exists():
                raise FileExistsError(errno.EEXIST, "it exists already", str(others[0]))
            if name == "replace" and Path(others[0]).is_dir():
                raise PermissionError(errno.EACCES, "access is denied", str(others[0]))
        return done_by_linux(path, *others, **options)

    setattr(os, name, as_windows)


def absent(name: str) -> None:
    """Take a function of `os` away from affectkit."""
    known = getattr(os, name)

    def as_windows(*arguments: object) -> object:
        if asks():
            raise AttributeError(f"module 'os' has no attribute {name!r}")
        return known(*arguments)

    setattr(os, name, as_windows)


def import_as_windows(name: str, *arguments: object, **options: object) -> object:
    """Refuse the modules that Windows does not have."""
    if name in MISSING and asks():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return import_as_linux(name, *arguments, **options)


def fsync_as_windows(file: int) -> None:
    """Refuse what was opened for reading only."""
    if asks() and fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    fsync_on_linux(file)


import_as_linux, builtins.__import__ = builtins.__import__, import_as_windows
fsync_on_linux, os.fsync = os.fsync, fsync_as_windows
for function in ("replace", "rename", "unlink", "remove", "rmdir"):
    guarded(function)
for function in ("fork", "getuid", "geteuid", "getgid", "mkfifo", "killpg", "setsid", "chown"):
    absent(function)
# cp1252 is what text is taken for on Windows where no encoding is named
warnings.filterwarnings("ignore", category=EncodingWarning)  # of libraries
warnings.filterwarnings("error", category=EncodingWarning, module="affectkit")
