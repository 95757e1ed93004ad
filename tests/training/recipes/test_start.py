"""The bundled start: its targets, that it can be made, and that it reads faces."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affectkit.data import load_faces, load_splits
from affectkit.models import build_classifier, get_backbone
from affectkit.models.build import BUNDLED_ALPHA
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.training import pretrain_backbone
from affectkit.training.recipes.start import face_targets, unit_names


@pytest.fixture(scope="module")
def splits():
    return load_splits("affectfaces", limit=400)


def test_targets_of_a_face(splits):
    table = splits["train"]
    units = unit_names(table)
    targets = face_targets(table, units)
    row = int(table["action_units"].str.contains("AU12").to_numpy().argmax())
    left, right = json.loads(table["action_units"][row])["AU12"]
    column = 2 * units.index("AU12")
    np.testing.assert_allclose(targets["action_units"][row, column : column + 2], [left, right])
    assert targets["expression"][row].argmax() == table["expression_clean"][row]
    np.testing.assert_allclose(targets["pose"][row] * 20, table.loc[row, ["yaw", "pitch", "roll"]])
    # the points of a face lie in its box: nose tip (30) near the middle, chin (8) at the bottom
    points = targets["landmarks"].reshape(-1, 68, 2)
    assert np.abs(points).max() < 2
    assert np.median(points[:, 8, 1]) > 0.6 > np.median(points[:, 30, 1]) > -0.4


@pytest.mark.slow
def test_the_start_can_be_made(tmp_path):
    output = tmp_path / "start.weights.h5"
    log = pretrain_backbone(output, image_size=32, epochs=2, limit=64)
    assert log["epoch"].tolist() == [0, 1]
    assert log["loss"][1] < log["loss"][0]
    model = build_classifier(32, alpha=BUNDLED_ALPHA, weights=output)
    random = build_classifier(32, alpha=BUNDLED_ALPHA)
    kernels = [get_backbone(one).get_layer("Conv1").get_weights()[0] for one in (model, random)]
    assert not np.allclose(*kernels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["start.weights.csv", output.name]


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.weights\.h5, got 'start\.h5'"):
        pretrain_backbone(tmp_path / "start.h5")


@pytest.mark.slow
def test_bundled_features_tell_expressions_of_unseen_subjects_apart(splits):
    """A linear probe on the frozen features, fitted on half of the test subjects."""
    faces, table = load_faces(splits["test"], Preprocessing(64))
    labels = table["expression_clean"].to_numpy(int)
    scaled = scale_pixels(faces.astype(np.float32))
    first = (table["subject"].str[-1].astype(int) % 2 == 0).to_numpy()
    scores = {}
    for weights in ("affectfaces", None):
        backbone = get_backbone(build_classifier(64, BUNDLED_ALPHA, weights=weights))
        features = backbone.predict(scaled, verbose=0)
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.01))
        scores[weights] = probe.fit(features[first], labels[first]).score(
            features[~first], labels[~first]
        )
    assert scores["affectfaces"] > 0.5
    assert scores["affectfaces"] > scores[None] + 0.2
