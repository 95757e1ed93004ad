from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from affectkit import doctor
from affectkit.doctor import Check


def report(checks: list[Check]) -> tuple[int, list[str]]:
    console = Console(file=io.StringIO(), width=40, color_system=None)
    code = doctor.print_report(checks, console)
    return code, console.file.getvalue().splitlines()


@pytest.mark.slow
def test_this_environment_is_well():
    checks = doctor.check_environment()
    names = [check.name for check in checks]
    assert names[0] == "Python"
    assert {"tensorflow", "opencv-python", "Jupyter kernel", "Bundled faces", "Camera"} < set(names)
    code, lines = report(checks)
    assert code == 0, "\n".join(lines)
    assert lines[-1] == "All is well."
    assert sum(line.startswith(("[OK]   ", "[--]   ")) for line in lines) == len(checks)


@pytest.mark.parametrize(
    ("version", "ok"), [("3.10.13", False), ("3.11.0", True), ("3.13.9", True), ("3.14.0", False)]
)
def test_python_range(version, ok):
    assert doctor.check_python(version, "<3.14,>=3.11").ok is ok


def test_packages_against_requirements():
    checks = doctor.check_packages(
        [
            "numpy>=99",
            "numpy>=1",
            "no-such-package-of-ours>=1",
            "pytest>=99; extra == 'dev'",
            "pywinpty>=99; python_version < '3'",
        ]
    )
    assert [(check.name, check.ok) for check in checks] == [
        ("numpy", False),
        ("numpy", True),
        ("no-such-package-of-ours", False),
    ]
    assert checks[0].detail.endswith("(needs >=99)")
    assert checks[0].remedy.endswith("-m pip install 'numpy>=99'")
    assert checks[2].detail.startswith("not installed")


def test_report_says_what_to_do_and_returns_the_exit_code():
    good = Check("Python", True, "3.11.7", "unused")
    bad = Check("numpy", False, "1.0 (needs >=99)", "pip install 'numpy[all]>=99'")
    missing = Check("Camera", False, "none", optional=True)
    assert report([good, missing]) == (
        0,
        ["[OK]   Python: 3.11.7", "[--]   Camera: none", "All is well."],
    )
    code, lines = report([good, bad, missing])
    assert code == 1
    assert lines == [
        "[OK]   Python: 3.11.7",
        "[FAIL] numpy: 1.0 (needs >=99)",
        "       what to do: pip install 'numpy[all]>=99'",
        "[--]   Camera: none",
        "1 of 3 checks failed.",
    ]


def test_disk_and_memory_limits(tmp_path):
    assert doctor.check_disk(tmp_path, 0).ok
    assert doctor.check_memory(0).ok
    assert not doctor.check_disk(tmp_path, 1e9).ok
    assert not doctor.check_memory(1e9).ok


def run_check_environment(python_path: Path) -> dict[str, dict]:
    """Run the doctor in a new Python that finds the modules of `python_path` first."""
    code = (
        "import json; from affectkit.doctor import check_environment; "
        "print(json.dumps([vars(check) for check in check_environment()]))"
    )
    search = os.pathsep.join([str(python_path), str(Path(doctor.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=True,
    )
    return {check["name"]: check for check in json.loads(done.stdout.splitlines()[-1])}


def test_a_library_that_does_not_load_is_a_finding(tmp_path):
    """OpenCV's system library is missing, as in a slim container, and others are broken."""
    message = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({message!r})\n")
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no\\nsuch symbol')\n")
    (tmp_path / "keras.py").write_text("")
    for name in ("ai_edge_litert", "pyarrow"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name}: no such symbol')\n")
    checks = run_check_environment(tmp_path)
    for name in ("Image files", "Video files"):
        assert not checks[name]["ok"]
        assert checks[name]["detail"] == message
        assert "apt-get install libgl1" in checks[name]["remedy"]
    assert not checks["TensorFlow computes"]["ok"]
    assert checks["TensorFlow computes"]["detail"] == "no such symbol"
    assert "make course" in checks["TensorFlow computes"]["remedy"]
    assert checks["LiteRT computes"]["detail"] == "ai_edge_litert: no such symbol"
    assert checks["Tables"]["detail"] == "pyarrow: no such symbol"
    assert checks["Jupyter kernel"]["ok"]


def test_litert_and_tables_work(capfd):
    assert doctor.answer_with_litert() == "LiteRT runs affectkit-real.int8.tflite"
    assert "read and write Parquet" in doctor.write_and_read_table()
    assert capfd.readouterr().err == ""


def test_pictures_and_video_come_back(capfd):
    assert "JPEG, PNG and WebP" in doctor.write_and_read_images()
    assert "MP4" in doctor.write_and_read_video()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_tensorflow_computes_without_chatter(capfd):
    assert doctor.compute_with_tensorflow().startswith("TensorFlow 2.")
    assert capfd.readouterr().err == ""


def test_another_keras_backend_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(RuntimeError, match="KERAS_BACKEND is jax"):
        doctor.compute_with_tensorflow()


def write_kernel(folder, command):
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [command, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return str(folder)


def test_kernel_of_this_python(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", write_kernel(tmp_path, sys.executable))
    assert doctor.find_kernel() == f"python3 in {tmp_path / 'kernels' / 'python3'}"


def test_kernel_of_another_python_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", write_kernel(tmp_path, "/somewhere/else/bin/python"))
    with pytest.raises(RuntimeError, match="starts .*python, not this Python"):
        doctor.find_kernel()


def write_asset(folder, content, expected):
    (folder / "faces.zip").write_bytes(content)
    digest = hashlib.sha256(expected).hexdigest()
    (folder / "faces.sha256").write_text(f"{digest}  faces.zip\n")


def test_assets_with_the_right_hash(tmp_path):
    write_asset(tmp_path, b"faces", b"faces")
    assert doctor.verify_assets(tmp_path) == "faces.zip"


def test_damaged_and_missing_assets_are_named(tmp_path):
    with pytest.raises(RuntimeError, match="has no data"):
        doctor.verify_assets(tmp_path)
    write_asset(tmp_path, b"face", b"faces")
    with pytest.raises(RuntimeError, match=r"faces\.zip is damaged"):
        doctor.verify_assets(tmp_path)
    (tmp_path / "faces.zip").unlink()
    with pytest.raises(RuntimeError, match=r"faces\.zip is missing"):
        doctor.verify_assets(tmp_path)
