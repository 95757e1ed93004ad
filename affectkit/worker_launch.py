"""Start the processes of a training on one machine, and all of them again when one dies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack

POLL_SECONDS = 0.2
GRACE_SECONDS = 10
"""What the others get to end by themselves once one has failed."""


def free_ports(count: int) -> list[int]:
    """Find TCP ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def cluster_settings(addresses: Sequence[str], number: int) -> str:
    """Give the text of TF_CONFIG for one worker.

    Parameters
    ----------
    addresses : sequence of str
        HOST:PORT of every worker, the chief first; the same list for all.
    number : int
        Of this worker, from 0.
    """
    cluster = {"worker": list(addresses)}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})


def launch_workers(
    command: Sequence[str],
    workers: int,
    restarts: int = 3,
    environment: Mapping[str, str] | None = None,
    final_codes: Collection[int] = (),
    check: Callable[[], None] = lambda: None,
) -> int:
    """Run a command in several processes that find each other by TF_CONFIG, until all succeed.

    If one fails or is killed, the others can't go on: all are ended and started anew, on new
    ports, and go on from their backup. If this process is killed, workers end that have called
    `end_with_launcher`.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    workers : int
        Processes.
    restarts : int
        How often all may be started again.
    environment : mapping, optional
        Further variables.
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
    for attempt in range(restarts + 1):
        addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
        processes = [
            subprocess.Popen(
                command,
                env=os.environ
                | dict(environment or {})
                | {"TF_CONFIG": cluster_settings(addresses, number)},
                stdin=subprocess.PIPE,
            )
            for number in range(workers)
        ]
        try:
            codes = _wait(processes, check)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.wait()
                process.stdin.close()
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


def end_with_launcher() -> None:
    """End this worker at once when the process of `launch_workers` is gone, however it ended.

    That one holds the other end of the standard input, writes nothing, and with it the input ends.
    """

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="launcher", daemon=True).start()


def _wait(processes: list[subprocess.Popen], check: Callable[[], None]) -> list[int | None]:
    """Wait until all have ended, or one has failed and the others had their time to."""
    deadline = None
    while True:
        check()
        codes = [process.poll() for process in processes]
        if None not in codes or (deadline and time.monotonic() > deadline):
            return codes
        if any(codes) and deadline is None:
            deadline = time.monotonic() + GRACE_SECONDS
        time.sleep(POLL_SECONDS)
