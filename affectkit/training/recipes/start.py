"""Make the bundled start of the classifier: a backbone that already reads faces.

From random weights, a short training of MobileNetV2 is spent on finding out what a brow is. So the
kit ships a backbone that was trained once on what only a renderer knows about a face: its action
units, landmarks, head pose, valence, arousal and clean expression, all from the training split of
affectfaces. The notebooks start from it, as they would start from ImageNet.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from affectkit.data.batches import load_faces, make_batches
from affectkit.data.datasets import load_splits
from affectkit.data.sets.affectfaces import bundled_faces
from affectkit.data.table import BOX_COLUMNS
from affectkit.files.atomic import atomic_path
from affectkit.labels import NUM_EXPRESSIONS
from affectkit.models.build import build_backbone
from affectkit.preprocess import Preprocessing
from affectkit.training.augmentation import with_augmentation
from affectkit.training.backup import TrainingBackup, short_hash
from affectkit.training.callbacks import CosineLearningRate, EpochProgress, StopOnNaN

LOSS_WEIGHTS = {"expression": 1.0, "action_units": 20.0, "landmarks": 10.0, "pose": 0.5}
LOSS_WEIGHTS |= {"affect": 2.0}
"""They bring the losses of the heads to about one size."""

POSE_SCALE = 20.0
"""Degrees of yaw, pitch and roll that count as 1."""


def pretrain_backbone(
    output: str | Path,
    image_size: int = 64,
    alpha: float = 0.35,
    epochs: int = 20,
    batch_size: int = 32,
    learning_rate: float = 2e-3,
    limit: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Train a backbone on the training split of affectfaces and save its weights.

    A run that was interrupted or killed goes on from its last finished epoch.

    Parameters
    ----------
    output : str or Path
        The `.weights.h5` file; beside it come a log (`.csv`) and, while running, a backup.
    image_size : int
        Side of the input in pixels; the weights fit every size.
    alpha : float
        Width multiplier of MobileNetV2.
    epochs, batch_size, learning_rate, seed
        As in `affectkit.profiles.TrainingSettings`.
    limit : int, optional
        At most so many faces a split.

    Returns
    -------
    pandas.DataFrame
        The log, a row an epoch.

    Raises
    ------
    ValueError
        If `output` does not end in `.weights.h5`.
    """
    output = Path(output)
    if not output.name.endswith(".weights.h5"):
        raise ValueError(f"expected an output that ends in .weights.h5, got {output.name!r}")
    output.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    preprocessing = Preprocessing(image_size)
    splits = load_splits("affectfaces", limit=limit, seed=seed)
    units = unit_names(splits["train"])
    facts = {"image_size": image_size, "alpha": alpha, "epochs": epochs, "batch_size": batch_size}
    facts |= {"learning_rate": learning_rate, "seed": seed}
    facts |= {"rows": short_hash(*splits["train"]["image_id"])}
    kept = output.with_suffix(".backup.npz")
    backup = TrainingBackup(kept, output.with_suffix(".csv"), facts)
    done = len(backup.rows) if backup.load() else 0
    batches = {
        name: _batches(
            splits[name], units, preprocessing, batch_size, done if name == "train" else None, seed
        )
        for name in ("train", "validation")
    }
    backbone = build_backbone(image_size, alpha, None, batch_norm_momentum=0.9)
    trainer = with_augmentation(_with_heads(backbone, len(units)), "photometric", seed)
    losses = dict.fromkeys(LOSS_WEIGHTS, "mse") | {"expression": "categorical_crossentropy"}
    trainer.compile(
        keras.optimizers.AdamW(weight_decay=1e-4),
        loss=losses,
        loss_weights=LOSS_WEIGHTS,
        metrics={"expression": "accuracy"},
    )
    backup.restore(trainer)
    steps = math.ceil(len(splits["train"]) / batch_size)
    trainer.fit(
        batches["train"],
        validation_data=batches["validation"],
        initial_epoch=done,
        epochs=epochs,
        steps_per_epoch=steps,
        verbose=0,
        shuffle=False,
        callbacks=[
            CosineLearningRate(epochs * steps, learning_rate),
            StopOnNaN(),
            backup,
            EpochProgress(f"backbone, {epochs} epochs"),
        ],
    )
    with atomic_path(output) as partial:
        backbone.save_weights(partial)
    kept.unlink(missing_ok=True)
    return pd.read_csv(output.with_suffix(".csv"))


def unit_names(table: pd.DataFrame) -> list[str]:
    """Give the sorted names of all action units in a table of affectfaces."""
    return sorted({name for text in table["action_units"] for name in json.loads(text)})


def face_targets(table: pd.DataFrame, units: list[str]) -> dict[str, np.ndarray]:
    """Give what the backbone learns from each rendered face: float32, n rows of each.

    expression (n, 8) one-hot and clean; action_units (n, 2 * units), left and right, 0..1.3;
    landmarks (n, 136), x and y in the face box from -1 to 1; pose (n, 3) yaw, pitch and roll in
    `POSE_SCALE` degrees; affect (n, 2) valence and arousal.
    """
    sides = np.zeros((len(table), len(units), 2), np.float32)
    for row, text in enumerate(table["action_units"]):
        for name, values in json.loads(text).items():
            if name in units:
                sides[row, units.index(name)] = values
    points = _landmarks(table["image_id"])
    box = table[list(BOX_COLUMNS)].to_numpy(np.float32)
    points = (points - box[:, None, :2]) / box[:, None, 2:] * 2 - 1
    clean = table["expression_clean"].to_numpy(int)
    return {
        "expression": np.eye(NUM_EXPRESSIONS, dtype=np.float32)[clean],
        "action_units": sides.reshape(len(table), -1),
        "landmarks": points.reshape(len(table), -1),
        "pose": table[["yaw", "pitch", "roll"]].to_numpy(np.float32) / POSE_SCALE,
        "affect": table[["valence", "arousal"]].to_numpy(np.float32),
    }


def _landmarks(image_ids: pd.Series) -> np.ndarray:
    """Read the 68 points of each face, float32 (n, 68, 2) in pixels."""
    columns = ["subDirectory_filePath", "facial_landmarks"]
    files = [bundled_faces() / f"{name}.csv" for name in ("training", "validation", "test")]
    points = pd.concat([pd.read_csv(file, usecols=columns) for file in files])
    points = points.set_index("subDirectory_filePath")["facial_landmarks"]
    return np.array([points[name].split(";") for name in image_ids], np.float32).reshape(-1, 68, 2)


def _batches(
    table: pd.DataFrame,
    units: list[str],
    preprocessing: Preprocessing,
    batch_size: int,
    first_epoch: int | None,
    seed: int,
) -> tf.data.Dataset:
    faces, table = load_faces(table, preprocessing)
    targets = face_targets(table, units)
    ends = np.cumsum([values.shape[1] for values in targets.values()])[:-1]
    joined = np.concatenate(list(targets.values()), axis=1)
    batches = make_batches(
        table,
        faces,
        preprocessing,
        joined,
        batch_size=batch_size,
        seed=seed,
        first_epoch=first_epoch,
    )
    sizes = np.diff([0, *ends, joined.shape[1]]).tolist()
    return batches.map(
        lambda pixels, both: (pixels, dict(zip(targets, tf.split(both, sizes, 1), strict=True)))
    )


def _with_heads(backbone: keras.Model, units: int) -> keras.Model:
    inputs = keras.Input(backbone.input_shape[1:], name="face")
    features = keras.layers.Dropout(0.1)(backbone(inputs))
    heads = {
        "expression": keras.layers.Dense(NUM_EXPRESSIONS, "softmax", name="expression"),
        "action_units": keras.layers.Dense(2 * units, name="action_units"),
        "landmarks": keras.layers.Dense(136, name="landmarks"),
        "pose": keras.layers.Dense(3, name="pose"),
        "affect": keras.layers.Dense(2, "tanh", name="affect"),
    }
    return keras.Model(inputs, {name: head(features) for name, head in heads.items()})
