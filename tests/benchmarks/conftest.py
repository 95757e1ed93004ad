"""The scripts of benchmarks/, and what several of their tests need."""

import importlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectkit.faces import render_face

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
FRAMES = 6


@pytest.fixture(scope="session")
def scripts():
    """Give the modules of benchmarks/, by name, as a script there finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """A clip of six frames of one drawn face."""
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (256, 256))
    frame = np.ascontiguousarray(render_face(1, 256)[0][..., ::-1])
    for _ in range(FRAMES):
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="session")
def check_run():
    """Check that a run says where, when and how it was made."""
    return _check_run


def _check_run(run, command, threads):
    content = run.content
    assert {"processor", "cores", "memory_bytes", "system", "flags", "load_average"} <= set(
        content["machine"]
    )
    assert {"python", "tensorflow", "numpy", "opencv", "ai-edge-litert", "onnxruntime"} <= set(
        content["versions"]
    )
    assert content["command"].startswith(f"python benchmarks/{command} --output ")
    assert content["started"].endswith("+00:00")
    assert isinstance(content["git_dirty"], bool)
    assert content["threads"] == threads
    assert content["peak_memory_bytes"] > 50e6
    assert content["ratios"]
    assert all(np.isfinite(ratio["value"]) for ratio in content["ratios"])
    timed = {row["p50"] for rows in content["tables"].values() for row in rows if "p50" in row}
    assert timed
    assert min(timed) > -1  # a residual may be a little below 0
    text = run.path.with_suffix(".md").read_text()
    assert content["command"] in text
    assert "fewer samples than MLPerf asks for" in text
    figures = list(run.path.parent.glob(f"{run.path.stem}_*.png"))
    assert figures
    assert all(f"({figure.name})" in text for figure in figures)


@pytest.fixture(scope="session")
def check_loading():
    """Check that loading and the model are told apart from what is timed."""

    def check(row, path):
        assert row["bytes"] == path.stat().st_size
        assert row["load_seconds"] > 0
        assert row["first_call_ms"] > 0

    return check
