"""Who trains: this process alone, its GPUs, or the workers that TF_CONFIG names."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

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
