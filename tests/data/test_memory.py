"""Long tables: a bound on the memory that a row takes while it is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import sys
from pathlib import Path
from affectkit.data.datasets import load_splits, load_table

def peak():
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) * 1024

dataset, root, small = sys.argv[1:]
load_table("folder", small)  # so that every library is loaded
before = peak()
rows = sum(len(part) for part in load_splits(dataset, root, "all").values())
print(rows, peak() - before)
"""

FEW, MANY = 20_000, 60_000
MOST_BYTES = 2000
"""A row. Its name has 60 characters and its path about 110, as AffectNet's; with text kept by Arrow
it takes about 1,000, with Python's strings over 3,000."""


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Empty files of AffectNet's layout, and a small folder."""
    root = tmp_path_factory.mktemp("many")
    small = root / "small" / "happy"
    small.mkdir(parents=True)
    for number in range(9):
        (small / f"{number}.png").touch()
    images = root / "Manually_Annotated_Images"
    names = [f"{number // 1000}/{number:056x}.jpg" for number in range(MANY)]
    for number, name in enumerate(names):
        if number % 1000 == 0:
            (images / name).parent.mkdir(parents=True)
        (images / name).touch()
    return root, names


def write_labels(root, dataset, names):
    values = [f"{number % 8},{number % 199 / 100 - 1:.6f},0.5" for number in range(len(names))]
    splits = ["test" if number % 10 == 0 else "train" for number in range(len(names))]
    if dataset == "folder":
        lines = ["file,expression,valence,arousal,subject,split"]
        rows = zip(names, values, splits, strict=True)
        lines += [f"{name},{value},{len(name)},{split}" for name, value, split in rows]
        file = root / "Manually_Annotated_Images" / "labels.csv"
        file.write_text("\n".join(lines) + "\n")
        return file.parent
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    lines = [header + "expression,valence,arousal"]
    lines += [
        f"{name},10,12,220,221,{'1.5;2.5;' * 9},{value}"
        for name, value in zip(names, values, strict=True)
    ]
    (root / "training.csv").write_text("\n".join(lines[:-9]) + "\n")
    (root / "validation.csv").write_text("\n".join([lines[0], *lines[-9:]]) + "\n")
    return root


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read in /proc")
@pytest.mark.parametrize("dataset", ["folder", "affectnet"])
def test_a_row_more_takes_few_bytes(names, dataset):
    root, files = names
    found = []
    for rows in (FEW, MANY):
        place = write_labels(root, dataset, files[:rows])
        command = [sys.executable, "-W", "ignore", "-c", MEASURE, dataset, place, root / "small"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        read, grown = map(int, done.stdout.split())
        assert read == rows
        found.append(grown)
    assert (found[1] - found[0]) / (MANY - FEW) < MOST_BYTES
