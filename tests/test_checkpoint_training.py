"""The data that the shipped networks learn from."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from affectkit.checkpoint_data import (
    DRAWN_ROWS,
    RAISE_BOX,
    drop_copies,
    mixed_splits,
    undecided_rows,
)
from affectkit.checkpoints import load_checkpoint
from affectkit.cli import app
from affectkit.data.datasets import load_splits
from affectkit.data.table import SOFT_LABEL_COLUMNS, make_table
from affectkit.preprocess import Preprocessing


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
@pytest.mark.needs_shared
def test_the_command_trains_on_photographs_and_writes_a_checkpoint(shared, tmp_path):
    weights = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    command = ["train", "checkpoint", "affectkit-real", "--limit", "64", "--epochs", "1"]
    command += ["--root", str(shared / "data" / "ferplus"), "--output", str(tmp_path)]
    result = CliRunner().invoke(app, [*command, "--weights", str(weights)])
    assert result.exit_code == 0, result.output
    networks = load_checkpoint("affectkit-real-int8", folder=tmp_path / "checkpoint")
    assert networks["classification"].preprocessing == Preprocessing(112, grey=True)
    card = networks["classification"].card
    assert card["architecture"]["shared_backbone"]
    assert card["files"]["int8"]["bytes"] < 3_000_000
    assert card["training"]["dataset"] == "ferplus+affectfaces"
    assert card["training"]["profile"]["image_size"] == 112
    assert 0 <= card["training"]["favoured_rare"] <= 1
    assert card["training"]["first_stage"]["image_size"] == 96
    assert card["training"]["first_stage"]["weights"] == weights.name
    assert {"keras", "tensorflow"} <= set(card["training"]["versions"])
    assert card["training"]["rows"] == pytest.approx(64 + 10 + 8, abs=4)

    without = CliRunner().invoke(app, ["train", "checkpoint", "affectkit-real", "--output", "x"])
    assert without.exit_code == 2
    assert "give its folder with --root" in without.output
