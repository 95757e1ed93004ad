"""The bundled set's form, and unpacking it once, whole, by several processes at once."""

import hashlib
import subprocess
import sys
import zipfile

import pytest

from affectkit.data import SkippedRows, load_splits, load_table, slice_columns
from affectkit.data.sets.affectfaces import load_affectfaces, unpack

HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    "expression,valence,arousal\n"
)
EXTRAS = (
    "subDirectory_filePath,split,subject,expression_clean,expression_second,intensity,"
    "action_units,age,gender\n"
    'ab/1.webp,training,s1,2,3,0.5,"{""AU12"":[0.1,0.2]}",30.5,female\n'
    'ab/2.webp,validation,s2,1,1,1,"{}",8,male\n'
    'cd/3.webp,test,s3,0,7,0.25,"{}",,\n'
)


@pytest.fixture
def rendered(tmp_path):
    root = tmp_path / "faces"
    for name, split, expression in (
        ("ab/1.webp", "training", 2),
        ("ab/2.webp", "validation", 1),
        ("cd/3.webp", "test", 0),
    ):
        image = root / "Manually_Annotated_Images" / name
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"image " + name.encode())
        row = f"{name},1,2,30,40,1;2,{expression},0.5,-0.5\n"
        (root / f"{split}.csv").write_text(HEADER + row)
    (root / "extras.csv").write_text(EXTRAS)
    return root


def pack(root, archive):
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            target.write(path, path.relative_to(root).as_posix())
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    archive.with_suffix(".sha256").write_text(f"{digest}  {archive.name}\n")
    return archive


def test_rendered_folder_with_its_extras(rendered):
    splits = load_splits("affectfaces", rendered)
    train = splits["train"].iloc[0]
    assert splits["train"].attrs == {"dataset": "affectfaces", "protocol": "affectfaces"}
    assert (train["expression"], train["subject"], train["face_height"]) == (2, "s1", 40)
    assert (train["expression_clean"], train["expression_second"]) == (2, 3)
    assert train["action_units"] == '{"AU12":[0.1,0.2]}'
    table = load_table("affectfaces", rendered)
    assert table["split"].tolist() == ["train", "validation", "test"]
    assert str(table["expression_clean"].dtype) == "Int64"
    assert table["age"].isna().tolist() == [False, False, True]
    assert slice_columns(table) == [
        "expression_clean", "expression_second", "intensity", "action_units", "age", "gender",
    ]  # fmt: skip


def test_missing_extras_and_strange_folders(rendered, tmp_path):
    (rendered / "extras.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"extras\.csv"):
        load_affectfaces(rendered, SkippedRows())
    with pytest.raises(FileNotFoundError, match="affectkit faces render"):
        load_affectfaces(tmp_path, SkippedRows())


def test_unpack_once_and_repair(rendered, tmp_path):
    archive, cache = pack(rendered, tmp_path / "affectfaces.zip"), tmp_path / "cache"
    folder = unpack(archive, cache)
    assert (folder / "Manually_Annotated_Images/ab/1.webp").read_bytes() == b"image ab/1.webp"
    before = (folder / "extras.csv").stat().st_mtime_ns
    assert unpack(archive, cache) == folder
    assert (folder / "extras.csv").stat().st_mtime_ns == before
    (folder / "Manually_Annotated_Images/ab/1.webp").write_bytes(b"im")
    assert unpack(archive, cache) == folder
    assert (folder / "Manually_Annotated_Images/ab/1.webp").read_bytes() == b"image ab/1.webp"
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_an_interrupted_unpacking_is_not_taken_for_the_data(rendered, tmp_path):
    archive, cache = pack(rendered, tmp_path / "affectfaces.zip"), tmp_path / "cache"
    digest = archive.with_suffix(".sha256").read_text()[:16]
    left = cache / f"affectfaces-{digest}-partial-old"
    left.mkdir(parents=True)
    (left / "training.csv").write_text("half")
    assert len(load_affectfaces(unpack(archive, cache), SkippedRows())) == 3


def test_processes_at_once_agree(rendered, tmp_path):
    archive, cache = pack(rendered, tmp_path / "affectfaces.zip"), tmp_path / "cache"
    code = (
        "import sys, pathlib; from affectkit.data.sets.affectfaces import unpack; "
        "print(unpack(*map(pathlib.Path, sys.argv[1:])))"
    )
    command = [sys.executable, "-c", code, str(archive), str(cache)]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = {run.communicate(timeout=120) for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    (folder,) = {output.strip() for output, _ in outputs}
    assert [str(path) for path in cache.iterdir()] == [folder]


def test_a_damaged_or_missing_archive(rendered, tmp_path):
    archive = pack(rendered, tmp_path / "affectfaces.zip")
    archive.write_bytes(archive.read_bytes()[:-5])
    with pytest.raises(ValueError, match="is damaged: expected SHA-256"):
        unpack(archive, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    archive.unlink()
    with pytest.raises(FileNotFoundError, match="reinstall affectkit"):
        unpack(archive, tmp_path / "cache")


def test_the_bundled_set_keeps_subjects_apart():
    splits = load_splits("affectfaces")
    subjects = {name: set(part["subject"]) for name, part in splits.items()}
    assert not subjects["train"] & subjects["test"]
    assert not subjects["train"] & subjects["validation"]
    assert not subjects["validation"] & subjects["test"]
    for name, part in splits.items():
        assert part["subject"].notna().all()
        assert part["expression"].nunique() == 8
        assert part[["valence", "arousal", "face_width"]].notna().all(axis=None), name
