from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys

import pytest

from affectkit.machine import (
    git_commit,
    hidden_chatter,
    machine_facts,
    peak_memory_of_children,
    versions,
)


def test_chatter_is_hidden_and_the_rest_follows(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with hidden_chatter("INFO: "):
        os.write(2, b"INFO: hidden\nERROR: shown\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "ERROR: shown\n"
    with hidden_chatter():
        os.write(2, b"all of it")
    os.write(2, b"what follows")
    assert capfd.readouterr().err == "what follows"
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with hidden_chatter():
        os.write(2, b"wanted")
    assert capfd.readouterr().err == "wanted"


def test_tensorflow_is_imported_quietly_unless_its_logs_are_wanted():
    code = (
        "import sys; from affectkit.machine import *; sys.meta_path.insert(0, QuietTensorFlow())\n"
        "with hidden_chatter('none'): import keras\n"
        "import tensorflow as tf; print(int(tf.constant(1) + 1), len(sys.meta_path))"
    )
    said = {}
    for level in ("3", "0"):
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": level}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        assert done.stdout.split()[0] == "2", done.stderr
        said[level] = done.stderr
    assert said["3"] == ""
    assert "TensorFlow" in said["0"]


def test_versions_are_those_that_are_installed():
    found = versions()
    assert found["python"] == platform.python_version()
    for name in ("keras", "numpy", "pandas", "scikit-learn", "scipy", "matplotlib"):
        assert found[name] == importlib.metadata.version(name)
    assert found["tensorflow"]
    assert found["opencv"]


def test_the_machine_has_a_name_cores_and_memory():
    found = machine_facts()
    assert set(found) == {"processor", "cores", "memory_bytes", "system"}
    assert found["processor"]
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 1 << 28


def test_a_commit_and_changed_files_are_told(tmp_path):
    assert git_commit(tmp_path) is None
    (tmp_path / "note.txt").write_text("one")
    for command in ("init", "add .", "-c user.name=a -c user.email=a commit -m one"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    commit = git_commit(tmp_path)
    assert len(commit) == 40
    (tmp_path / "other.txt").write_text("is not followed")
    assert git_commit(tmp_path) == commit
    (tmp_path / "note.txt").write_text("two")
    assert git_commit(tmp_path) == f"{commit}+"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_memory_of_children_is_counted_in_bytes():
    subprocess.run([sys.executable, "-c", "bytearray(64 << 20)"], check=True)
    assert peak_memory_of_children() > 64 << 20
