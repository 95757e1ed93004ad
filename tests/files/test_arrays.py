"""Archives of arrays from strangers: read without pickle, or refused as what they should be."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectkit.files import arrays
from affectkit.files.arrays import ArrayArchive, check_text, header_place, parse_header

WHAT = "an archive of faces; copy it again"


def npz(**members):
    stream = io.BytesIO()
    np.savez(stream, **members)
    return stream.getvalue()


def read(path):
    with ArrayArchive(path, WHAT) as archive:
        archive.require("faces", "names")
        return {name: archive.read(name) for name in ("faces", "names")}


FACES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
VALID = npz(faces=FACES, names=np.array(["ä", "b"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("arrays")


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_is_read_whatever_its_order_or_type(folder, pack):
    members = {
        "c": FACES,
        "fortran": np.asfortranarray(FACES),
        "big": np.arange(3, dtype=">f8"),
        "scalar": np.float32(2),
        "empty": np.zeros((0, 5)),
        "text": np.array(["ä", ""]),
        "truth": np.array([True, False]),
    }
    pack(folder / "all.npz", **members, bytes=np.array(["é".encode()]))
    with ArrayArchive(folder / "all.npz", WHAT) as archive:
        for name, array in members.items():
            np.testing.assert_array_equal(archive.read(name), array)
        assert archive.read("bytes").tolist() == ["é"]
        assert archive.header("c") == (np.dtype("uint8"), False, (2, 3, 4))
        assert archive.header("fortran") == (np.dtype("uint8"), True, (2, 3, 4))


def test_all_members_are_read_of_an_archive_that_is_not_packed(folder):
    (folder / "valid.npz").write_bytes(VALID)
    with ArrayArchive(folder / "valid.npz", WHAT) as archive:
        assert set(archive.read_all()) == {"faces", "names"}
    np.savez_compressed(folder / "packed.npz", faces=FACES)
    with (
        pytest.raises(ValueError, match="its members are packed"),
        ArrayArchive(folder / "packed.npz", WHAT) as archive,
    ):
        archive.read_all()


@given(place=st.integers(0, len(VALID) - 1), byte=st.integers(0, 255), cut=st.integers(0, 400))
def test_a_damaged_archive_is_read_or_refused_in_words(folder, place, byte, cut):
    content = bytearray(VALID[: len(VALID) - cut] or b"\0")
    content[place % len(content)] = byte
    path = folder / "damaged.npz"
    path.write_bytes(content)
    try:
        found = read(path)
    except ValueError as error:
        assert WHAT in str(error)  # noqa: PT017  reading may succeed as well
    else:
        assert set(found) == {"faces", "names"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a zip"),
        (npz(faces=FACES), "members names.npy are missing"),
        (npz(faces=FACES, names=np.array([{}], object)), "another kind of data"),
        (npz(faces=FACES, names=np.zeros(2, "u1,u1")), "another kind of data"),
        (npz(faces=FACES, names=np.array([0x110000], "<u4").view("<U1")), "no Unicode"),
    ],
)
def test_other_content_is_named(folder, content, words):
    path = folder / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"other\.npz is not {WHAT} \(.*{words}"):
        read(path)


def test_a_bomb_is_not_unpacked(folder, monkeypatch):
    monkeypatch.setattr(arrays, "FREE_BYTES", 1 << 16)
    np.savez_compressed(folder / "bomb.npz", faces=np.zeros(1 << 20, np.uint8), names=["a"])
    with pytest.raises(ValueError, match="would unpack from .* to 1048"):
        read(folder / "bomb.npz")


def test_a_header_that_promises_more_than_there_is_is_refused(folder):
    with zipfile.ZipFile(folder / "short.npz", "w") as archive:
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40,)}
        )
        archive.writestr("faces.npy", stream.getvalue() + b"abc")
        archive.writestr("names.npy", b"")
    with pytest.raises(ValueError, match="not the size that its header says"):
        read(folder / "short.npz")


def test_a_missing_file_is_no_damage(folder):
    with pytest.raises(FileNotFoundError), ArrayArchive(folder / "absent.npz", WHAT):
        pass


class FacesError(ValueError):
    pass


def test_the_caller_s_own_error_is_raised(folder):
    (folder / "text.npz").write_text("text")
    with pytest.raises(FacesError), ArrayArchive(folder / "text.npz", WHAT, FacesError):
        pass


headers = st.binary(max_size=60) | st.builds(
    "{{'descr': {!r}, 'fortran_order': {}, 'shape': {}, }}".format,
    st.sampled_from(["<f8", "|O", "V3", "<U4", "M8[ns]", "", 3, "f8,f8", "<f99"]),
    st.sampled_from(["True", "False", "3", "()"]),
    st.sampled_from(["()", "(3,)", "(-1,)", "(True,)", "3", "(1e9,)", "(9" + "9" * 30 + ",)"]),
).map(str.encode)


@given(header=headers)
def test_any_header_is_understood_or_a_value_error(header):
    try:
        dtype, order, shape = parse_header(header)
    except ValueError:
        return
    assert dtype.kind in arrays.KINDS
    assert isinstance(order, bool)
    assert all(type(size) is int and size >= 0 for size in shape)


@given(start=st.binary(max_size=20) | st.binary(max_size=14).map(arrays.MAGIC.__add__))
def test_any_start_has_a_place_for_its_header_or_is_a_value_error(start):
    try:
        first, end = header_place(start[:12], "faces")
    except ValueError:
        assert start[:6] != arrays.MAGIC or len(start) < 12
    else:
        assert 10 <= first <= end


@given(text=st.text(max_size=4))
def test_text_is_text(text):
    array = np.array([text])
    assert check_text(array) is array
    for code in (0x110000, 0xD800, 0xDFFF, 0xFFFFFFFF):
        with pytest.raises(ValueError, match="no Unicode"):
            check_text(np.array([code], "<u4").view("<U1"))
