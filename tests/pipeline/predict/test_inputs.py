"""Which files are found, and where annotated copies go."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from affectkit.pipeline.predict.inputs import annotation_targets, find_inputs


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.JPG", "in/a.png", "in/sub dir/ä.webp", "in/clip.MOV", "in/notes.txt",
                 "in/.hidden.jpg", "in/.git/x.jpg", "in/[1].jpg", "other/a.png"):  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def names(found):
    return [str(file.path) for file in found.files]


def test_folders_are_searched_to_the_bottom(tree):
    inputs = find_inputs(["in"])
    found = inputs.files
    assert [str(file.path) for file in found] == [
        "in/[1].jpg", "in/a.png", "in/b.JPG", "in/clip.MOV", "in/sub dir/ä.webp"
    ]  # fmt: skip
    assert [file.is_video for file in found] == [False, False, False, True, False]
    assert str(found[-1].name) == "sub dir/ä.webp"
    assert inputs.failed == inputs.missing == []
    assert [(str(one.path), one.kind, one.is_folder) for one in inputs.left_out] == [
        ("in/.git", "hidden folder", True),
        ("in/.hidden.jpg", "hidden", False),
        ("in/notes.txt", ".txt", False),
    ]


def test_files_patterns_and_folders_together_give_each_file_once(tree):
    found = find_inputs(["in/a.png", "in/*.png", str(tree / "in/a.png"), "*/a.png"])
    assert names(found) == ["in/a.png", "other/a.png"]
    assert names(find_inputs(["in/**/*.webp"])) == ["in/sub dir/ä.webp"]
    assert names(find_inputs(["in/[1].jpg"])) == ["in/[1].jpg"]  # a file, no pattern
    assert names(find_inputs(["in/.hidden.jpg"])) == ["in/.hidden.jpg"]  # it was named
    found = find_inputs(["absent.jpg", "*.xyz"])
    assert found.missing == [
        ("absent.jpg", "does not exist: check the path"),
        ("*.xyz", "matches no file"),
    ]
    assert found.files == found.failed == found.left_out == []


def test_files_of_the_annotated_folder_are_no_inputs(tree):
    assert names(find_inputs(["."], Path("in"))) == ["other/a.png"]


def test_a_file_without_a_telling_name_is_looked_into(tree):
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save("picture.bin", "PNG")
    Path("film.bin").write_bytes(b"\0" * 100)
    picture, film = find_inputs(["picture.bin", "film.bin"]).files
    assert (picture.is_video, film.is_video) == (False, True)


def test_annotated_copies_keep_their_names_and_do_not_meet(tree):
    found = find_inputs(["in", "other"]).files
    targets = annotation_targets(found, "out")
    assert {str(path): str(target) for path, target in targets.items()} == {
        "in/[1].jpg": "out/[1].jpg",
        "in/a.png": "out/a.png",
        "in/b.JPG": "out/b.JPG",
        "in/clip.MOV": "out/clip.MOV.mp4",
        "in/sub dir/ä.webp": "out/sub dir/ä.webp.png",
        "other/a.png": "out/a_2.png",
    }
    assert annotation_targets(found, None) == {}


def test_one_input_can_have_one_file(tree):
    clip = find_inputs(["in/clip.MOV"]).files
    assert list(annotation_targets(clip, "out.mp4").values()) == [Path("out.mp4")]
    picture = find_inputs(["in/a.png"]).files
    assert list(annotation_targets(picture, "out.jpg").values()) == [Path("out.jpg")]
    with pytest.raises(ValueError, match="expected a folder for --annotate, as there are 2"):
        annotation_targets(clip + picture, "out.mp4")
    with pytest.raises(ValueError, match=r"a video to end in .*, got 'out\.webm'"):
        annotation_targets(clip, "out.webm")
    with pytest.raises(ValueError, match=r"a video to end in .*, got 'out\.jpg'"):
        annotation_targets(clip, "out.jpg")
    with pytest.raises(ValueError, match=r"picture to end in .*, got 'out\.mp4'"):
        annotation_targets(picture, "out.mp4")


def test_no_input_is_overwritten(tree):
    found = find_inputs(["in"]).files
    with pytest.raises(ValueError, match="would be overwritten by --annotate"):
        annotation_targets(found, tree / "in")
