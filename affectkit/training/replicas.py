"""Train on several devices or machines, straight from shards.

`affectkit train shards` does it from the command line (`affectkit.training.runs`). On one machine with
several GPUs, `affectkit.training.fit.train_model` can, too: build the model, call
`affectkit.models.batch_norm.synchronise_batch_norm` and train within the scope of a
`tf.distribute.MirroredStrategy`. Keras 3's `fit` can do that.

Between machines `fit` fails: under `MultiWorkerMirroredStrategy` it tries to convert a value per
replica to one tensor (keras issue 20585, still so in Keras 3.15). A loop of one's own works, and
this is one, for either strategy. What `fit` and its callbacks do besides is done here anew:

- shards are read in shares, in an order that depends on seed and epoch alone: a run that goes on
  after a kill sees what it would have seen, and with the same number of shares, any number of
  workers sees the same batches, blended alike by mixup;
- augmentation (but "photometric") and dropout draw for the whole batch of all replicas
  (`affectkit.training.layers`), so that they vary it as one process would;
- normalisation: by default over the whole batch of all workers (`synchronized` of Keras' layers),
  which makes the loss curve that of one process, and the moving statistics the same everywhere.
  Keras does not average these over workers otherwise; then the mean is taken after each epoch.
  What is left between one process and many are rounding errors. Adam enlarges them where a
  gradient is nearly 0, as it does those of one process that sums in another order;
- after each epoch the chief (worker 0) writes one backup file in one step, for the stage that
  trains the head alone as for the one that trains everything. A killed worker takes the others
  down, as none can go on alone; started again, all go on from the backup.

Every machine runs the same command, with the variable TF_CONFIG saying where all are and which one
this is (`affectkit.training.workers.cluster_settings`), a shared folder for the backup, and a
supervisor (Kubernetes, Slurm's requeue, or `affectkit.training.workers` for processes of one machine)
that starts all again when one ends with an error. The program, `train.py`::

    from affectkit.training.workers import choose_strategy, is_chief

    strategy = choose_strategy()  # first of all
    model, log = train_on_shards(
        lambda: build_classifier(224, 1.0, weights="imagenet"), read_index("gs://bucket/affectnet"),
        "classification", Preprocessing(224), PROFILES["full"].classifier, "/shared/run",
        strategy=strategy,
    )
    if is_chief():
        save_model(model, "/shared/run/classifier.keras", Preprocessing(224))

is started on the second of two machines by::

    TF_CONFIG='{"cluster": {"worker": ["one:2222", "two:2222"]},
                "task": {"type": "worker", "index": 1}}' python train.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.auto import tqdm

from affectkit.data.shards.index import ShardIndex
from affectkit.data.shards.streams import damage_named
from affectkit.files.atomic import remove_partials, write_atomically
from affectkit.models.batch_norm import (
    batch_norms,
    is_folded,
    momenta_kept,
    restore_statistics,
    synchronise_batch_norm,
)
from affectkit.models.build import get_backbone
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import TrainingSettings
from affectkit.training.augmentation import with_augmentation
from affectkit.training.backup import WorkerBackup, training_identity
from affectkit.training.callbacks import cosine_learning_rate
from affectkit.training.fit import AVERAGED_BATCHES, build_loss, build_optimizer, head_settings
from affectkit.training.layers import with_whole_batch_dropout
from affectkit.training.shares import ShardShares
from affectkit.training.workers import all_agree, choose_strategy, is_chief
from affectkit.version import __version__

MEASURED_FACES = 512
"""Faces that give a folded backbone its statistics back."""


def train_on_shards(
    build: Callable[[], keras.Model],
    index: ShardIndex,
    task: str,
    preprocessing: Preprocessing,
    settings: TrainingSettings,
    folder: str | Path,
    seed: int = 0,
    strategy: tf.distribute.Strategy | None = None,
    shares: int | None = None,
    synchronise: bool = True,
    facts: Mapping[str, object] = MappingProxyType({}),
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a network on all replicas of a strategy; all workers call this alike.

    It ends as `affectkit.training.fit.train_model` ends: with the weights of the best validation loss,
    or, with an `ema_momentum`, with the moving average and normalisation measured anew for it. A
    backbone whose normalisation is folded gets its statistics back first.

    Parameters
    ----------
    build : callable
        Gives a classifier or regressor of `affectkit.models.build`; called within the strategy's scope.
    index : ShardIndex
        With a train and a validation split.
    task : {"classification", "regression"}
        What it learns.
    preprocessing : Preprocessing
        Crop margin and size.
    settings : TrainingSettings
        The recipe; batch_size is that of all replicas together.
    folder : str or Path
        Gets `<task>_log.csv` and `<task>_backup.npz`, and those of the head's stage in `head/`;
        shared by all workers. `forget_backups` removes the backups.
    seed : int
        Of shuffling, mixup, augmentation and dropout.
    strategy : tf.distribute.Strategy, optional
        That of `choose_strategy` if omitted.
    shares : int, optional
        Parts of the data that make up each batch; the number of workers if omitted. A multiple of
        it that is the same in two runs makes them alike, whatever the number of workers.
    synchronise : bool
        Normalise over the batches of all replicas together.
    facts : mapping
        What else a run must share with the backup that it goes on from, such as the weights that
        `build` starts from; JSON-able.

    Returns
    -------
    model : keras.Model
        The trained network.
    log : pandas.DataFrame
        epoch, loss, val_loss, and val_accuracy or val_rmse.

    Raises
    ------
    ValueError
        If the batch can't be shared evenly, a split is too small, the loss becomes NaN, or the
        backup is of another training: the error says which settings differ.
    """
    strategy = strategy or choose_strategy()
    folder = Path(folder)
    data = ShardShares(index, task, preprocessing, settings, seed, strategy, shares)
    run = dict(facts) | asdict(settings) | asdict(preprocessing)
    run |= {"seed": seed, "shares": data.shares, "synchronise": synchronise}
    run |= {"shards": index.content["fingerprint"], "affectkit": __version__}
    with strategy.scope():
        model = build()
        synchronise_batch_norm(model, synchronise)
    backbone = get_backbone(model)
    if is_folded(backbone):
        faces = data.faces(MEASURED_FACES).numpy()
        restore_statistics(backbone, scale_pixels(faces.astype("float32")))
        # other processors round otherwise: then all take the mean
        average_on_replicas(strategy, backbone.weights)
    if settings.head_epochs:
        train_stage(model, data, head_settings(settings), folder / "head", synchronise, run)
    log = train_stage(model, data, settings, folder, synchronise, run)
    synchronise_batch_norm(model, False)
    return model, log


def forget_backups(folder: str | Path, task: str) -> None:
    """Remove the backups of a training of this task; for when its model is saved."""
    for stage in (Path(folder), Path(folder) / "head"):
        backup_file(stage, task).unlink(missing_ok=True)


# FOLD affectkit.replica_stage: """One stage of a training on all replicas: its epochs, log, backup and what is kept at the end."""
DROPOUT_SEED = 3
"""Added to the seed: augmentation takes those before."""


def train_stage(
    model: keras.Model,
    data: ShardShares,
    settings: TrainingSettings,
    folder: Path,
    synchronise: bool = True,
    run: Mapping[str, object] = MappingProxyType({}),
) -> pd.DataFrame:
    """Train a network for all epochs of the settings, or go on from the backup in the folder.

    Parameters
    ----------
    model : keras.Model
        Made in the strategy's scope. Ends with the weights of the best validation loss, or with
        the moving average and normalisation measured anew for it.
    data : ShardShares
        What to train on, and with which strategy.
    settings : TrainingSettings
        The recipe, without its `head_epochs`.
    folder : Path
        Gets log and backup.
    synchronise : bool
        Whether the layers normalise over all replicas; else moving statistics are averaged.
    run : mapping
        By name, all that decides how the run goes; JSON-able. A backup with others is refused.

    Returns
    -------
    pandas.DataFrame
        The log.

    Raises
    ------
    ValueError
        If the loss becomes NaN, the backup is of another training, or the workers differ in it.
    """
    strategy, task = data.strategy, data.task
    average = settings.ema_momentum > 0
    backbone = get_backbone(model)
    backbone.trainable = not settings.freeze_backbone
    with strategy.scope():
        varied = with_whole_batch_dropout(model, data.seed + DROPOUT_SEED)
        trainer = with_augmentation(varied, settings.augmentation, data.seed)
        optimizer = build_optimizer(settings)
        optimizer.build(trainer.trainable_variables)
    loop = ReplicaLoop(strategy, trainer, optimizer, task, settings)
    apart = () if settings.freeze_backbone or synchronise else batch_norms(backbone)
    statistics = [value for norm in apart for value in (norm.moving_mean, norm.moving_variance)]
    index = data.index
    backup = WorkerBackup(
        backup_file(folder, task),
        run,
        [*trainer.variables, *optimizer.variables],
        [] if average else model.variables,
    )
    if is_chief():
        remove_partials(folder)
    rows = backup.load()
    identity = training_identity(sorted(run.items()), [one.shape for one in model.weights])
    if not all_agree(strategy, [len(rows), int(identity[:6], 16)]):
        raise ValueError(
            f"the workers differ: this one found {len(rows)} finished epochs in {folder}; all must "
            "run the same command, on the same shards, in one folder that they share"
        )
    steps = data.steps("train")
    part = f"{task}, head alone" if settings.freeze_backbone else task
    name = f"{part}, {settings.epochs} epochs, {strategy.num_replicas_in_sync} replicas"
    with tqdm(total=settings.epochs, initial=len(rows), desc=name, disable=not is_chief()) as bar:
        for epoch in range(len(rows), settings.epochs):
            if not average and _waited(rows) >= settings.patience:
                break
            rates = [
                cosine_learning_rate(step, settings.epochs * steps, settings.learning_rate)
                for step in range(epoch * steps, (epoch + 1) * steps)
            ]
            with damage_named(index.addresses()):
                loss = loop.train(data.batches("train", epoch), rates)
                if statistics:
                    average_on_replicas(strategy, statistics)
                checked = loop.check(data.batches("validation", epoch), data.steps("validation"))
            rows.append({"epoch": epoch, "loss": loss} | checked)
            backup.save(rows, better=_waited(rows) == 0, write=is_chief())
            _write_log(folder / f"{task}_log.csv", rows)
            bar.update()
    _write_log(folder / f"{task}_log.csv", rows)
    if not average:
        backup.take_best()
    else:
        optimizer.finalize_variable_values(trainer.trainable_variables)
    if average and not settings.freeze_backbone:
        with damage_named(index.addresses()):
            loop.measure(backbone, data.batches("train", 0), min(AVERAGED_BATCHES, steps))
        if statistics:
            average_on_replicas(strategy, statistics)
    backbone.trainable = True
    return pd.DataFrame(rows)


def backup_file(folder: Path, task: str) -> Path:
    """Give where the backup of a stage is."""
    return folder / f"{task}_backup.npz"


def _write_log(path: Path, rows: list[dict]) -> None:
    if is_chief():
        write_atomically(path, pd.DataFrame(rows).to_csv(index=False))


def _waited(rows: list[dict]) -> int:
    """Count the epochs since the best validation loss."""
    losses = [row["val_loss"] for row in rows]
    return len(losses) - 1 - int(np.argmin(losses)) if losses else 0


# FOLD affectkit.replica_loop: """Steps of training and validation on all replicas of a `tf.distribute` strategy."""
class ReplicaLoop:
    """What Keras' `fit` does with a batch, written for strategies of several workers.

    Parameters
    ----------
    strategy : tf.distribute.Strategy
    trainer : keras.Model
        Takes float32 faces 0..255; made in the strategy's scope.
    optimizer : keras.optimizers.Optimizer
        Built in the strategy's scope.
    task : {"classification", "regression"}
    settings : TrainingSettings
        Whose label_smoothing and batch_size, that of all replicas, are used.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        trainer: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        task: str,
        settings: TrainingSettings,
    ) -> None:
        self._strategy, self._trainer, self._optimizer = strategy, trainer, optimizer
        self._task, self._batch_size = task, settings.batch_size
        self._loss = build_loss(task, settings.label_smoothing, reduction="none")
        self._train_step = tf.function(self._train_on_replicas)
        self._check_step = tf.function(self._check_on_replicas)

    def train(self, batches: Iterable, rates: Sequence[float]) -> float:
        """Take a step for each learning rate; gives the mean loss.

        Raises
        ------
        ValueError
            If the loss becomes NaN.
        """
        losses = []
        for rate, batch in zip(rates, batches, strict=False):
            self._optimizer.learning_rate.assign(rate)
            losses.append(self._train_step(batch))
        loss = float(tf.reduce_mean(losses))
        if not math.isfinite(loss):
            raise ValueError(
                "the loss became NaN or infinite; lower the learning_rate (a tenth is a good first "
                "try) or start from pretrained weights"
            )
        return loss

    def check(self, batches: Iterable, steps: int) -> dict[str, float]:
        """Give val_loss, and val_accuracy or val_rmse, over so many batches.

        Raises
        ------
        ValueError
            If no face could be read.
        """
        totals = sum(self._check_step(batch) for batch in islice(batches, steps))
        loss, measure, count = (float(value) for value in totals)
        if not count:
            raise ValueError("no face of the validation split could be read; see the warnings")
        measure /= count
        name = "val_rmse" if self._task == "regression" else "val_accuracy"
        return {"val_loss": loss / count, name: measure**0.5 if name == "val_rmse" else measure}

    def measure(self, backbone: keras.Model, batches: Iterable, steps: int) -> None:
        """Do what `affectkit.models.batch_norm.average_statistics` does, over so many batches."""

        @tf.function
        def pass_through(faces: object, momentum: tf.Tensor) -> None:
            self._strategy.run(pass_one, args=(faces, momentum))

        def pass_one(faces: tf.Tensor, momentum: tf.Tensor) -> None:
            for layer in layers:
                layer.momentum = momentum
            self._trainer(tf.cast(faces, tf.float32), training=True)

        with momenta_kept(backbone) as layers:
            for count, batch in enumerate(islice(batches, steps)):
                pass_through(batch[0], tf.constant(count / (count + 1)))

    def _train_on_replicas(self, batch: tuple) -> tf.Tensor:
        losses = self._strategy.run(self._train_on_one, args=batch)
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _train_on_one(self, faces: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = self._trainer(tf.cast(faces, tf.float32), training=True)
            loss = tf.reduce_sum(self._loss(targets, outputs) * weights) / self._batch_size
        variables = self._trainer.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        self._optimizer.apply(gradients, variables)
        return loss

    def _check_on_replicas(self, batch: tuple) -> tf.Tensor:
        totals = self._strategy.run(self._check_on_one, args=batch)
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, totals, axis=None)

    def _check_on_one(self, faces: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        outputs = self._trainer(tf.cast(faces, tf.float32), training=False)
        if self._task == "regression":
            measure = tf.reduce_mean((outputs - targets) ** 2, axis=1)
        else:
            right = tf.argmax(outputs, axis=1) == tf.argmax(targets, axis=1)
            measure = tf.cast(right, tf.float32)
        loss = self._loss(targets, outputs)
        return tf.stack([tf.reduce_sum(part * weights) for part in
                         (loss, measure, tf.ones_like(loss))])  # fmt: skip


def average_on_replicas(
    strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]
) -> None:
    """Give each variable the mean of its values on all replicas."""

    def mean() -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        values = [tf.identity(variable.value) for variable in variables]
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)

    for variable, value in zip(variables, strategy.run(tf.function(mean)), strict=True):
        variable.assign(strategy.experimental_local_results(value)[0])


# FOLD affectkit.replica_prediction: """What a network answers to a split of shards, found by all replicas together."""
def predict_shares(
    model: keras.Model, data: ShardShares, split: str = "validation"
) -> tuple[np.ndarray, np.ndarray]:
    """Predict for every face of a split once; all workers call this alike.

    Parameters
    ----------
    model : keras.Model
        Made in the strategy's scope.
    data : ShardShares
        What to read, and with which strategy.
    split : str
        validation or test.

    Returns
    -------
    targets : numpy.ndarray
        float32, shape (n, 8): 1 for the expression, or (n, 2): valence and arousal. In no certain
        order; without faces that can't be read.
    answers : numpy.ndarray
        float32, of the same shape and order: probabilities, or valence and arousal.
    """
    strategy = data.strategy

    def answer_one(faces: tf.Tensor) -> tf.Tensor:
        return model(scale_pixels(tf.cast(faces, tf.float32)), training=False)

    @tf.function
    def answer(batch: tuple) -> list[tf.Tensor]:
        faces, targets, weights = batch
        found = (weights, targets, strategy.run(answer_one, args=(faces,)))
        return [strategy.gather(part, axis=0) for part in found]

    batches = islice(data.batches(split, 0, soft=False), data.steps(split))
    with damage_named(data.index.addresses(split)):
        parts = [[part.numpy() for part in answer(batch)] for batch in batches]
    weights, targets, answers = (np.concatenate(part) for part in zip(*parts, strict=True))
    return targets[weights > 0], answers[weights > 0]
