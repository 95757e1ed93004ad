"""The course as it is committed, from the wheel in a clean environment: results and time."""

from pathlib import Path

import pytest

from affectkit.course import read_summary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def quick(install_wheel):
    """The folder of `affectkit course` on the bundled set with the quick profile."""
    run = install_wheel("--constraint", str(ROOT / "environment.lock"))
    run("course", "--output", "run")
    return run.folder / "run"


@pytest.mark.slow
@pytest.mark.notebooks
def test_quick_course_beats_the_bar(quick):
    summary = read_summary(quick / "summary.json")
    assert summary["status"] == "completed"
    assert summary["seconds"] <= 600
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
    assert (quick / "report.html").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.notebooks
def test_quick_course_records_what_its_prose_promises(quick, records):
    setup, data, training, transfer, evaluation = (
        records(quick, number) for number in ("00", "01", "02", "03", "04")
    )
    assert setup["failed_checks"] == []
    assert data["dummy_accuracy"] == pytest.approx(0.125)
    assert data["agreement"] == pytest.approx(0.61, abs=0.03)
    assert data["subjects"] > 500
    assert data["subjects_in_two_splits"] == 0
    assert training["validation_accuracy"] > 3 * training["dummy_validation_accuracy"]
    assert 0.3 < training["calibration"]["temperature"] < 3
    assert training["calibration"]["after"] < training["calibration"]["before"] + 0.02
    assert transfer["features"] == transfer["head_inputs"] == 1280
    assert transfer["derived_share"] == 0
    assert transfer["constant"]["valence_ccc"] == 0
    assert transfer["classifier_unchanged"] is True
    ceiling = evaluation["noise_ceiling"]
    assert ceiling["accuracy_against_clean"] > evaluation["accuracy"]
    assert ceiling["label_accuracy"] > evaluation["accuracy"]
