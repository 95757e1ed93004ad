"""The kit's own code keeps to what Windows has and allows, as far as Linux can tell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from affectkit.faces import render_face
from affectkit.pipeline import VideoWriter

RULES = Path(__file__).with_name("windows")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join([str(RULES), str(ROOT)]),
    "PYTHONWARNDEFAULTENCODING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def python(*arguments, cwd, exit_code=0):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=os.environ | ENVIRONMENT
    )
    assert done.returncode == exit_code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def affectkit(*commands, cwd):
    """Run commands in one process: what one leaves open is in the way of the next."""
    words = [[str(word) for word in command] for command in commands]
    run = "assert not app(command, standalone_mode=False), command"
    code = f"from affectkit.cli import app\nfor command in {words}: {run}"
    return python("-c", code, cwd=cwd)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import fcntl", "No module named 'fcntl'"),
        ("import os; os.fork()", "no attribute 'fork'"),
        ("import os; open('a', 'w').close(); b = open('a'); os.fsync(b.fileno())", "Bad file"),
        ("open('a', 'w').close(); b = open('a'); from pathlib import Path; Path('a').unlink()",
         "another process uses"),
        ("from pathlib import Path; Path('a').touch(); Path('b').touch(); Path('a').rename('b')",
         "exists already"),
    ],
)  # fmt: skip
def test_the_imitation_refuses_what_windows_refuses(tmp_path, code, error):
    wrapped = f"try:\n    exec({code!r})\nexcept (ImportError, AttributeError, OSError) as error:\n"
    assert error in python("-c", f"{wrapped}    print(error)", cwd=tmp_path)


def test_every_module_is_imported_without_what_windows_lacks(tmp_path):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "affectkit").rglob("*.py")
        if "device" not in path.parts  # runs on the Nano, which is Linux
    ]
    assert len(modules) > 100
    python("-c", f"import importlib\nfor name in {modules}: importlib.import_module(name)",
           cwd=tmp_path)  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with a sub-folder an expression, one of whose names is not in cp1252."""
    folder = tmp_path_factory.mktemp("windows") / "Фото"
    for code, name in ((0, "Neutral"), (1, "Happy")):
        (folder / name).mkdir(parents=True)
        for seed in range(2):
            canvas = np.full((150, 200, 3), 90, np.uint8)
            canvas[30:126, 60:156] = render_face(code * 10 + seed, 96)[0]
            Image.fromarray(canvas).save(folder / name / f"{seed} é.png")
    return folder


@pytest.mark.slow
def test_predict_evaluate_and_export_keep_to_windows_rules(pictures, tmp_path):
    model = ("--model", "affectkit-synthetic-int8")
    with VideoWriter(tmp_path / "clip.mp4", 25) as writer:
        for _ in range(3):
            writer.write(np.asarray(Image.open(pictures / "Happy" / "0 é.png")))
    copy = shutil.copytree(pictures, tmp_path / "copy")
    predict = ("predict", pictures, tmp_path / "clip.mp4", *model, "-o", "rows.csv",
               "--annotate", "drawn")  # fmt: skip
    folder = ("--dataset", "folder", "--root", pictures)
    evaluate = ("evaluate", model[1], *folder, "--bootstrap", 0, "-o", "out")
    forms = ("tflite-float16", "saved-model")
    told = affectkit(
        ("predict", pictures, *model),
        predict,
        (*predict, "--overwrite"),
        predict,
        ("faces", "find", "--root", copy),
        evaluate,
        evaluate,
        *(("export", "affectkit-synthetic", "--format", form, "-o", form) for form in forms),
        ("faces", "render", "--count", 5, "--size", 32, "--workers", 1, "-o", "faces"),
        ("shard", "--dataset", "affectnet", "--root", "faces", "--workers", 1, "-o", "shards"),
        cwd=tmp_path,
    )
    assert "0 é.png" in told
    assert (tmp_path / "rows.csv").read_text("utf-8").count("\n") == 8
    assert len([path for path in (tmp_path / "drawn").rglob("*") if path.is_file()]) == 5
    assert json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))["rows"] == 4
    for form in forms:
        assert len(list((tmp_path / form).iterdir())) == 2


SHORT_COURSE = """
from affectkit.course import CourseSettings, run_course
course = run_course(CourseSettings(limit=64, epochs=1), "run", notebooks="notebooks")
raise SystemExit(course.exit_code)
"""


@pytest.mark.slow
@pytest.mark.notebooks
def test_a_short_course_keeps_to_windows_rules(tmp_path, untraced):
    """04 trains the networks that it finds none of, with the code that 02 and 03 train with."""
    (tmp_path / "notebooks").mkdir()
    for name in ("00_check_setup", "04_evaluate_models"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", tmp_path / "notebooks")
    python("-c", SHORT_COURSE, cwd=tmp_path)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["status"] == "completed"
    assert summary["metrics"]["regressor"]["rows"] == 64
    assert (tmp_path / "run" / "report.html").stat().st_size > 100_000
