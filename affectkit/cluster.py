"""Connect to a Dask cluster, or start processes of this machine as one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from affectkit import __version__

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 15

_LOCAL_SETTINGS = {
    "distributed.worker.multiprocessing-method": "spawn",  # a fork of TensorFlow's threads hangs
    "distributed.scheduler.allowed-failures": 1,  # a task that ends two processes is suspected
    "distributed.scheduler.worker-saturation": 1.0,  # and none that only waited there
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}

_IGNORE_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""Run by every process of a local cluster: the one that started them ends them."""


@contextmanager
def open_cluster(scheduler: str | None = None, workers: int = 2) -> Iterator[Client]:
    """Connect to a Dask scheduler, or start processes on this machine for the time of a block.

    A local cluster listens on the loopback device only, and replaces a process that ends.

    Parameters
    ----------
    scheduler : str, optional
        Address of a scheduler (`tcp://host:port`; with Dask's own TLS settings also `tls://`).
        Dask sends code to its workers: use only those that you trust, in a network that you trust.
    workers : int
        Processes, of one thread each, if there is no address.

    Yields
    ------
    distributed.Client
        Connected; at least one worker is there, with this version of affectkit.

    Raises
    ------
    ImportError
        If Dask is not installed, or a worker has no affectkit.
    ValueError
        If the address can't be one, there would be no worker, or one has another affectkit.
    OSError
        If nothing answers there, or no worker joins.
    """
    if workers < 1:
        raise ValueError(f"expected at least 1 worker, got {workers}")
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError(
            'workers need Dask: pip install "affectkit[cluster]" (`affectkit predict` without '
            "--scheduler and with --workers 1 needs none)"
        ) from error
    with ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(dask.config.set(_LOCAL_SETTINGS))
            address = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    memory_limit=None,  # or else Dask pauses workers, for ever if it comes to that
                    silence_logs=logging.CRITICAL,
                    preload=_IGNORE_CTRL_C,
                )
            )
            stack.callback(logging.getLogger("distributed").setLevel, logging.CRITICAL)
        else:
            address = scheduler
        try:
            client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except ValueError as error:
            raise ValueError(
                f"expected the address of a Dask scheduler like tcp://host:8786, got {scheduler!r} "
                f"({error})"
            ) from error
        except OSError as error:  # a TimeoutError is one, too
            raise OSError(
                f"no Dask scheduler answers at {scheduler}: start one there (`dask scheduler`), "
                "check the address, or leave --scheduler away"
            ) from error
        stack.enter_context(client)
        if scheduler is not None:
            _check_workers(client)
        yield client


def _check_workers(client: Client) -> None:
    address = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError as error:
        raise OSError(
            f"{address} has no worker: start some (`dask worker {address} --nthreads 1`)"
        ) from error
    try:
        versions = client.run(_version)
    except ImportError as error:
        raise ImportError(
            f"a worker of {address} can't load affectkit ({error}): install it on all machines"
        ) from error
    for worker, version in versions.items():
        if version != __version__:
            raise ValueError(
                f"the worker at {worker} has affectkit {version}, here it is {__version__}: "
                "install the same version on all machines"
            )


def _version() -> str:
    return __version__
