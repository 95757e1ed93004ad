"""What the drawn faces are measured by."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

import affectkit

ARCHIVE = Path(affectkit.__file__).parent / "assets" / "affectfaces.zip"


@pytest.fixture(scope="module")
def faces_benchmark(scripts):
    return scripts("measure_faces")


@pytest.fixture(scope="module")
def some_faces(faces_benchmark):
    with zipfile.ZipFile(ARCHIVE) as archive:
        images, table = faces_benchmark.load_split(archive, "test")
    rows = table.groupby("expression_clean").head(8).index
    return images[rows], table.loc[rows].reset_index(drop=True)


def test_balanced_accuracy_by_hand(faces_benchmark):
    true, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert faces_benchmark.balanced_accuracy(true, predicted, (0, 1)) == pytest.approx(5 / 6)


def test_crops_are_raised_and_action_units_have_two_sides(faces_benchmark, some_faces):
    ramp = np.arange(112, dtype=np.float32)[:, None] * np.ones((1, 112), np.float32)
    piece = faces_benchmark.cut(ramp)
    pixel = 112 / 1.7 / 64  # pixels of the wide crop in one of the piece
    np.testing.assert_allclose(np.diff(piece[:, 32]), pixel, rtol=0.04)
    middle = 55.5 - faces_benchmark.RAISE_BOX * 64 * pixel
    assert piece[31:33, 32].mean() == pytest.approx(middle, abs=0.1)
    units = faces_benchmark.action_units(some_faces[1])
    assert units.shape[::2] == (len(some_faces[1]), 2)
    neutral = some_faces[1]["expression_clean"].to_numpy() == 0
    assert units[neutral].sum() < units[~neutral].sum() / 7


@pytest.mark.slow
def test_the_small_network_learns_and_is_measured(faces_benchmark, some_faces, capsys):
    model = faces_benchmark.train_small_network(*some_faces, epochs=2)
    faces_benchmark.measure_learnability(model, *some_faces)
    lines = capsys.readouterr().out.splitlines()
    (parameters,) = [line.split()[-1] for line in lines if "parameters" in line]
    assert 150_000 < int(parameters) < 210_000
    (accuracy,) = [float(line.split()[-1]) for line in lines if "clean labels of unseen" in line]
    assert 0 < accuracy <= 1


@pytest.mark.slow
def test_speed_is_measured(faces_benchmark, capsys):
    faces_benchmark.measure_speed(5, seeds=1)
    faces_benchmark.measure_rendering(5)
    rates = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert len(rates) == 4
    assert min(rates[0], rates[1], rates[3]) > 0.3  # images a second


@pytest.mark.slow
@pytest.mark.needs_shared
def test_a_detector_of_real_faces_finds_the_drawn_ones(shared, faces_benchmark, capsys):
    """The bounds leave two standard errors of 400 faces below what the data card tells."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        images, table = faces_benchmark.load_split(archive, "validation")
    model = shared / "models" / "face_detection_yunet_2026may.onnx"
    faces_benchmark.measure_yunet(images[:400], table[:400], model)
    rates = {
        line[:60].strip(): float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()
    }
    assert rates["YuNet detects at 0.6"] >= 0.99
    assert rates["YuNet detects at 0.9"] >= 0.92
