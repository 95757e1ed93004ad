"""The bundled data set is what the committed generator renders."""

import hashlib
import json
import zipfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import affectkit.faces
from affectkit.faces import render_face
from affectkit.faces.dataset import FACES_PER_SUBJECT, GENERATOR_VERSION
from affectkit.faces.schedule import class_schedule, derived_seed, labels_of_face
from affectkit.faces.shard import SHARD_COUNTS, SHARD_SEED

ARCHIVE = Path(affectkit.faces.__file__).parents[1] / "assets" / "affectfaces.zip"
TOLERANCE = 3.0  # mean absolute difference in grey levels; WebP alone gives about 2


@pytest.fixture(scope="module")
def archive():
    with zipfile.ZipFile(ARCHIVE) as opened:
        yield opened


@pytest.fixture(scope="module")
def table(archive):
    parts = [pd.read_csv(BytesIO(archive.read(f"{split}.csv"))) for split in SHARD_COUNTS]
    extras = pd.read_csv(BytesIO(archive.read("extras.csv")))
    return pd.concat(parts).merge(extras, on="subDirectory_filePath", validate="one_to_one")


def test_hash_and_size():
    data = ARCHIVE.read_bytes()
    wanted = ARCHIVE.with_suffix(".sha256").read_text().split()[0]
    assert hashlib.sha256(data).hexdigest() == wanted
    assert len(data) <= 25_000_000


def test_counts_balance_and_disjoint_subjects(table):
    assert table["split"].value_counts().to_dict() == SHARD_COUNTS
    for split in ("validation", "test"):
        counts = table[table["split"] == split]["expression"].value_counts()
        assert counts.min() == counts.max() == SHARD_COUNTS[split] // 8
    training = table[table["split"] == "training"]["expression"].value_counts()
    assert training.min() >= 250
    assert training.idxmax() == 1
    assert table.groupby("subject")["split"].nunique().max() == 1


def test_annotators_agree_as_published(table):
    balanced = table[table["split"] != "training"]
    agreement = (balanced["expression"] == balanced["expression_second"]).mean()
    assert agreement == pytest.approx(0.607, abs=0.035)


def test_manifest_names_this_generator(archive):
    manifest = json.loads(archive.read("manifest.json"))
    for split, count in SHARD_COUNTS.items():
        assert manifest[split]["generator"] == GENERATOR_VERSION
        assert manifest[split]["seed"] == SHARD_SEED
        assert manifest[split]["images"] == count


def test_thirty_two_images_render_again(archive, table):
    rng = np.random.default_rng(0)
    for split, number in (("training", 16), ("validation", 8), ("test", 8)):
        rows = table[table["split"] == split].reset_index(drop=True)
        schedule = class_schedule(SHARD_COUNTS[split], SHARD_SEED, split)
        for index in rng.choice(len(rows), number, replace=False).tolist():
            subject = derived_seed(SHARD_SEED, split, "subject", index // FACES_PER_SUBJECT)
            labels = labels_of_face(SHARD_SEED, split, index, int(schedule[index]))
            seed = derived_seed(SHARD_SEED, split, index)
            image, truth = render_face(seed, subject=subject, **labels)
            path = f"Manually_Annotated_Images/{rows['subDirectory_filePath'][index]}"
            stored = cv2.imdecode(np.frombuffer(archive.read(path), np.uint8), cv2.IMREAD_COLOR)
            difference = np.abs(stored[..., ::-1].astype(float) - image).mean()
            assert difference < TOLERANCE, f"{path} differs by {difference:.1f} grey levels"
            assert truth["yaw"] == pytest.approx(rows["yaw"][index], abs=0.051)
