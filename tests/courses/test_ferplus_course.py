"""The course on FER+."""

import pytest

from affectkit.course import CourseSettings, read_summary, run_course


@pytest.mark.slow
@pytest.mark.notebooks
def test_course_on_ferplus(shared, shortest, records, tmp_path):
    root = shared / "data" / "ferplus"
    result = run_course(CourseSettings("ferplus", root, **shortest), tmp_path / "run")
    summary = read_summary(result.folder / "summary.json")
    assert summary["status"] == "completed"
    assert summary["metrics"]["classifier"]["protocol"] == "ferplus-majority (subset of 64)"
    assert records(result.folder, "03")["derived_share"] == 1.0
    agreement = records(result.folder, "01")["agreement"]
    pairs, majority = (agreement[f"train, {who}"] for who in ("two raters", "majority and rater"))
    assert 0.5 < pairs[0] < majority[0] < 0.95
