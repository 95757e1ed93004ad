"""The processes of a training: who they are by TF_CONFIG, and how they are started on one machine.

On several machines, the same command runs on each with TF_CONFIG set, in a folder that all share,
under a supervisor (Kubernetes, Slurm's requeue) that starts all again when one ends with an error.
TensorFlow is not imported here: what starts workers does not need it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.process import BaseProcess

POLL_SECONDS = 0.2
GRACE_SECONDS = 10
"""What the others get to end by themselves once one has failed."""


def cluster_workers() -> int:
    """Count the workers that TF_CONFIG names, with its chief; 0 where it is not set.

    Raises ValueError if it can't be read, or this process is neither chief nor worker.
    """
    cluster, task = _tf_config()
    if task.get("type", "worker") not in ("chief", "worker"):
        raise ValueError(
            f"expected TF_CONFIG to make this process a chief or worker, got {task['type']!r}: "
            "all that train take the same part, so parameter servers and evaluators have none"
        )
    return sum(len(cluster.get(name, ())) for name in ("chief", "worker"))


def is_chief() -> bool:
    """Tell whether this process writes: the chief, else worker 0, or the only one."""
    cluster, task = _tf_config()
    kind = "chief" if cluster.get("chief") else "worker"
    return not task or (task.get("type"), task.get("index")) == (kind, 0)


def _tf_config() -> tuple[dict, dict]:
    """Give cluster and task of TF_CONFIG."""
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        content = json.loads(text)
        return dict(content.get("cluster") or {}), dict(content.get("task") or {})
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"expected TF_CONFIG to be JSON with cluster and task, got {text[:200]!r} ({error}); "
            "unset it to train with this process alone"
        ) from error


def cluster_settings(addresses: Sequence[str], number: int) -> str:
    """Give the text of TF_CONFIG for one worker.

    Parameters
    ----------
    addresses : sequence of str
        HOST:PORT of every worker, the chief first; the same list for all.
    number : int
        Of this worker, from 0.

    Returns
    -------
    str
        JSON, as in '{"cluster": {"worker": ["one:2222", "two:2222"]},
        "task": {"type": "worker", "index": 1}}' for the second of two machines.
    """
    cluster = {"worker": list(addresses)}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})


def free_ports(count: int) -> list[int]:
    """Find TCP ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def launch_workers(
    work: Callable[..., object],
    arguments: Sequence[object],
    workers: int,
    restarts: int = 3,
    environment: Mapping[str, str] | None = None,
    final_codes: Collection[int] = (),
    check: Callable[[], None] = lambda: None,
) -> int:
    """Call a function in several processes that find each other by TF_CONFIG, until all succeed.

    If one fails or is killed, the others can't go on: all are ended and started anew, on new
    ports, and go on from their backup. If this process is killed, they end, too.

    Parameters
    ----------
    work : callable
        Of a module, as processes are spawned; best of one that does not import TensorFlow, which
        then finds the variables set. A worker succeeds if it returns, or exits with code 0.
    arguments : sequence
        That can be pickled.
    workers : int
        Processes.
    restarts : int
        How often all may be started again.
    environment : mapping, optional
        Further variables of the processes.
    final_codes : collection of int
        Exit codes after which starting again would not help.
    check : callable
        Called several times a second; what it raises ends the processes.

    Returns
    -------
    int
        How often they were started again.

    Raises
    ------
    OSError
        If they still fail after so many restarts, or with a final code.
    """
    spawn = multiprocessing.get_context("spawn")
    for attempt in range(restarts + 1):
        addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
        processes = []
        try:
            for number in range(workers):
                variables = {
                    **(environment or {}),
                    "TF_CONFIG": cluster_settings(addresses, number),
                }
                process = spawn.Process(target=_work, args=(work, arguments, variables))
                processes.append(process)
                process.start()
            codes = _wait(processes, check)
        finally:
            for process in processes:
                if process.pid is not None:
                    process.kill()
                    process.join()
        if not any(codes):
            return attempt
        if final := set(codes) & set(final_codes):
            raise OSError(
                f"a worker ended with exit code {min(final)}, and would do so again; see above"
            )
        print(f"workers ended with {codes}", "; starting them again" * (attempt < restarts))
    raise OSError(
        f"the workers failed {restarts + 1} times, at last with exit codes {codes}; see their "
        "messages above"
    )


def _work(work: Callable[..., object], arguments: Sequence[object], variables: dict) -> None:
    """Be a worker, no longer than there is a launcher."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, name="launcher", daemon=True).start()
    os.environ.update(variables)
    work(*arguments)


def _wait(processes: list[BaseProcess], check: Callable[[], None]) -> list[int | None]:
    """Wait until all have ended, or one has failed and the others had their time to."""
    deadline = None
    while True:
        check()
        codes = [process.exitcode for process in processes]
        if None not in codes or (deadline and time.monotonic() > deadline):
            return codes
        if any(codes) and deadline is None:
            deadline = time.monotonic() + GRACE_SECONDS
        time.sleep(POLL_SECONDS)
