"""What `fit` reads: the rows of two tables, or a worker's share of shards.

The order of an epoch follows from seed and epoch alone, so that a training that goes on after a
kill sees what it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Protocol

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.batches import make_batches
from affectkit.data.shards.batches import shard_batches
from affectkit.data.shards.index import ShardIndex
from affectkit.data.shards.streams import damage_named, epoch_seed
from affectkit.data.table import annotated_rows
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.models.inference import predict_faces
from affectkit.models.opening import Model
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import TrainingSettings
from affectkit.training.augmentation import mix_up
from affectkit.training.backup import short_hash
from affectkit.training.keras_workers import workers_of
from affectkit.training.targets import class_weights, training_targets

Rows = tuple[pd.DataFrame, np.ndarray | None]
"""A table and what `load_faces` returned for it: uint8 (n, size, size, 3), or None to stream."""

Batches = tf.data.Dataset | tf.distribute.DistributedDataset
"""Of faces 0..255 (batch, size, size, 3), targets float32 (batch, 8 or 2) and perhaps weights."""


class Inputs(Protocol):
    """What a training needs to know of its data.

    `steps` are those of an epoch; `validation_steps` may be None: until there are no more batches.
    `addresses` are the files that may turn out to be damaged.
    """

    seed: int
    steps: int
    validation_steps: int | None
    addresses: set[str]

    def training(self, first_epoch: int) -> Batches:
        """Give epochs without end."""

    def validation(self) -> Batches:
        """Give every readable face once."""

    def measured(self) -> tf.data.Dataset:
        """Give training batches from the first epoch on, the same for every worker."""

    def facts(self) -> dict[str, object]:
        """Say by name what decides how a training goes, besides its settings; JSON-able."""

    def answers(self, model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
        """Give expressions 0..7 (n,) and probabilities (n, 8) of the validation split."""


class TableInputs:
    """Faces in memory, or streamed from their files; all of them for every worker.

    `facts` are further ones that a backup must share.
    """

    def __init__(
        self,
        train: Rows,
        validation: Rows,
        task: str,
        preprocessing: Preprocessing,
        settings: TrainingSettings,
        seed: int = 0,
        facts: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self._train, self._validation, self._task, self.seed = train, validation, task, seed
        self._preprocessing, self._settings, self._facts = preprocessing, settings, facts
        self.steps = math.ceil(len(train[0]) / settings.batch_size)
        self.validation_steps = None
        self.addresses = {*train[0]["path"], *validation[0]["path"]}

    def training(self, first_epoch: int) -> tf.data.Dataset:
        """Give epochs without end, balanced and mixed as the settings say."""
        table, settings = self._train[0], self._settings
        weights = None
        if settings.balance and annotated_rows(table, "classification").all():
            weights = class_weights(table, settings.balance)[table["expression"].to_numpy(int)]
        batches = self._batches(self._train, weights, first_epoch)
        if not settings.mixup:
            return batches
        return mix_up(batches, settings.mixup, self.seed, first_epoch * self.steps)

    def validation(self) -> tf.data.Dataset:
        """Give every readable face once, without weights."""
        return self._batches(self._validation)

    def measured(self) -> tf.data.Dataset:
        """Give training batches of the whole size, from the first epoch on."""
        return self.training(0)

    def facts(self) -> dict[str, object]:
        """Give what another training would not share."""
        table = self._train[0]
        targets = training_targets(table, self._task)
        rows = short_hash(*table["image_id"], targets)
        return dict(self._facts) | {"seed": self.seed, "rows": rows}

    def answers(self, model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
        """Give expressions, and probabilities that no temperature has changed yet."""
        loaded = Model.of_keras(model, self._preprocessing)
        labels = self._validation[0]["expression"].to_numpy(int)
        return labels, predict_faces(loaded, *self._validation)

    def _batches(
        self, rows: Rows, weights: np.ndarray | None = None, first_epoch: int | None = None
    ) -> tf.data.Dataset:
        return make_batches(
            *rows,
            self._preprocessing,
            training_targets(rows[0], self._task),
            weights,
            self._settings.batch_size,
            seed=self.seed,
            first_epoch=first_epoch,
            in_order=False,
        )


class ShardInputs:
    """A worker's share of shards, without a table: memory does not grow with the rows.

    Shard number i belongs to worker i modulo their number, and every training batch takes as many
    faces of each worker. `facts` are further ones that a backup must share. Made in the scope of
    the strategy. Raises ValueError if the batch can't be shared evenly, or a split is too small.
    """

    def __init__(
        self,
        index: ShardIndex,
        task: str,
        preprocessing: Preprocessing,
        settings: TrainingSettings,
        seed: int = 0,
        facts: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self._index, self._task, self.seed = index, task, seed
        self._preprocessing, self._settings, self._facts = preprocessing, settings, facts
        self._strategy = tf.distribute.get_strategy()
        self._workers = workers_of(self._strategy)
        replicas, size = self._strategy.num_replicas_in_sync, settings.batch_size
        if size % replicas:
            raise ValueError(
                f"expected a batch_size that {replicas} replicas divide evenly, got {size}"
            )
        self._replica_size = size // replicas
        rows = {split: self._rows(split) for split in ("train", "validation")}
        self.steps = min(rows["train"]) // (size // self._workers)
        if not self.steps or not min(rows["validation"]):
            found = {split: self._annotated(split) for split in rows}
            raise ValueError(
                f"{index.folder} has {found['train']} rows for training and {found['validation']} "
                f"for validation that {task} learns from, in {len(index.shards())} shards: too few "
                f"for batches of {size} of {self._workers} workers; use a smaller batch_size, "
                "fewer workers, or more and smaller shards"
            )
        self._batches_a_step = replicas // self._workers
        batches = math.ceil(max(rows["validation"]) / self._replica_size)
        self.validation_steps = math.ceil(batches / self._batches_a_step)
        self.addresses = set(index.addresses())

    def training(self, first_epoch: int) -> Batches:
        """Give epochs without end, balanced and mixed as the settings say."""

        def read(worker: int) -> tf.data.Dataset:
            seed = epoch_seed(self.seed, worker)
            batches_an_epoch = self.steps * self._batches_a_step
            share = worker, self._workers
            batches = self._epochs(first_epoch, batches_an_epoch, self._replica_size, *share)
            if self._settings.mixup:
                first = first_epoch * batches_an_epoch
                batches = mix_up(batches, self._settings.mixup, seed, first)
            return batches

        return self._distributed(read)

    def validation(self) -> Batches:
        """Give every readable face once, without weights."""
        size, targets = self._preprocessing.image_size, 2 if self._task == "regression" else 8
        nothing = tf.zeros((0, size, size, 3), tf.uint8), tf.zeros((0, targets))

        def readable(faces: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tuple:
            return tf.boolean_mask(faces, weights > 0), tf.boolean_mask(targets, weights > 0)

        def read(worker: int) -> tf.data.Dataset:
            batches = shard_batches(
                *(self._index, "validation", self._task, self._preprocessing, self._replica_size),
                worker=worker,
                workers=self._workers,
            )
            # workers with less to read take part to the end
            return batches.map(readable).concatenate(tf.data.Dataset.from_tensors(nothing).repeat())

        return self._distributed(read)

    def measured(self) -> tf.data.Dataset:
        """Give training batches of the whole size, from the first epoch on."""
        size = self._settings.batch_size
        batches = self._epochs(0, max(1, self._annotated("train") // size), size)
        if not self._settings.mixup:
            return batches
        return mix_up(batches, self._settings.mixup, self.seed)

    def facts(self) -> dict[str, object]:
        """Give what another training would not share."""
        facts = asdict(self._preprocessing) | dict(self._facts)
        facts |= {"seed": self.seed, "workers": self._workers}
        return facts | {"shards": self._index.content["fingerprint"]}

    def answers(self, model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
        """Give expressions, and probabilities that no temperature has changed yet."""
        batches = shard_batches(
            *(self._index, "validation", self._task, self._preprocessing),
            batch_size=self._settings.batch_size,
            soft=False,
        )
        known, found = [], []
        with damage_named(self.addresses):
            for faces, targets, weights in batches:
                answers = model(scale_pixels(tf.cast(faces, tf.float32)), training=False)
                known.append(targets.numpy()[weights > 0].argmax(axis=1))
                found.append(answers.numpy()[weights > 0])
        return np.concatenate(known), np.concatenate(found)

    def _epochs(
        self, first_epoch: int, batches: int, batch_size: int, worker: int = 0, workers: int = 1
    ) -> tf.data.Dataset:
        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            share = shard_batches(
                *(self._index, "train", self._task, self._preprocessing, batch_size),
                self._settings.balance,
                drop_remainder=True,
                shuffle=True,
                seed=epoch_seed(self.seed, number),
                worker=worker,
                workers=workers,
            )
            return share.repeat().take(batches)

        return tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max).flat_map(epoch)

    def _distributed(self, read: Callable[[int], tf.data.Dataset]) -> Batches:
        def read_share(context: tf.distribute.InputContext) -> tf.data.Dataset:
            # else the workers would ask each other before every step whether all have a batch
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return read(context.input_pipeline_id).apply(endless)

        return self._strategy.distribute_datasets_from_function(read_share)

    def _rows(self, split: str) -> list[int]:
        """Count what each worker has to learn from; at most, where shares are parts of shards."""
        if len(self._index.shards(split)) >= self._workers:
            return [self._annotated(split, one, self._workers) for one in range(self._workers)]
        rows = self._index.rows(split)
        return [len(range(one, rows, self._workers)) for one in range(self._workers)]

    def _annotated(self, split: str, first: int = 0, step: int = 1) -> int:
        """Count the rows of every `step`-th shard that have what the task needs."""
        shards = self._index.shards(split)[first::step]
        if self._task == "regression":
            return sum(shard["valence_arousal"] for shard in shards)
        codes = [str(code) for code in range(NUM_EXPRESSIONS)]
        return sum(shard["expressions"].get(code, 0) for shard in shards for code in codes)
