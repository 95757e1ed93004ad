"""Data sets on disk: layout, class balance, subjects, resuming, reproducibility."""

import csv
import hashlib
import json
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pytest

from affectkit.faces import dataset, pack, render_dataset
from affectkit.faces.annotation import annotator_matrix
from affectkit.faces.schedule import class_priors, class_schedule, labels_of_face
from affectkit.faces.tables import AFFECTNET_COLUMNS, EXTRA_COLUMNS

SIZE = 48


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    output = tmp_path_factory.mktemp("faces")
    for split, count in (("training", 10), ("test", 6)):
        render_dataset(output, count, 1, SIZE, split=split, workers=1, progress=False)
    return output


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_layout_is_affectnets(rendered):
    rows = read(rendered / "training.csv")
    assert tuple(rows[0]) == AFFECTNET_COLUMNS
    assert len(rows) == 10
    for row in rows:
        data = (rendered / "Manually_Annotated_Images" / row["subDirectory_filePath"]).read_bytes()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (SIZE, SIZE, 3)
        points = np.array(row["facial_landmarks"].split(";"), float)
        assert points.shape == (136,)
        x, y, width, height = (int(row[f"face_{n}"]) for n in ("x", "y", "width", "height"))
        assert min(x, y) >= 0
        assert max(x + width, y + height) <= SIZE
        assert 0 <= int(row["expression"]) <= 7


def test_extras_match_the_tables_and_splits_share_no_subject(rendered):
    extras = read(rendered / "extras.csv")
    assert tuple(extras[0]) == EXTRA_COLUMNS
    paths = [row["subDirectory_filePath"] for name in ("training", "test")
             for row in read(rendered / f"{name}.csv")]  # fmt: skip
    assert [row["subDirectory_filePath"] for row in extras] == paths
    subjects = {split: {(row["subject"], row["skin_tone_ita"], row["age"]) for row in extras
                        if row["split"] == split} for split in ("training", "test")}  # fmt: skip
    assert {len(part) for part in subjects.values()} == {2}
    looks = [look[1:] for part in subjects.values() for look in part]
    assert len(set(looks)) == len(looks)
    assert all(json.loads(row["action_units"]) is not None for row in extras)


def test_manifest_names_command_and_hashes(rendered):
    manifest = json.loads((rendered / "manifest.json").read_text())
    assert manifest["training"]["seed"] == 1
    assert manifest["training"]["images"] == 10
    assert len(manifest["test"]["tree_sha256"]) == 64
    assert "CC0" in (rendered / "LICENSE.txt").read_text()
    assert not (rendered / ".partial").exists()


def test_a_killed_run_resumes_to_the_same_result(tmp_path, monkeypatch, rendered):
    real, calls = dataset.render_face, []

    def dying(*arguments, **named):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(dataset, "render_face", dying)
    options = {"split": "training", "workers": 1, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        render_dataset(tmp_path, 10, 1, SIZE, **options)
    calls.clear()
    monkeypatch.setattr(dataset, "render_face", lambda *a, **n: calls.append(1) or real(*a, **n))
    with pytest.raises(ValueError, match="Choose another directory"):
        render_dataset(tmp_path, 11, 1, SIZE, **options)
    render_dataset(tmp_path, 10, 1, SIZE, **options)
    assert len(calls) == 5, "the finished subject must not be rendered again"
    assert (tmp_path / "training.csv").read_bytes() == (rendered / "training.csv").read_bytes()
    for name, digest in files_of(tmp_path / "Manually_Annotated_Images").items():
        assert files_of(rendered / "Manually_Annotated_Images")[name] == digest


def test_workers_do_not_change_the_result(tmp_path, rendered):
    render_dataset(tmp_path, 6, 1, SIZE, split="test", workers=2, progress=False)
    assert (tmp_path / "test.csv").read_bytes() == (rendered / "test.csv").read_bytes()


def test_a_worker_that_is_killed_ends_the_run_with_advice_and_it_can_go_on(tmp_path, rendered):
    script = """
import os, signal, sys
from affectkit.faces.dataset import render_dataset
if __name__ == "__main__":
    try:
        render_dataset(sys.argv[1], 6, 1, 48, split="test", workers=2, progress=False)
    except OSError as error:
        print(error)
else:
    os.kill(os.getpid(), signal.SIGKILL)  # a worker, as it starts
"""
    (tmp_path / "render.py").write_text(script)
    command = [sys.executable, str(tmp_path / "render.py"), str(tmp_path / "faces")]
    text = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    assert "use fewer --workers; the same command goes on where it stopped" in text
    render_dataset(tmp_path / "faces", 6, 1, SIZE, split="test", workers=1, progress=False)
    assert (tmp_path / "faces/test.csv").read_bytes() == (rendered / "test.csv").read_bytes()


def test_vary_and_fix(tmp_path):
    render_dataset(tmp_path, 2, 3, SIZE, vary={"yaw": [-20.0, 20.0]}, workers=1, progress=False,
                   fix={"expression_clean": "Happy", "glasses": "sun"})  # fmt: skip
    extras = read(tmp_path / "extras.csv")
    assert [float(row["yaw"]) for row in extras] == [-20, 20, -20, 20]
    assert {row["expression_clean"] for row in extras} == {"1"}
    assert {row["glasses"] for row in extras} == {"sun"}
    assert extras[0]["pitch"] == extras[1]["pitch"]


def test_pack_is_byte_reproducible(tmp_path, rendered):
    first = pack(rendered, tmp_path / "one.zip")
    second = pack(rendered, tmp_path / "two.zip")
    assert first == second
    assert (tmp_path / "one.sha256").read_text() == f"{first}  one.zip\n"
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert names == sorted(names)
        kinds = {entry.filename[-4:]: entry.compress_type for entry in archive.infolist()}
        assert kinds["webp"] == zipfile.ZIP_STORED
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_validation_is_exactly_balanced_and_training_is_long_tailed():
    assert np.bincount(class_schedule(800, 5, "validation")).tolist() == [100] * 8
    counts = np.bincount(class_schedule(6000, 5, "training"))
    assert counts.sum() == 6000
    assert counts.argmax() == 1
    assert counts.min() >= 250
    assert counts.max() > 3 * counts.min()


def test_clean_labels_keep_the_long_tail_and_the_annotators_errors():
    schedule = class_schedule(4000, 9, "training")
    names = [labels_of_face(9, "training", i, label) for i, label in enumerate(schedule)]
    same = np.mean([label["expression"] == label["expression_clean"] for label in names])
    annotated, posterior = class_priors("training")
    assert same == pytest.approx((annotated * posterior.diagonal()).sum(), abs=0.02)
    contempt = np.mean([label["expression_clean"] == "Contempt" for label in names])
    assert contempt == pytest.approx(0.0497, abs=0.012)
    np.testing.assert_allclose(posterior.sum(1), 1)
    assert annotator_matrix()[7, 7] < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"count": 0}, "expected a count"), ({"split": "train"}, "expected a split"),
     ({"fix": {"yaw": 1000.0}}, "expected yaw"), ({"vary": {"hair": ["green"]}}, "expected hair")],
)  # fmt: skip
def test_impossible_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        render_dataset(**{"output": tmp_path, "count": 2, "seed": 1, "size": SIZE} | arguments)
