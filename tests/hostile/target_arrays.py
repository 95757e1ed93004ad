"""NumPy's files: scalars of AffectNet's reduced release, archives of votes and images."""

from __future__ import annotations

import hashlib
import io
import shutil
import stat
import struct
import warnings
import zipfile
from random import Random

import numpy as np
from basis import Target
from mutations import mutate
from target_tables import check_table, make_pictures

from affectkit.data import SkippedRows, load_table, read_image
from affectkit.data.images import load_container
from affectkit.data.sets.affectfaces import unpack
from affectkit.data.sets.affectnet_reduced import read_scalar

HEADERS = (
    *("", "{", "None", "[]", "{}", "(" * 5000, "[" * 90 + "]" * 90, "1" * 5000, "{'descr': 1}"),
    "{'descr': '|O', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (10**9,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': ('a',)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1.0,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': None}",
    "{'descr': '<U0', 'fortran_order': False, 'shape': ()}",
    "{'descr': '|S0', 'fortran_order': False, 'shape': ()}",
    "{'descr': '|V8', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<U2', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<U99999999999', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<M8[s]', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<c16', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<f16', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<f2', 'fortran_order': True, 'shape': (1, 1, 1)}",
    "{'descr': '>u8', 'fortran_order': False, 'shape': ()}",
    "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': ()}",
    "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': ()}",
    "{'descr': ('<f8', (3,)), 'fortran_order': False, 'shape': ()}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (), 'x': 1}",
    "{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}",
    "{'descr': 'a' 'b', 'fortran_order': False, 'shape': ()}",
    "{'descr': '3f8,f4', 'fortran_order': False, 'shape': ()}",
    "{'descr': {'names': ['a'], 'formats': ['O']}, 'fortran_order': False, 'shape': ()}",
)


def npy(array: object) -> bytes:
    """Give an array as the content of a .npy file; only what is not an object is written."""
    stream = io.BytesIO()
    np.save(stream, np.asarray(array), allow_pickle=False)
    return stream.getvalue()


def forged(random: Random, data: bytes) -> bytes:
    """Put a header of lies before data."""
    header = random.choice(HEADERS).encode("latin-1") + b"\n"
    if random.random() < 0.5:
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", min(len(header), 65535)) + header + data
    size = random.choice((len(header), len(header), 0, 2**31, 2**32 - 1))
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", size) + header + data


class Scalar(Target):
    """A .npy file of one value: read alone, and in the folder that it belongs to."""

    file = "root/train_set/annotations/1_exp.npy"

    def make_seeds(self) -> list[bytes]:
        root = self.folder / "root"
        make_pictures(root, ("train_set/images/1.png", "train_set/images/2.png"))
        for number in (1, 2):
            for name, value in (("exp", "3"), ("val", "0.5"), ("aro", "-0.25")):
                path = self.path.with_name(f"{number}_{name}.npy")
                path.write_bytes(npy(np.array(value)))
        return [npy(np.array(value)) for value in ("3", "10", b"7", 3, 3.0, np.float32(1))]

    def make(self, random: Random) -> bytes:
        if random.random() < 0.4:
            content = forged(random, random.randbytes(random.choice((0, 1, 8, 16, 100))))
            self.put(content)
            return content
        return super().make(random)

    def read(self) -> None:
        skipped = SkippedRows()
        table = load_table("affectnet", self.folder / "root", skipped=skipped, protocol="all")
        check_table(table, skipped, self.folder / "root")
        assert len(table) + len(skipped) == 2
        assert isinstance(read_scalar(self.path), str)


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Give members as the content of a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


class Archive(Target):
    """An .npz file: spoilt inside its members, or as bytes."""

    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    tokens = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"../")

    def members(self) -> dict[str, bytes]:
        raise NotImplementedError

    def make_seeds(self) -> list[bytes]:
        self.valid = self.members()
        return [archive(self.valid, method) for method in self.methods[:2]]

    def make(self, random: Random) -> bytes:
        kind = random.randrange(10)
        if kind < 4:
            return super().make(random)
        members = dict(self.valid)
        name = random.choice(list(members))
        if kind < 6:
            members[name] = mutate(random, members[name])
        elif kind == 6:
            members[name] = forged(random, random.randbytes(64))
        elif kind == 7:
            members[name] = npy(random.choice(self.strange()))
        elif kind == 8:
            members[random.choice(("../x.npy", "/x.npy", name + "x", "a\\b"))] = members.pop(name)
        else:
            content = random.choice((npy(np.zeros(3)), b"PK", archive({}), members[name]))
            self.put(content)
            return content
        content = archive(members, random.choice(self.methods))
        self.put(content)
        return content

    @staticmethod
    def strange() -> list[np.ndarray]:
        """Give arrays that do not belong into such an archive."""
        return [
            np.zeros((3, 10)),
            np.full((3, 10), np.nan),
            np.full((3, 10), -1),
            np.full((3, 10), 1e308),
            np.zeros((3, 4, 4), np.float64),
            np.zeros((3, 4, 4, 3), np.uint8),
            np.zeros((3, 4, 4, 7), np.uint8),
            np.zeros((0, 4, 4), np.uint8),
            np.zeros((3, 0, 0), np.uint8),
            np.array(3),
            np.array(["a", "a", "a"]),
            np.array([b"\xff", b"\x00", b"x"]),
            np.array(["\ud800", "=1", "../x"]),
            np.array([1 + 2j] * 3),
            np.array(["2020-01-01"] * 3, "M8[D]"),
            np.zeros(3, [("a", "f8")]),
            np.zeros((3, 10), bool),
        ]


class Votes(Archive):
    file = "root/train.npz"

    def members(self) -> dict[str, bytes]:
        votes = np.zeros((3, 10), np.uint8)
        votes[[0, 1, 2], [0, 3, 9]] = 10
        return {
            "images.npy": npy(np.arange(48, dtype=np.uint8).reshape(3, 4, 4)),
            "votes.npy": npy(votes),
            "names.npy": npy(np.array(["a", "b", "c"])),
        }

    def make_seeds(self) -> list[bytes]:
        seeds = super().make_seeds()
        self.name = "root"
        return seeds

    def read(self) -> None:
        skipped = SkippedRows()
        table = load_table("ferplus", self.folder / "root", skipped=skipped, protocol="all")
        check_table(table, skipped, self.folder / "root")
        load_container.cache_clear()
        read_image(self.path, 0)


class Images(Archive):
    file = "hostile.npz"

    def members(self) -> dict[str, bytes]:
        return {"images.npy": npy(np.arange(48, dtype=np.uint8).reshape(3, 4, 4))}

    def read(self) -> None:
        load_container.cache_clear()
        image = read_image(self.path, 1)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


class Unpacked(Archive):
    """The archive of the bundled faces, its hash mended: nothing may land outside its folder."""

    file = "hostile.zip"

    def members(self) -> dict[str, bytes]:
        return {"training.csv": b"a,b\n", "images/": b"", "images/1.png": b"picture" * 50}

    def put(self, content: bytes) -> None:
        super().put(content)
        self.path.with_suffix(".sha256").write_text(hashlib.sha256(content).hexdigest())

    def make(self, random: Random) -> bytes:
        kind = random.randrange(10)
        if kind < 5:
            content = mutate(random, random.choice(self.seeds), self.seeds, self.tokens)
            self.put(content)
            return content
        stream = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
            warnings.simplefilter("ignore")  # of two members with one name
            for name, content in self.valid.items():
                file.writestr(name, content)
            name = random.choice(PATHS)
            entry = zipfile.ZipInfo(name)
            if kind == 5:  # a link
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
                file.writestr(entry, "../outside")
                file.writestr(f"{name}/x", b"x")
            elif kind == 6:
                file.writestr("images/1.png", b"again")
            elif kind == 7 and random.random() < 0.2:
                for number in range(30):  # 10 MB each, in a thousandth of that
                    file.writestr(f"bomb{number}", bytes(10 << 20))
            else:
                file.writestr(name, b"x")
        content = stream.getvalue()
        self.put(content)
        return content

    def read(self) -> None:
        cache = self.folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        before = {path.name for path in self.folder.iterdir()}
        target = unpack(self.path, cache)
        assert {path.name for path in self.folder.iterdir()} - before == {"cache"}
        assert list(cache.iterdir()) == [target]
        for path in target.rglob("*"):
            assert not path.is_symlink()
            assert path.resolve().is_relative_to(target.resolve())


PATHS = (
    *(
        "../x",
        "/x",
        "images/../../x",
        "..",
        ".",
        "a\\..\\x",
        "C:\\x",
        "C:/x",
        "~/x",
        "\x01",
        "a/./b",
    ),
    *("x" * 300, "images/1.png/x", "con", " x ", "\u202egpj", "./x", "images//y", "training.csv/"),
)

TARGETS = {"npy": Scalar, "ferplus-npz": Votes, "images-npz": Images, "zip": Unpacked}
