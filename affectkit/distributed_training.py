"""Train on several devices or machines, straight from shards.

`affectkit train shards` does it from the command line (`affectkit.shard_runs`). On one machine with
several GPUs, `affectkit.training.train_model` can, too: build the model, call
`affectkit.batch_norm.synchronise_batch_norm` and train within the scope of a
`tf.distribute.MirroredStrategy`. Keras 3's `fit` can do that.

Between machines `fit` fails: under `MultiWorkerMirroredStrategy` it tries to convert a value per
replica to one tensor (keras issue 20585, still so in Keras 3.15). A loop of one's own works, and
this is one, for either strategy. What `fit` and its callbacks do besides is done here anew:

- shards are read in shares, in an order that depends on seed and epoch alone: a run that goes on
  after a kill sees what it would have seen, and with the same number of shares, any number of
  workers sees the same batches, blended alike by mixup;
- augmentation (but "photometric") and dropout draw for the whole batch of all replicas
  (`affectkit.replica_random`), so that they vary it as one process would;
- normalisation: by default over the whole batch of all workers (`synchronized` of Keras' layers),
  which makes the loss curve that of one process, and the moving statistics the same everywhere.
  Keras does not average these over workers otherwise; then the mean is taken after each epoch.
  What is left between one process and many are rounding errors. Adam enlarges them where a
  gradient is nearly 0, as it does those of one process that sums in another order;
- after each epoch the chief (worker 0) writes one backup file in one step, for the stage that
  trains the head alone as for the one that trains everything. A killed worker takes the others
  down, as none can go on alone; started again, all go on from the backup.

Every machine runs the same command, with the variable TF_CONFIG saying where all are and which one
this is (`affectkit.worker_launch.cluster_settings`), a shared folder for the backup, and a
supervisor (Kubernetes, Slurm's requeue, or `affectkit.worker_launch` for processes of one machine)
that starts all again when one ends with an error. The program, `train.py`::

    from affectkit.worker_strategy import choose_strategy, is_chief

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

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import keras
import pandas as pd
import tensorflow as tf

from affectkit import __version__
from affectkit.batch_norm import is_folded, restore_statistics, synchronise_batch_norm
from affectkit.data.shard_index import ShardIndex
from affectkit.models import get_backbone
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import TrainingSettings
from affectkit.replica_loop import average_on_replicas
from affectkit.replica_stage import backup_file, train_stage
from affectkit.shard_shares import ShardShares
from affectkit.training_recipe import head_settings
from affectkit.worker_strategy import choose_strategy

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

    It ends as `affectkit.training.train_model` ends: with the weights of the best validation loss,
    or, with an `ema_momentum`, with the moving average and normalisation measured anew for it. A
    backbone whose normalisation is folded gets its statistics back first.

    Parameters
    ----------
    build : callable
        Gives a classifier or regressor of `affectkit.models`; called within the strategy's scope.
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
