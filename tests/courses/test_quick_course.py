"""The course as it is committed, from the wheel in a clean environment: results and time.

It is timed, so `make test-all` runs it alone. test_later_notebooks.py goes on from there.
"""

import shutil
from pathlib import Path

import pytest

from affectkit.course import read_summary

LOCK = Path(__file__).resolve().parents[2] / "environment.lock"


@pytest.fixture(scope="module")
def quick(figure_notes, install_wheel, timed_course):
    """The folder of `affectkit course` on the bundled set with the quick profile."""
    run = install_wheel("--constraint", str(LOCK))
    run("course", "--output", "run")
    shutil.rmtree(timed_course.parent)
    shutil.copytree(run.folder / "run", timed_course)
    return run.folder / "run"


@pytest.mark.timeout(1800)
@pytest.mark.slow
@pytest.mark.notebooks
def test_quick_course_beats_the_bar(quick):
    summary = read_summary(quick / "summary.json")
    assert summary["status"] == "completed"
    seconds = [entry["seconds"] for entry in summary["notebooks"]]
    assert len(seconds) == 5
    assert sum(seconds) <= 900  # 480 on a quiet machine; a shared one took 1.6 times as long
    assert summary["peak_memory_bytes"] < 4e9
    classifier, regressor = summary["metrics"]["classifier"], summary["metrics"]["regressor"]
    assert classifier["protocol"] == "affectfaces"
    assert classifier["split"] == "test"
    accuracy = classifier["metrics"]["accuracy"]
    assert accuracy["value"] >= 0.55
    assert accuracy["low"] > 2 * classifier["baselines"]["dummy_most_frequent"]["accuracy"]
    for axis in ("valence", "arousal"):
        assert regressor["metrics"][f"{axis}_ccc"]["value"] >= 0.60
        constant = regressor["baselines"]["constant_mean"]
        assert regressor["metrics"][f"{axis}_rmse"]["high"] < constant[f"{axis}_rmse"]


@pytest.mark.slow
@pytest.mark.notebooks
def test_quick_course_records_what_its_prose_promises(quick, records):
    setup, data, training, transfer, evaluation = (
        records(quick, number) for number in ("00", "01", "02", "03", "04")
    )
    assert setup["failed_checks"] == []
    assert data["dummy_accuracy"] == pytest.approx(0.125)
    for split in ("train", "validation", "test"):
        shares = data["agreement"]
        pair, perfect = shares[f"{split}, two raters"], shares[f"{split}, perfect model and rater"]
        assert 0.57 < pair[0] < 0.63
        assert 0.74 < perfect[0] < 0.79
        assert pair[2] < perfect[1], "the intervals do not touch"
    assert data["ceiling"] == pytest.approx(0.774, abs=0.001)
    assert max(data["happy_ranges"], key=data["happy_ranges"].get) == "intensity"
    assert data["subjects"] > 500
    assert data["subjects_in_two_splits"] == 0
    assert training["one_epoch_accuracy"] > 2 * training["dummy_validation_accuracy"]
    assert training["calibration"]["by hand"] == pytest.approx(
        training["calibration"]["temperature"], rel=0.02
    )
    assert training["validation_accuracy"] > 3 * training["dummy_validation_accuracy"]
    assert 0.3 < training["calibration"]["temperature"] < 3
    assert training["calibration"]["after"] < training["calibration"]["before"] + 0.02
    assert transfer["features"] == transfer["head_inputs"] == 1280
    assert transfer["derived_share"] == 0
    assert transfer["constant"]["valence_ccc"] == 0
    assert transfer["classifier_unchanged"] is True
    assert transfer["same_size"] is True
    assert transfer["frozen"]["mean_ccc"] > 0.5
    assert transfer["loss_gain"]["low"] > 0
    assert transfer["loss"]["squared error"]["valence_rmse"] < transfer["constant"]["valence_rmse"]
    starts = {name: found["mean_ccc"] for name, found in transfer["starts"].items()}
    assert starts.keys() == {"random", "bundled start", "softmax", "features"}
    assert starts["random"] < min(starts["softmax"], starts["features"])
    assert transfer["features_minus_softmax"]["trained"]["low"] > 0
    assert abs(transfer["features_minus_softmax"]["linear"]["value"]) < 0.05
    assert all(0.3 < slope < 1 for slope in transfer["slopes"].values())
    ceiling = evaluation["noise_ceiling"]
    assert ceiling["accuracy_against_clean"] > evaluation["accuracy"]
    assert ceiling["label_accuracy"] > evaluation["accuracy"]


@pytest.mark.slow
@pytest.mark.notebooks
def test_every_figure_has_title_and_labels_and_fits_a_screen(quick, figures, figure_notes):
    figures.check(quick, figure_notes)
