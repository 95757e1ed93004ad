"""The data that the shipped networks learn from."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss
from typer.testing import CliRunner

from affectkit.cli import app
from affectkit.data import SOFT_LABEL_COLUMNS, load_faces, load_splits, make_table
from affectkit.models import (
    apply_temperature,
    build_classifier,
    get_backbone,
    open_model,
    predict_faces,
    save_model,
)
from affectkit.models.batch_norm import batch_norms
from affectkit.preprocess import Preprocessing
from affectkit.training.recipes.rows import (
    DRAWN_ROWS,
    RAISE_BOX,
    drop_copies,
    mixed_splits,
    undecided_rows,
)
from affectkit.training.recipes.stages import AGAIN
from affectkit.training.recipes.train import average_classifiers, held_out_loss


def test_copies_of_other_faces_are_dropped():
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    columns = {"image_id": list("abcde"), "split": ["train"] * 5, "expression": [0, 1, 2, 3, 4]}
    table = make_table(columns, "t", "p")
    nearly = faces[4].copy()
    nearly[0, 0, 0] ^= 1
    kept, left = drop_copies(table, faces, np.stack([faces[1], faces[3], nearly]))
    assert kept["image_id"].tolist() == ["a", "c", "e"]
    np.testing.assert_array_equal(left, faces[[0, 2, 4]])
    assert kept.attrs == table.attrs


def test_drawn_faces_have_clean_labels_and_raised_boxes():
    splits = mixed_splits(None, limit=40)
    plain = load_splits("affectfaces", limit=40)["train"]
    train = splits["train"]
    assert train["image_id"].tolist() == plain["image_id"].tolist()
    assert train["expression"].tolist() == plain["expression_clean"].tolist()
    assert (train["expression"] != plain["expression"]).any()
    side = plain[["face_width", "face_height"]].max(axis=1)
    np.testing.assert_allclose(plain["face_y"] - train["face_y"], RAISE_BOX * side)


@pytest.mark.needs_shared
def test_photographs_and_drawn_faces_are_mixed_for_training_only(shared):
    splits = mixed_splits(shared / "data" / "ferplus")
    drawn = splits["train"]["image_id"].str.endswith(".webp")
    assert drawn.sum() == DRAWN_ROWS
    assert not splits["validation"]["image_id"].str.endswith(".webp").any()
    assert not splits["test"]["image_id"].str.endswith(".webp").any()
    assert len(splits["validation"]) == pytest.approx(0.05 * 25_057, abs=2)
    assert len(splits["train"]) == 25_057 - len(splits["validation"]) + DRAWN_ROWS
    assert splits["train"].attrs["dataset"] == "ferplus+affectfaces"


@pytest.mark.needs_shared
def test_undecided_faces_have_votes_and_are_from_training(shared):
    root = shared / "data" / "ferplus"
    undecided = undecided_rows(root)
    votes = undecided[list(SOFT_LABEL_COLUMNS)]
    assert len(undecided) > 3000
    assert np.allclose(votes.sum(axis=1), 1)
    assert undecided["agreement"].max() <= 0.5
    splits = mixed_splits(root)
    known = pd.concat([splits[name]["image_id"] for name in splits])
    assert not undecided["image_id"].isin(known).any()
    assert set(undecided["split"]) == {"train"}
    assert len(undecided_rows(root, limit=20)) == 20


@pytest.mark.slow
def test_the_mean_of_two_ends_has_their_mean_weights_and_statistics_of_its_own(tmp_path):
    splits = mixed_splits(None, limit=48)
    preprocessing = Preprocessing(32, grey=True)
    paths = [tmp_path / "one.keras", tmp_path / "other.keras"]
    for seed, path in enumerate(paths):
        keras.utils.set_random_seed(seed)
        model = build_classifier(32, 0.35, 0.0)
        save_model(model, path, preprocessing, {"seed": seed})
    mean = average_classifiers(paths, splits, AGAIN, tmp_path / "mean.keras")
    assert mean.card["training"]["mean_of"] == ["one.keras", "other.keras"]
    one, other = (open_model(path).model for path in paths)
    name = "expression"
    for part in range(2):
        expected = (one.get_layer(name).weights[part] + other.get_layer(name).weights[part]) / 2
        np.testing.assert_allclose(mean.model.get_layer(name).weights[part], expected, atol=1e-7)
    # fresh networks have variances of 1: the mean's own are those of the faces
    layer = batch_norms(get_backbone(mean.model))[0]
    assert np.abs(np.asarray(layer.moving_variance) - 1).max() > 0.1

    faces, table = load_faces(splits["validation"], preprocessing)
    paths.append(tmp_path / "mean.keras")
    losses = {path: held_out_loss(path, (table, faces)) for path in paths}
    assert all(1 < loss < 5 for loss in losses.values())  # ln 8 = 2.08 is chance
    probabilities = apply_temperature(predict_faces(mean, table, faces), mean.temperature)
    expected = log_loss(table["expression"].astype(int), probabilities, labels=range(8))
    assert losses[paths[2]] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.needs_shared
def test_the_command_trains_on_photographs_and_writes_a_checkpoint(shared, tmp_path):
    weights = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    command = ["train", "checkpoint", "affectkit-real", "--limit", "64", "--epochs", "1"]
    command += ["--root", str(shared / "data" / "ferplus"), "--output", str(tmp_path)]
    yunet = shared / "models" / "face_detection_yunet_2026may.onnx"
    result = CliRunner().invoke(app, [*command, "--weights", str(weights), "--yunet", str(yunet)])
    assert result.exit_code == 0, result.output
    written = open_model(tmp_path / "checkpoint" / "affectkit-real.int8.tflite")
    assert written.preprocessing == Preprocessing(112, grey=True)
    card = written.card
    assert card["architecture"]["shared_backbone"]
    assert card["files"]["tflite-int8"][0]["bytes"] < 3_000_000
    assert card["training"]["dataset"] == "ferplus+affectfaces"
    assert card["training"]["profile"]["image_size"] == 112
    assert 0 <= card["training"]["favoured_rare"] <= 1
    assert card["training"]["first_stage"]["image_size"] == 96
    models = tmp_path / "models"
    assert {path.stem for path in models.glob("classifier*.keras")} == {
        "classifier", "classifier_96", "classifier_112", "classifier_112_again",
        "classifier_112_mean", "classifier_112_settled",
    }  # fmt: skip
    ends = {"classifier_112", "classifier_112_again"}
    assert {f"{one}.keras" for one in ends} >= set(card["training"].get("mean_of", []))
    assert card["training"]["first_stage"]["weights"] == weights.name
    assert {"keras", "tensorflow"} <= set(card["training"]["versions"])
    settled = open_model(models / "classifier_112_settled.keras").card["training"]
    assert card["training"]["rows"] == settled["rows"]
    assert settled["faint_smiles"] > 0
    # photographs, drawn faces, undecided ones; each smile comes with a face that was moved about
    assert settled["rows"] - 2 * settled["faint_smiles"] == pytest.approx(64 + 10 + 8, abs=4)


def test_the_command_says_what_affectkit_real_needs():
    command = ["train", "checkpoint", "affectkit-real", "--output", "x"]
    without = CliRunner().invoke(app, command)
    assert without.exit_code == 2
    assert "give its folder with --root" in without.output
    without = CliRunner().invoke(app, [*command, "--root", "x", "--yunet", "no.onnx"])
    assert without.exit_code == 2
    assert "expected YuNet's .onnx file at no.onnx" in " ".join(without.output.split())
