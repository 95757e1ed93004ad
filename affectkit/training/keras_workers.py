"""Keras' `fit` on several workers: two overrides that it needs there, and how workers agree.

Under `MultiWorkerMirroredStrategy`, `fit` of Keras 3.15 ends with an error (keras issue 20585): its
symbolic build takes a batch of all replicas for a tensor, and it reduces the scalars of a step
along an axis that they have not. tests/training/test_keras_workers.py tells when neither is so.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from affectkit.training.workers import cluster_workers

LARGEST_AGREED = 2**24
"""Numbers up to here are summed exactly, and so are their squares over many replicas."""


class WorkerModel(keras.Model):
    """A functional model, made in the scope of a strategy of several workers, that `fit` trains."""

    def train_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """Give the step's scalars the axis that they are reduced along."""
        return {name: value[None] for name, value in super().train_step(data).items()}

    def test_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """As `train_step`."""
        return {name: value[None] for name, value in super().test_step(data).items()}

    def _maybe_symbolic_build(self, iterator: object = None, data_batch: object = None) -> None:
        """Leave out what is done for a model that is not built yet."""


def model_class() -> type[keras.Model]:
    """Give what a model that is trained in this scope is made with."""
    return WorkerModel if workers_of(tf.distribute.get_strategy()) > 1 else keras.Model


def choose_strategy() -> tf.distribute.Strategy:
    """Give the strategy for this process: by TF_CONFIG for several workers, else by its GPUs.

    Call it before anything else of TensorFlow (it waits until all workers are there), and train
    within its scope.

    Returns
    -------
    tf.distribute.Strategy
        `MultiWorkerMirroredStrategy`, `MirroredStrategy` for several GPUs, or the default one.

    Raises
    ------
    ValueError
        If TF_CONFIG can't be read, or this process is neither chief nor worker.
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


def all_agree(numbers: Sequence[int]) -> bool:
    """Wait until all workers of this scope have called this; tell whether with the same numbers.

    Each is below `LARGEST_AGREED`.
    """
    strategy = tf.distribute.get_strategy()
    if workers_of(strategy) == 1:
        return True

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


def wait_for_all() -> None:
    """Wait until all workers have come here."""
    all_agree([0])
