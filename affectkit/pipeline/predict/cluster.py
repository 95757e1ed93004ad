"""Work on a Dask cluster, or on processes of this machine as one, whatever ends on the way."""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affectkit.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future


_CONNECT_SECONDS = 15
_NO_WORKER_SECONDS = 60
_POLL_SECONDS = 0.05
_LOOK_SECONDS = 2
_BATCHES_AHEAD = 4
"""Of each thread of the cluster, counted from the oldest unfinished batch on."""

_ENDED = (
    "a worker process ended whenever it worked on this, perhaps for lack of memory: try it alone"
)

_LOCAL_SETTINGS = {
    "distributed.worker.multiprocessing-method": "spawn",  # a fork of TensorFlow's threads hangs
    "distributed.scheduler.allowed-failures": 1,  # a task that ends two processes is suspected
    "distributed.scheduler.worker-saturation": 1.0,  # and none that only waited there
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}

_IGNORE_CTRL_C = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""Run by every process of a local cluster: the one that started them ends them."""


def require_dask(purpose: str) -> None:
    """Raise ImportError if Dask, which this is for, is not installed."""
    if importlib.util.find_spec("distributed") is None:
        raise ImportError(f'{purpose} needs Dask: pip install "affectkit[cluster]"')


@contextmanager
def open_cluster(scheduler: str | None = None, workers: int = 2) -> Iterator[Client]:
    """Connect to a Dask scheduler, or start processes on this machine for the time of a block.

    The processes have one thread each and listen on the loopback device only; one that ends is
    replaced. Dask sends code to workers: `scheduler` (tcp://host:port, with Dask's own TLS settings
    also tls://) should be one that you trust, in a network that you trust. Raises ImportError if
    Dask or a worker's affectkit is missing; ValueError if the address can't be one, there would be
    no worker, or one has another affectkit; OSError if nothing answers, or no worker joins.
    """
    if workers < 1:
        raise ValueError(f"expected at least 1 worker, got {workers}")
    require_dask("a cluster")
    import dask
    from distributed import Client, LocalCluster

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


@dataclass(frozen=True)
class Outcome:
    """What came of the item of that number: a value, or the error that its process ended."""

    index: int
    value: Any = None
    error: str | None = None


def run_tasks(
    client: Client,
    function: Callable[[list], list],
    items: Sequence[object],
    batch_size: int = 1,
    check: Callable[[], None] | None = None,
) -> Iterator[Outcome]:
    """Run a function, from a list of items to as many values, over items; one outcome for each.

    Outcomes come as they get ready, not more than some batches out of order. A process works on one
    batch at a time, whatever the number of its threads. When a process ends, its batch is done
    again by another; the items of a batch that ends processes again and again (as often as the
    scheduler's allowed-failures tell) are then done one by one with nothing beside, so that only
    the guilty one fails. `check` is called several times a second and may raise. OSError if the
    scheduler goes away, or no worker is there for a minute.
    """
    from distributed import as_completed

    numbers = range(len(items))
    waiting = deque(numbers[start : start + batch_size] for start in numbers[::batch_size])
    suspects: deque[range] = deque()
    pending: dict[Future, range] = {}
    completed = as_completed(loop=client.loop)
    watch = _Watch(client, check)

    def submit(batch: range) -> None:
        sent = [items[number] for number in batch]
        future = client.submit(_run_alone, function, sent, pure=False)
        pending[future] = batch
        completed.add(future)

    try:
        while waiting or suspects or pending:
            alone = bool(suspects) and not pending
            if alone:
                submit(suspects.popleft())
            elif not suspects:
                ahead = _BATCHES_AHEAD * watch.threads * batch_size
                while waiting and waiting[0][0] - _oldest(pending, waiting) < ahead:
                    submit(waiting.popleft())
            while not (ready := completed.next_batch(block=False)):
                time.sleep(_POLL_SECONDS)
                watch.look()
            for future in ready:
                batch = pending.pop(future)
                values = _result(future)
                if values is not None:
                    yield from map(Outcome, batch, values)
                elif alone:
                    yield Outcome(batch[0], error=_ENDED)
                else:
                    suspects.extend(range(number, number + 1) for number in batch)
    finally:
        client.cancel(list(pending))


_ONE_BATCH = threading.Lock()


def _run_alone(function: Callable[[list], list], items: list) -> list:
    with _ONE_BATCH:
        return function(items)


def _oldest(pending: dict[Future, range], waiting: deque[range]) -> int:
    return min((batch[0] for batch in pending.values()), default=waiting[0][0])


def _result(future: Future) -> list | None:
    """Give what a task gave, or None if it ended its processes."""
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return None
    except CancelledError as error:
        raise OSError(
            "the connection to the Dask scheduler is lost: look why it ended; the same command "
            "goes on from what is done"
        ) from error


class _Watch:
    """Looks every now and then whether to stop, and how many threads the cluster has."""

    def __init__(self, client: Client, check: Callable[[], None] | None) -> None:
        self._client, self._check = client, check or (lambda: None)
        self._looked = self._seen = time.monotonic()
        self.threads = max(1, sum(client.nthreads().values()))

    def look(self) -> None:
        self._check()
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        threads = sum(self._client.nthreads().values())
        if threads:
            self._seen, self.threads = now, threads
        elif now - self._seen > _NO_WORKER_SECONDS:
            raise OSError(
                f"the Dask scheduler has had no worker for {_NO_WORKER_SECONDS} s: start some; the "
                "same command goes on from what is done"
            )
