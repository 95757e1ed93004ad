"""Training: learning, determinism, resume and NaN."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from affectkit.data import make_table
from affectkit.models import build_classifier, build_regressor, get_backbone
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.profiles import TrainingSettings
from affectkit.training import train_model
from affectkit.training.callbacks import StopOnNaN

SIZE = Preprocessing(32)
COLOURS = [(255, 0, 0), (0, 0, 255)]


def two_colour_split(rows, split, seed=0):
    """Faces of two 'expressions' that differ in colour: red is Neutral, blue is Happy."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    faces = np.array(COLOURS, np.float32)[labels][:, None, None] * np.ones((1, 32, 32, 1))
    faces = (faces * 0.7 + generator.uniform(0, 76, faces.shape)).astype(np.uint8)
    values = np.where(labels, 0.6, -0.6)
    columns = {"image_id": [str(row) for row in range(rows)], "split": [split] * rows}
    columns |= {"expression": labels, "valence": values, "arousal": -values}
    return make_table(columns, "colours", "folder"), faces


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A classifier and a regressor trained for a few epochs on two colours."""
    keras.utils.set_random_seed(0)
    train, validation = two_colour_split(256, "train"), two_colour_split(64, "validation", seed=1)
    settings = TrainingSettings(epochs=6, batch_size=16, learning_rate=1e-3, patience=6)
    folder = tmp_path_factory.mktemp("logs")
    classifier = build_classifier(image_size=32, weights="affectfaces")
    log = train_model(classifier, train, validation, SIZE, settings, folder)
    regressor = build_regressor(classifier)
    regressor_log = train_model(regressor, train, validation, SIZE, settings, folder)
    return classifier, log, regressor, regressor_log, folder


@pytest.mark.slow
def test_both_networks_learn_and_log(trained):
    _, log, _, regressor_log, folder = trained
    assert log["val_accuracy"].max() > 0.8  # always the same colour scores 0.5; varies with threads
    assert regressor_log["val_rmse"].min() < 0.3  # the constant guess scores 0.6
    assert log["epoch"].tolist() == list(range(len(log)))
    assert sorted(path.name for path in folder.iterdir()) == [
        "classification_log.csv",
        "regression_log.csv",
    ]


@pytest.mark.slow
def test_the_backbone_stays_trainable(trained):
    classifier, _, regressor, _, _ = trained
    for model in (classifier, regressor):
        assert len(model.trainable_weights) > 100


RUN = """
    import hashlib, sys, keras
    sys.path.insert(0, {tests!r})
    from test_fit import two_colour_split, SIZE
    from affectkit.models.inference import predict_faces
    from affectkit.models.opening import Model
    from affectkit.models.build import build_classifier
    from affectkit.profiles import TrainingSettings
    from affectkit.training.fit import train_model

    keras.utils.set_random_seed(5)
    train, validation = two_colour_split(128, "train"), two_colour_split(32, "validation", seed=1)
    model = build_classifier(image_size=32)
    settings = TrainingSettings(epochs=3, batch_size=32, patience=3)
    print(train_model(model, train, validation, SIZE, settings, sys.argv[1]).to_json())
    weights = b"".join(weight.tobytes() for weight in model.get_weights())
    answers = predict_faces(Model.of_keras(model, SIZE), *validation)
    for content in (weights, answers.tobytes()):
        print(len(content), hashlib.sha256(content).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_with_one_seed_agree_to_the_last_bit(tmp_path):
    script = textwrap.dedent(RUN).format(tests=str(Path(__file__).parent))
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout
        for name in ("first", "second")
    ]
    log, weights, answers = outputs[0].splitlines()[-3:]
    assert '"val_loss"' in log
    assert int(weights.split()[0]) > 1_000_000
    assert int(answers.split()[0]) == 32 * 8 * 4
    assert outputs[0] == outputs[1]


def test_the_moving_average_is_what_is_kept(tmp_path, monkeypatch):
    """Keras starts the average with the first step; momentum 0.5 then halves it at each other."""
    steps = []

    def remember(callback, batch, logs=None):
        head = callback.model.layers[-1].get_layer("expression")
        steps.append(head.get_weights()[0].copy())

    monkeypatch.setattr(StopOnNaN, "on_train_batch_end", remember)
    keras.utils.set_random_seed(3)
    model = build_classifier(image_size=32, dropout=0)
    settings = TrainingSettings(epochs=1, batch_size=16, ema_momentum=0.5, augmentation="none")
    train = two_colour_split(48, "train")
    train_model(model, train, two_colour_split(16, "validation"), SIZE, settings, tmp_path)
    first, second, third = steps
    assert np.abs(third - first).max() > 1e-4
    kept = model.get_layer("expression").get_weights()[0]
    np.testing.assert_allclose(kept, first / 4 + second / 4 + third / 2, atol=1e-6)
    norm = get_backbone(model).get_layer("bn_Conv1")
    faces = scale_pixels(train[1].astype(np.float32))
    inputs = keras.Model(get_backbone(model).input, norm.input)(faces).numpy()
    np.testing.assert_allclose(norm.moving_mean, inputs.mean((0, 1, 2)), atol=1e-4)


@pytest.mark.slow
def test_head_epochs_train_the_head_alone_first(tmp_path):
    train = two_colour_split(64, "train")
    validation = two_colour_split(16, "validation", seed=1)
    settings = TrainingSettings(epochs=1, head_epochs=2, mixup=0.2, augmentation="none")
    model = build_classifier(image_size=32, weights="affectfaces")
    train_model(model, train, validation, SIZE, settings, tmp_path)
    assert len(pd.read_csv(tmp_path / "head" / "classification_log.csv")) == 2
    assert len(pd.read_csv(tmp_path / "classification_log.csv")) == 1

    frozen = TrainingSettings(epochs=1, freeze_backbone=True, augmentation="none")
    before = get_backbone(model).get_weights()
    head = model.get_layer("expression").get_weights()[0]
    train_model(model, train, validation, SIZE, frozen, tmp_path / "frozen")
    for old, new in zip(before, get_backbone(model).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(model.get_layer("expression").get_weights()[0] - head).max() > 0
