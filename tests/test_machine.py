from __future__ import annotations

import hashlib
import json
import os
import sys

import pytest

from affectkit import machine as self_test


def test_pictures_and_video_come_back(capfd):
    assert "JPEG, PNG and WebP" in self_test.write_and_read_images()
    assert "MP4" in self_test.write_and_read_video()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_tensorflow_computes_without_chatter(capfd):
    assert self_test.compute_with_tensorflow().startswith("TensorFlow 2.")
    assert capfd.readouterr().err == ""


def test_another_keras_backend_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(RuntimeError, match="KERAS_BACKEND is jax"):
        self_test.compute_with_tensorflow()


def write_kernel(folder, command):
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [command, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return str(folder)


def test_kernel_of_this_python(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", write_kernel(tmp_path, sys.executable))
    assert self_test.find_kernel() == f"python3 in {tmp_path / 'kernels' / 'python3'}"


def test_kernel_of_another_python_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", write_kernel(tmp_path, "/somewhere/else/bin/python"))
    with pytest.raises(RuntimeError, match="starts .*python, not this Python"):
        self_test.find_kernel()


def write_asset(folder, content, expected):
    (folder / "faces.zip").write_bytes(content)
    digest = hashlib.sha256(expected).hexdigest()
    (folder / "faces.sha256").write_text(f"{digest}  faces.zip\n")


def test_assets_with_the_right_hash(tmp_path):
    write_asset(tmp_path, b"faces", b"faces")
    assert self_test.verify_assets(tmp_path) == "faces.zip"


def test_damaged_and_missing_assets_are_named(tmp_path):
    with pytest.raises(RuntimeError, match="has no data"):
        self_test.verify_assets(tmp_path)
    write_asset(tmp_path, b"face", b"faces")
    with pytest.raises(RuntimeError, match=r"faces\.zip is damaged"):
        self_test.verify_assets(tmp_path)
    (tmp_path / "faces.zip").unlink()
    with pytest.raises(RuntimeError, match=r"faces\.zip is missing"):
        self_test.verify_assets(tmp_path)


def test_hidden_stderr_is_restored(capfd):
    with self_test._hidden_stderr():
        os.write(2, b"hidden")
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"
