"""The kernel that a notebook of the course runs in: this Python, with this affectkit."""

from __future__ import annotations

import os
from pathlib import Path

from affectkit import __file__ as package_file


def kernel_manager_class(output: object) -> type:
    """Make a kernel manager whose "python3" is this interpreter, whatever kernels a user has.

    Parameters
    ----------
    output : file
        Open; gets what the kernels print, and stays open in them.

    Returns
    -------
    type
        A `jupyter_client.AsyncKernelManager`.
    """
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    environment = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # figures belong in the notebook
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    source = Path(package_file).resolve().parent.parent
    if (source / "pyproject.toml").is_file():  # a checkout works without being installed, too
        paths = [str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)

    class InterpreterKernelManager(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**get_kernel_dict(), env=environment)

        async def start_kernel(self, **options: object) -> None:
            await super().start_kernel(stdout=output, stderr=output, **options)

    return InterpreterKernelManager
