"""What runs in the peers' Python: nothing of affectkit, and the loop that all peers get."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def legs(scripts):
    return scripts("peer_legs")


def test_nothing_of_affectkit_is_needed():
    code = "import peer_legs, sys; print([name for name in sys.modules if 'affectkit' in name])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_best_expression_stands_beside_its_box(legs):
    faces = [{"box": np.array([1, 2, 30, 40]), "emotions": {"sad": 0.2, "happy": 0.7, "fear": 0.1}}]
    assert legs.findings(faces, "box", "emotions") == [((1, 2, 30, 40), "happy")]


def test_every_frame_is_read_drawn_on_and_written(legs, video, tmp_path):
    seen = []

    def find(frame):
        seen.append(frame.copy())
        return [((20, 20, 40, 40), "happy")]

    output = str(tmp_path / "drawn.mp4")
    assert legs.one_after_the_other(find)(str(video), output) == {"frames": 6, "faces": 6}
    capture = legs.cv2.VideoCapture(output)
    drawn = [capture.read()[1] for _ in range(6)]
    assert np.abs(drawn[5].astype(int) - seen[5]).max() > 80  # the green box
    with pytest.raises(OSError, match="absent.mp4 can't be opened"):
        legs.one_after_the_other(find)("absent.mp4", output)


def test_a_peer_that_is_not_installed_is_named(legs):
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_peer'"):
        legs.package_folder("no_such_peer")
