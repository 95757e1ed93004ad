"""Models on disk: complete, checked, in safe mode, and refused when anything is off."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from affectkit.files import write_json
from affectkit.models import build_classifier, build_regressor, open_model, save_model
from affectkit.preprocess import Preprocessing

PREPROCESSING = Preprocessing(image_size=32, crop_margin=0.2)


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(1)
    return build_classifier(image_size=32)


@pytest.fixture
def path(classifier, tmp_path):
    facts = {"dataset": "affectfaces", "seed": 3}
    return save_model(classifier, tmp_path / "models" / "c.keras", PREPROCESSING, facts, 1.7)


def test_round_trip_is_exact(classifier, path):
    faces = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    loaded = open_model(path)
    np.testing.assert_array_equal(loaded.model(faces), classifier(faces))
    assert loaded.preprocessing == PREPROCESSING
    assert loaded.task == "classification"
    assert loaded.temperature == 1.7
    assert loaded.training == {"dataset": "affectfaces", "seed": 3}
    assert loaded.card["outputs"]["expression"]["labels"][7] == "Contempt"
    assert sorted(file.name for file in path.parent.iterdir()) == ["c.json", "c.keras"]


def test_regressor_card(classifier, tmp_path):
    path = save_model(build_regressor(classifier), tmp_path / "r.keras", PREPROCESSING)
    assert open_model(path).task == "regression"
    assert open_model(path).outputs == ("valence_arousal",)


def test_damage_is_noticed_before_loading(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match="SHA-256 differs"):
        open_model(path)


def test_missing_files_are_named(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other\.keras is missing"):
        open_model(tmp_path / "other.keras")
    path.with_suffix(".json").unlink()
    with pytest.raises(FileNotFoundError, match=r"c\.json is missing"):
        open_model(path)


@pytest.mark.parametrize("card", ["", "[]", "{}", '{"preprocessing": {"size": 3}}', "\xff"])
def test_cards_that_are_none(path, card):
    path.with_suffix(".json").write_text(card, "latin-1")
    with pytest.raises(ValueError, match="not a model card"):
        open_model(path)


def test_card_of_another_size(path):
    card = json.loads(path.with_suffix(".json").read_text())
    card["preprocessing"]["image_size"] = 64
    write_json(card, path.with_suffix(".json"))
    with pytest.raises(ValueError, match="takes 32 px .*its card says 64 px"):
        open_model(path)


def test_code_in_a_model_is_not_run(path):
    """A Lambda layer carries Python code; Keras' safe mode must refuse it."""
    inputs = keras.Input((32, 32, 3))
    outputs = keras.layers.Lambda(lambda x: keras.ops.mean(x, (1, 2)), output_shape=(3,))(inputs)
    evil = keras.Model(inputs, keras.layers.Dense(8)(outputs))
    evil.save(path)
    card = json.loads(path.with_suffix(".json").read_text())
    import hashlib

    card["files"]["keras"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_json(card, path.with_suffix(".json"))
    with pytest.raises(ValueError, match="can't be loaded as a Keras model"):
        open_model(path)


def test_other_suffixes_are_refused(classifier, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.keras, got 'c\.h5'"):
        save_model(classifier, tmp_path / "c.h5", PREPROCESSING)


def test_a_save_that_was_killed_after_its_card_is_finished(classifier, path, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    newer = save_model(classifier, tmp_path / "newer" / "c.keras", PREPROCESSING, temperature=1.2)
    newer.with_suffix(".json").replace(path.with_suffix(".json"))
    left = newer.replace(path.with_name(f".partial-{ended.pid}-c.keras"))
    (path.parent / f".partial-{ended.pid}-c.json").write_text("{")  # of an even older kill
    content = left.read_bytes()
    assert open_model(path).temperature == 1.2
    assert path.read_bytes() == content
    save_model(classifier, path, PREPROCESSING)
    assert sorted(file.name for file in path.parent.iterdir()) == ["c.json", "c.keras"]
