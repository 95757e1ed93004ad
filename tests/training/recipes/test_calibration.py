"""The last step of a checkpoint's classifier, on the shipped one of the drawn faces."""

import numpy as np
import pytest
from scipy.special import softmax

from affectkit.data import load_faces, load_table
from affectkit.models import (
    Model,
    apply_temperature,
    open_model,
    predict_faces,
    save_model,
)
from affectkit.training.recipes.calibration import (
    class_frequencies,
    correct_biases,
    favour_rare,
    held_out_loss,
)


@pytest.fixture(scope="module")
def shipped():
    return open_model("affectkit-synthetic").for_task("classification")


@pytest.fixture(scope="module")
def held_out(shipped):
    table = load_table("affectfaces", split="validation", limit=240)
    faces, table = load_faces(table, shipped.preprocessing)
    return table, faces


def skewed(shipped, path):
    """The shipped classifier, made to say Neutral too often and Contempt too seldom."""
    model = shipped.model
    head = model.get_layer("expression")
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias + np.array([1.5, 0, 0, 0, 0, 0, 0, -1.5], np.float32)])
    facts = dict(shipped.card["training"])
    save_model(model, path, shipped.preprocessing, facts, 1.0)
    loaded = Model.of_keras(model, shipped.preprocessing, card={"training": facts})
    return loaded, (head, [kernel, bias])


@pytest.mark.slow
def test_biases_are_corrected(shipped, held_out, tmp_path):
    before = tmp_path / "before.keras"
    classifier, (head, weights) = skewed(shipped, before)
    try:
        answers = predict_faces(classifier, *held_out)
        corrected = correct_biases(classifier, held_out, tmp_path / "after.keras")
    finally:
        head.set_weights(weights)
    biases = np.array(corrected.card["training"]["corrected_biases"])
    assert biases[0] < -0.5 < 0.5 < biases[7]
    calibrated = apply_temperature(predict_faces(corrected, *held_out), corrected.temperature)
    expected = softmax(np.log(answers.clip(1e-7)) / corrected.temperature + biases, axis=1)
    np.testing.assert_allclose(calibrated, expected, atol=2e-3)
    losses = [held_out_loss(tmp_path / f"{name}.keras", held_out) for name in ("before", "after")]
    assert losses[1] < losses[0] - 0.05
    shares = np.bincount(held_out[0]["expression"].astype(int), minlength=8) / len(held_out[1])
    np.testing.assert_allclose(calibrated.mean(axis=0), shares, atol=0.01)


@pytest.mark.slow
def test_rare_expressions_are_favoured_as_far_as_told(shipped, held_out, tmp_path):
    frequencies = class_frequencies(np.repeat(np.arange(8), [90, 50, 30, 30, 6, 2, 20, 1]))
    classifier, (head, weights) = skewed(shipped, tmp_path / "before.keras")
    head.set_weights(weights)
    try:
        answers = predict_faces(classifier, *held_out)
        favoured = favour_rare(classifier, held_out, frequencies, tmp_path / "after.keras")
    finally:
        head.set_weights(weights)
    strength = favoured.card["training"]["favoured_rare"]
    assert 0 <= strength <= 1
    expected = softmax(np.log(answers.clip(1e-7)) - strength * np.log(frequencies), axis=1)
    np.testing.assert_allclose(predict_faces(favoured, *held_out), expected, atol=1e-3)
    labels = held_out[0]["expression"].to_numpy(int)
    lost = (answers.argmax(1) == labels).mean() - (expected.argmax(1) == labels).mean()
    assert lost <= 0.01 + 1e-9
