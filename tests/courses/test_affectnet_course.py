"""The course in its full profile, on AffectNet's layout."""

import json
import shutil

import pytest

from affectkit.course import CourseSettings, read_summary, run_course
from affectkit.data.sets.affectfaces import bundled_faces


@pytest.mark.slow
@pytest.mark.notebooks
def test_full_profile_on_affectnets_layout(shared, short, tmp_path):
    """The recipe for AffectNet at its full size, on a small tree of that layout.

    The bundled faces without their extra tables are such a tree.
    """
    root = tmp_path / "affectnet"
    root.mkdir()
    for name in ("training.csv", "validation.csv"):
        shutil.copy(bundled_faces() / name, root)
    (root / "Manually_Annotated_Images").symlink_to(bundled_faces() / "Manually_Annotated_Images")
    weights = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    short = short | {"limit": 24, "profile": "full", "weights": weights}
    result = run_course(CourseSettings("affectnet", root, **short), tmp_path / "run")
    summary = read_summary(result.folder / "summary.json")
    assert summary["status"] == "completed", summary["failed"]
    assert summary["weights"] == str(weights.resolve())
    assert summary["metrics"]["classifier"]["protocol"] == "affectnet-4000 (subset of 24)"
    card = json.loads((result.folder / "models" / "classifier.json").read_text())
    assert card["preprocessing"]["image_size"] == 224
    assert (result.folder / "logs" / "head" / "classification_log.csv").is_file()
