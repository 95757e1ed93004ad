"""Label files: CSV of every layout, and the folders of images that they are about."""

from __future__ import annotations

import csv
import io
import os
from random import Random

import numpy as np
import pandas as pd
from basis import Target
from mutations import TEXTS

from affectkit.data import SkippedRows, load_table, read_image
from affectkit.data.images import load_container
from affectkit.data.table import validate_table
from affectkit.labels import FERPLUS_VOTE_COLUMNS

CELLS = (
    *("", "0", "1", "3", "7", "8", "10", "11", "-1", "-2", "0.5", "1.0", "1e999", "nan", "inf"),
    *("Happy", "happiness", "train", "valid", "test", "a.png", "sub/b.png", "./a.png", "A.PNG"),
    *("../a.png", "/etc/passwd", "sub/../../a.png", "..\\a.png", "C:\\a.png", "link.png", "~/a"),
    *("way/a.png", "out/secret.png", "a.png/", "a.png/b.png", "sub", ".", "x" * 300, "y/" * 3000),
    *("=1+1", "\u202ea.png", "a\u0000.png", "1_0", "١", "0x10", "1,5", "a\nb", '"', "\ufeff", "\r"),
    *(TEXT for TEXT in TEXTS if "\0" not in TEXT and "\ud800" not in TEXT),
)
NAMES = (
    *("self", "columns", "", " ", "image_id", "path", "row", "image", "split", "Split", "subject"),
    *("soft_neutral", "line in the file", "column 2", "derived_valence_arousal", "index", "count"),
    *("face_x", "face_width", "valence", "arousal", "expression", "file", "class", "_1", "=x", "é"),
)


def make_pictures(root: object, names: tuple[str, ...] = ("a.png", "b.png", "sub/b.png")) -> None:
    """Put small files under a root, and links that leave it beside them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"picture")
    secret = root.parent / "secret" / "secret.png"
    secret.parent.mkdir(exist_ok=True)
    secret.write_bytes(b"secret")
    for link, target in (("link.png", secret), ("out", secret.parent), ("loop", root / "loop")):
        if not os.path.lexists(root / link):
            (root / link).symlink_to(target)


def check_table(table: pd.DataFrame, skipped: SkippedRows, root: object) -> None:
    """Check what every loaded table promises, and that no row leads out of the root."""
    validate_table(table)
    assert len(table)
    base = os.path.realpath(root) + os.sep
    for path in table["path"]:
        assert os.path.realpath(path).startswith(base), path
    assert np.isfinite(table[["valence", "arousal"]].fillna(0)).all(axis=None)
    skipped.to_csv(root.parent / "skipped_rows.csv")
    assert len(pd.read_csv(root.parent / "skipped_rows.csv")) == len(skipped)


class Labels(Target):
    """A CSV file: spoilt as cells, columns and rows, or as bytes."""

    dataset, root, header = "folder", "root", ()

    def make_seeds(self) -> list[bytes]:
        self.name = self.root  # a message about the whole may name the folder
        return [self.encode(self.header, self.rows())]

    def rows(self) -> list[list[str]]:
        raise NotImplementedError

    @staticmethod
    def encode(header: object, rows: object) -> bytes:
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([header, *rows])
        return stream.getvalue().encode("utf-8", "surrogatepass")

    def make(self, random: Random) -> bytes:
        if random.random() < 0.35:
            return super().make(random)
        header, rows = list(self.header), [list(row) for row in self.rows()]
        for _ in range(random.choice((1, 1, 2, 4, 12))):
            kind, row = random.randrange(10), random.choice(rows)
            if kind < 5:
                row[random.randrange(len(row))] = random.choice(CELLS)
            elif kind == 5:
                row[:] = row[: random.randrange(1, len(row) + 1)]
            elif kind == 6:
                row.append(random.choice(CELLS))
            elif kind == 7:
                rows.append(list(row))
            elif kind == 8:
                header.append(random.choice(NAMES))
                for one in rows:
                    one.append(random.choice(CELLS))
            else:
                header[random.randrange(len(header))] = random.choice(NAMES)
        content = self.encode(header, rows)
        if random.random() < 0.1:
            content = content.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\n", b"\0\n")))
        if random.random() < 0.05:
            content = random.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b'"')) + content
        self.put(content)
        return content

    def read(self) -> None:
        skipped = SkippedRows()
        table = load_table(self.dataset, self.folder / self.root, skipped=skipped, protocol="all")
        check_table(table, skipped, self.folder / self.root)


class FolderLabels(Labels):
    file = "root/labels.csv"
    header = (
        *("file", "expression", "valence", "arousal", "subject", "split"),
        *("face_x", "face_y", "face_width", "face_height", "age"),
    )

    def rows(self) -> list[list[str]]:
        return [
            ["a.png", "Happy", "0.5", "-0.5", "anna", "train", "1", "1", "4", "4", "33"],
            ["b.png", "3", "-2", "-2", "bert", "test", "", "", "", "", "44"],
            ["sub/b.png", "", "1", "0", "cleo", "validation", "0", "0", "9", "9", ""],
        ]

    def make_seeds(self) -> list[bytes]:
        make_pictures(self.folder / self.root)
        return super().make_seeds()


class OriginalLabels(Labels):
    dataset, file = "affectnet", "root/training.csv"
    header = (
        *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height"),
        *("facial_landmarks", "expression", "valence", "arousal"),
    )

    def rows(self) -> list[list[str]]:
        return [
            ["a.png", "1", "1", "4", "4", "1;2;3", "1", "0.5", "-0.5"],
            ["b.png", "1", "1", "-4", "4", "", "7", "-2", "-2"],
            ["sub/b.png", "0", "0", "9", "9", "x", "10", "1", "0"],
        ]

    def make_seeds(self) -> list[bytes]:
        make_pictures(self.folder / self.root / "Manually_Annotated_Images")
        return super().make_seeds()


class Extras(Labels):
    dataset, file = "affectfaces", "root/extras.csv"
    header = (
        *("subDirectory_filePath", "subject", "split", "gender", "age"),
        *("expression_clean", "expression_second"),
    )

    def rows(self) -> list[list[str]]:
        return [
            ["a.png", "1", "training", "f", "30", "1", "1"],
            ["b.png", "2", "training", "m", "40.5", "7", ""],
            ["sub/b.png", "3", "training", "", "", "0", "0"],
        ]

    def make_seeds(self) -> list[bytes]:
        root = self.folder / self.root
        make_pictures(root / "Manually_Annotated_Images")
        labels = OriginalLabels.rows(self)
        (root / "training.csv").write_bytes(self.encode(OriginalLabels.header, labels))
        return super().make_seeds()


class FerplusLabels(Labels):
    dataset, file = "ferplus", "root/fer2013new.csv"
    header = ("Usage", "Image name", *FERPLUS_VOTE_COLUMNS)

    def rows(self) -> list[list[str]]:
        votes = [["10", *"000000000"], [*"0910000000"], [*"0000000910"]]
        names = (("Training", "a.png"), ("PublicTest", "b.png"), ("PrivateTest", "c.png"))
        return [[*name, *row] for name, row in zip(names, votes, strict=True)]

    def make_seeds(self) -> list[bytes]:
        root = self.folder / self.root
        folders = ("FER2013Train", "FER2013Valid", "FER2013Test")
        make_pictures(root, tuple(f"{one}/{n}.png" for one in folders for n in "abc"))
        return super().make_seeds()


class Pixels(Target):
    """FER2013's CSV of pixels."""

    file = "hostile.csv"
    tokens = (b"256", b"-1", b"1e3", b"nan", b",", b"\n", b'"', b"\0", b"\xff", b"pixels")

    def make_seeds(self) -> list[bytes]:
        rows = [f'{n},"{" ".join(str((n * i) % 256) for i in range(64))}",Training' for n in (1, 5)]
        return ["\n".join(["emotion,pixels,Usage", *rows, ""]).encode()]

    def read(self) -> None:
        load_container.cache_clear()
        image = read_image(self.path, 0)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


TARGETS = {
    "folder-csv": FolderLabels,
    "affectnet-csv": OriginalLabels,
    "affectfaces-csv": Extras,
    "ferplus-csv": FerplusLabels,
    "pixels-csv": Pixels,
}
