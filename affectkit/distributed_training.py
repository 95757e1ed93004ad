"""Train on several devices or machines, straight from shards.

On one machine with several GPUs, `affectkit.training.train_model` does it: build the model, call
`synchronise_batch_norm` and train within the scope of a `tf.distribute.MirroredStrategy`. Keras 3's
`fit` can do that.

Between machines `fit` fails: under `MultiWorkerMirroredStrategy` it tries to convert a value per
replica to one tensor (keras issue 20585, still so in Keras 3.15). A loop of one's own works, and
this is one, for either strategy. What `fit` and its callbacks do besides is done here anew:

- shards are read in shares, in an order that depends on seed and epoch alone: a run that goes on
  after a kill sees what it would have seen, and with the same number of shares, any number of
  workers sees the same batches;
- normalisation: by default over the whole batch of all workers (`synchronized` of Keras' layers),
  which makes the loss curve that of one process, and the moving statistics the same everywhere.
  Keras does not average these over workers otherwise; then the mean is taken after each epoch;
- after each epoch the chief (worker 0) writes one backup file in one step. A killed worker takes
  the others down, as none can go on alone; started again, all go on from the backup.

Every machine runs the same command, with the variable TF_CONFIG saying where all are and which one
this is (`affectkit.worker_launch.cluster_settings`), a shared folder for the backup, and a
supervisor (Kubernetes, Slurm's requeue, or `affectkit.worker_launch` for processes of one machine)
that starts all again when one ends with an error. The program, `train.py`::

    strategy = choose_strategy()  # first of all
    model, log = train_on_shards(
        lambda: build_classifier(224, 1.0, weights="imagenet"), read_index("gs://bucket/affectnet"),
        "classification", Preprocessing(224), TrainingSettings(epochs=12, batch_size=256),
        "/shared/run", strategy=strategy,
    )
    if is_chief():
        save_model(model, "/shared/run/classifier.keras", Preprocessing(224))

is started on the second of two machines by::

    TF_CONFIG='{"cluster": {"worker": ["one:2222", "two:2222"]},
                "task": {"type": "worker", "index": 1}}' python train.py

Replicas draw the same augmentation for the first, second ... face of their parts of a batch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.auto import tqdm

from affectkit.augmentation import with_augmentation
from affectkit.callbacks import cosine_learning_rate
from affectkit.data.shard_index import ShardIndex
from affectkit.preprocess import Preprocessing
from affectkit.profiles import TrainingSettings
from affectkit.replica_loop import ReplicaLoop
from affectkit.shard_shares import ShardShares
from affectkit.shard_streams import damage_named
from affectkit.worker_backup import WorkerBackup


def choose_strategy() -> tf.distribute.Strategy:
    """Give the strategy for this process: by TF_CONFIG for several machines, else by its GPUs.

    Call it before anything else of TensorFlow; it waits until all workers are there.
    """
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    if len(cluster.get("worker", ())) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief() -> bool:
    """Tell whether this process writes: worker 0, or the only one."""
    return json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {}).get("index", 0) == 0


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
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a network on all replicas of a strategy; all workers call this alike.

    Parameters
    ----------
    build : callable
        Gives a network that takes float32 faces -1..1; called within the strategy's scope.
    index : ShardIndex
        With a train and a validation split.
    task : {"classification", "regression"}
        What it learns.
    preprocessing : Preprocessing
        Crop margin and size.
    settings : TrainingSettings
        The recipe; batch_size is that of all replicas together. Not `ema_momentum`, `mixup`,
        `head_epochs` and `freeze_backbone`.
    folder : str or Path
        Gets `<task>_log.csv` and `<task>_backup.npz`; shared by all workers.
    seed : int
        Of shuffling and augmentation.
    strategy : tf.distribute.Strategy, optional
        That of `choose_strategy` if omitted.
    shares : int, optional
        Parts of the data that make up each batch; the number of workers if omitted. A multiple of
        it that is the same in two runs makes them alike, whatever the number of workers.
    synchronise : bool
        Normalise over the batches of all replicas together.

    Returns
    -------
    model : keras.Model
        With the weights of the best validation loss.
    log : pandas.DataFrame
        epoch, loss, val_loss, and val_accuracy or val_rmse.

    Raises
    ------
    ValueError
        If a setting is not supported, the batch can't be shared evenly, a split is too small, or
        the loss becomes NaN.
    """
    strategy = strategy or choose_strategy()
    unsupported = ("ema_momentum", "mixup", "head_epochs", "freeze_backbone")
    if used := [name for name in unsupported if getattr(settings, name)]:
        raise ValueError(f"training on several machines can't do {', '.join(used)}; set it to 0")
    data = ShardShares(index, task, preprocessing, settings, seed, strategy, shares)
    with strategy.scope():
        model = build()
        batch_norms = synchronise_batch_norm(model, synchronise)
        trainer = with_augmentation(model, settings.augmentation, seed)
        optimizer = keras.optimizers.AdamW(weight_decay=settings.weight_decay)
        optimizer.build(model.trainable_variables)
    loop = ReplicaLoop(strategy, trainer, optimizer, task, settings)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    variables = [*trainer.variables, *optimizer.variables]
    backup = WorkerBackup(folder / f"{task}_backup.npz", variables, model.variables)
    rows = backup.load()
    steps = data.steps("train")
    name = f"{task}, {settings.epochs} epochs, {strategy.num_replicas_in_sync} replicas"
    with tqdm(total=settings.epochs, initial=len(rows), desc=name, disable=not is_chief()) as bar:
        for epoch in range(len(rows), settings.epochs):
            if _waited(rows) >= settings.patience:
                break
            rates = [
                cosine_learning_rate(step, settings.epochs * steps, settings.learning_rate)
                for step in range(epoch * steps, (epoch + 1) * steps)
            ]
            with damage_named(index.addresses()):
                loss = loop.train(data.batches("train", epoch), rates)
            if not synchronise:
                statistics = ((one.moving_mean, one.moving_variance) for one in batch_norms)
                loop.average(list(chain.from_iterable(statistics)))
            checked = loop.check(data.batches("validation", epoch), data.steps("validation"))
            rows.append({"epoch": epoch, "loss": loss} | checked)
            backup.save(rows, better=_waited(rows) == 0, write=is_chief())
            if is_chief():
                pd.DataFrame(rows).to_csv(folder / f"{task}_log.csv", index=False)
            bar.update()
    backup.take_best()
    synchronise_batch_norm(model, False)
    return model, pd.DataFrame(rows)


def _waited(rows: list[dict]) -> int:
    """Count the epochs since the best validation loss."""
    losses = [row["val_loss"] for row in rows]
    return len(losses) - 1 - int(np.argmin(losses)) if losses else 0


def synchronise_batch_norm(
    model: keras.Model, on: bool = True
) -> list[keras.layers.BatchNormalization]:
    """Normalise over the batch of all replicas, or each over its own; also for `train_model`.

    Call it before training, within the strategy's scope, and with False before the model is saved.

    Returns
    -------
    list of keras.layers.BatchNormalization
        All such layers, at any depth.
    """
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += synchronise_batch_norm(layer, on)
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = on
            found.append(layer)
    return found
