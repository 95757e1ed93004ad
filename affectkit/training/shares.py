"""Which worker reads which shards: the same batches, however many workers there are."""

from __future__ import annotations

import math

import tensorflow as tf

from affectkit.data.shards.batches import shard_batches
from affectkit.data.shards.index import ShardIndex
from affectkit.data.shards.streams import epoch_seed
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.training.augmentation import mix_up
from affectkit.training.workers import workers_of


class ShardShares:
    """The training and validation batches of one worker, and how many steps an epoch has.

    Shard number i belongs to share i modulo the number of shares. Every training batch takes as
    many faces of each share, and a worker reads one share, or several. Mixup blends the faces of a
    share: what it draws depends on seed, share and the number of the batch.

    Parameters
    ----------
    index, task, preprocessing
        See `affectkit.training.replicas.train_on_shards`.
    settings : TrainingSettings
        Whose batch_size, that of all replicas, balance and mixup are used.
    seed : int
        Of shuffling and mixup.
    strategy : tf.distribute.Strategy
        Says how many replicas and workers there are.
    shares : int, optional
        As many as workers if omitted.
    """

    def __init__(
        self,
        index: ShardIndex,
        task: str,
        preprocessing: Preprocessing,
        settings: TrainingSettings,
        seed: int,
        strategy: tf.distribute.Strategy,
        shares: int | None = None,
    ) -> None:
        """Check that everything can be shared evenly.

        Raises
        ------
        ValueError
            If it can't, or a split is too small for one batch.
        """
        self.index, self.task, self.strategy, self.seed = index, task, strategy, seed
        self._preprocessing, self._settings = preprocessing, settings
        self._workers = workers_of(strategy)
        self.shares = self._workers if shares is None else shares
        size, replicas = settings.batch_size, strategy.num_replicas_in_sync
        if size % replicas or size % self.shares or self.shares % self._workers:
            raise ValueError(
                f"expected a batch_size that {replicas} replicas and {self.shares} shares divide "
                f"evenly, and shares that {self._workers} workers do; got batch_size {size}"
            )
        checked = min(self._rows("validation", share) for share in range(self.shares))
        if not self.steps("train") or not checked:
            found = {split: self._annotated(split) for split in ("train", "validation")}
            raise ValueError(
                f"{index.folder} has {found['train']} rows for training and {found['validation']} "
                f"for validation that {task} learns from, in {len(index.shards())} shards: too few "
                f"for batches of {size} in {self.shares} shares; use a smaller batch_size, fewer "
                "workers or shares, or more and smaller shards"
            )

    def steps(self, split: str) -> int:
        """Count the steps that all workers take in an epoch."""
        rows = [self._rows(split, share) for share in range(self.shares)]
        replicas, size = self.strategy.num_replicas_in_sync, self._settings.batch_size
        if split == "train":
            return min(rows) // (size // self.shares)
        each = self.shares // self._workers
        batches = [math.ceil(count * replicas / size) for count in rows]
        longest = max(sum(batches[first : first + each]) for first in range(0, len(rows), each))
        return math.ceil(longest * self._workers / replicas)

    def batches(
        self, split: str, epoch: int, soft: bool = True
    ) -> tf.distribute.DistributedDataset:
        """Give the batches of an epoch, in an order that depends on seed and epoch alone.

        Elements are (faces, targets, weights) for each replica, without end: take `steps`. See
        `affectkit.data.shards.batches.shard_batches` about `soft`.
        """

        def read(context: tf.distribute.InputContext) -> tf.data.Dataset:
            each = self.shares // context.num_input_pipelines
            first = context.input_pipeline_id * each
            shares = range(first, first + each)
            replica_size = self._settings.batch_size // self.strategy.num_replicas_in_sync
            if split != "train":
                parts = [self._share(split, share, epoch, replica_size, soft) for share in shares]
                whole = parts[0]
                for part in parts[1:]:
                    whole = whole.concatenate(part)
                return whole.concatenate(_weightless(whole))
            size = self._settings.batch_size // self.shares
            parts = [self._share(split, share, epoch, size, soft).repeat() for share in shares]
            if self._settings.mixup:
                parts = [self._mix(*part, epoch) for part in zip(shares, parts, strict=True)]
            batches = tf.data.Dataset.zip(*parts).map(_joined).rebatch(replica_size)
            # else the workers would ask each other before every step whether all have a batch
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return batches.apply(endless)

        return self.strategy.distribute_datasets_from_function(read)

    def _rows(self, split: str, share: int) -> int:
        """Count what a share has to learn from; at most, where shares are parts of shards."""
        if len(self.index.shards(split)) >= self.shares:
            return self._annotated(split, share, self.shares)
        return len(range(share, self.index.rows(split), self.shares))

    def _annotated(self, split: str, first: int = 0, step: int = 1) -> int:
        """Count the rows of every `step`-th shard that have what the task needs."""
        shards = self.index.shards(split)[first::step]
        if self.task == "regression":
            return sum(shard["valence_arousal"] for shard in shards)
        codes = [str(code) for code in range(NUM_EXPRESSIONS)]
        return sum(shard["expressions"].get(code, 0) for shard in shards for code in codes)

    def faces(self, count: int) -> tf.Tensor:
        """Give some faces of the training split: uint8, the same for every worker."""
        batches = shard_batches(self.index, "train", self.task, self._preprocessing, count)
        return next(iter(batches))[0]

    def _mix(self, share: int, batches: tf.data.Dataset, epoch: int) -> tf.data.Dataset:
        seed, first = epoch_seed(self.seed, share), epoch * self.steps("train")
        return mix_up(batches, self._settings.mixup, seed, first)

    def _share(
        self, split: str, share: int, epoch: int, batch_size: int, soft: bool
    ) -> tf.data.Dataset:
        training = split == "train"
        return shard_batches(
            self.index,
            split,
            self.task,
            self._preprocessing,
            batch_size,
            self._settings.balance if training else 0.0,
            drop_remainder=training,
            soft=soft,
            shuffle=training,
            seed=epoch_seed(self.seed, epoch),
            worker=share,
            workers=self.shares,
        )


def _joined(*parts: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
    parts = parts if isinstance(parts[0], tuple) else (parts,)
    return tuple(tf.concat(tensors, axis=0) for tensors in zip(*parts, strict=True))


def _weightless(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Give batches that count for nothing: workers with less to read take part to the end."""
    return (
        batches.take(1).map(lambda faces, targets, weights: (faces, targets, 0 * weights)).repeat()
    )
