"""Who trains: this process alone, its GPUs, or the workers that TF_CONFIG names."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack

import tensorflow as tf

LARGEST_AGREED = 2**24
"""Numbers up to here are summed exactly, and so are their squares over many replicas."""


def cluster_workers() -> int:
    """Count the workers that TF_CONFIG names, with its chief; 0 where it is not set.

    Raises
    ------
    ValueError
        If it can't be read, or this process is neither chief nor worker.
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


def choose_strategy() -> tf.distribute.Strategy:
    """Give the strategy for this process: by TF_CONFIG for several machines, else by its GPUs.

    Call it before anything else of TensorFlow; it waits until all workers are there.
    """
    if cluster_workers() > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def workers_of(strategy: tf.distribute.Strategy) -> int:
    """Count the processes of a strategy."""
    resolver = strategy.cluster_resolver
    tasks = resolver.cluster_spec().as_dict() if resolver is not None else {}
    return max(1, sum(len(tasks.get(name, ())) for name in ("chief", "worker")))


def all_agree(strategy: tf.distribute.Strategy, numbers: Sequence[int]) -> bool:
    """Wait until all workers have called this, and tell whether with the same numbers.

    Parameters
    ----------
    strategy : tf.distribute.Strategy
    numbers : sequence of int
        Each below 2**24.
    """

    def total() -> tuple[tf.Tensor, tf.Tensor]:
        context = tf.distribute.get_replica_context()
        own = tf.constant(numbers, tf.float64)
        return tuple(context.all_reduce(tf.distribute.ReduceOp.SUM, [own, own * own]))

    sums, squares = (
        strategy.experimental_local_results(value)[0].numpy()
        for value in strategy.run(tf.function(total))
    )
    # the variance is 0
    return bool((squares * strategy.num_replicas_in_sync == sums * sums).all())


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Wait until all workers have come here."""
    all_agree(strategy, [0])


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


# FOLD affectkit.worker_launch: """Start the processes of a training on one machine, and all of them again when one dies."""
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
