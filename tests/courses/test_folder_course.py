"""The course on a user's folder."""

import shutil

import pytest

from affectkit.course import CourseSettings, read_summary, run_course


@pytest.mark.slow
@pytest.mark.notebooks
def test_course_on_a_users_folder_with_a_bad_row(shared, shortest, tmp_path):
    """Real portraits, no valence and arousal, one truncated picture."""
    root = tmp_path / "mine"
    shutil.copytree(shared / "data" / "london_faces", root)
    first = next(iter(sorted(root.glob("*.jpg"))))
    first.write_bytes(first.read_bytes()[:5000])
    result = run_course(CourseSettings("folder", root, **shortest), tmp_path / "run")
    summary = read_summary(result.folder / "summary.json")
    assert summary["status"] == "completed"
    assert summary["metrics"]["regressor"]["derived_rows"] > 0
    assert first.name in (result.folder / "skipped_rows.csv").read_text()
