"""One stage of a training on all replicas: its epochs, log, backup and what is kept at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from affectkit.atomic_files import remove_partials, write_atomically
from affectkit.augmentation import with_augmentation
from affectkit.batch_norm import batch_norms
from affectkit.callbacks import cosine_learning_rate
from affectkit.models import get_backbone
from affectkit.profiles import TrainingSettings
from affectkit.replica_loop import ReplicaLoop, average_on_replicas
from affectkit.replica_random import with_whole_batch_dropout
from affectkit.shard_shares import ShardShares
from affectkit.shard_streams import damage_named
from affectkit.training_backup import training_identity
from affectkit.training_recipe import AVERAGED_BATCHES, build_optimizer
from affectkit.worker_backup import WorkerBackup
from affectkit.worker_strategy import all_agree, is_chief

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
