"""Folders of shards: local ones, and those that TensorFlow reaches, here its `ram://`."""

import hashlib
import os

import pytest

from affectkit.files import places


@pytest.fixture(params=["local", pytest.param("remote", marks=pytest.mark.slow)])
def folder(request, tmp_path):
    """An address of a folder that does not exist yet; TensorFlow is loaded for the second."""
    return str(tmp_path / "a b" / "shards") if request.param == "local" else "ram://bucket/shards"


def test_a_file_is_written_whole_read_listed_and_removed(folder):
    places.make_folder(folder)
    address = places.join(folder, "a.tfrecord")
    assert places.file_size(address) is places.file_state(address) is None
    for content in (b"first", b"the second"):
        places.write_whole(content, address)
        assert places.file_size(address) == len(content)
        assert places.file_sha256(address) == hashlib.sha256(content).hexdigest()
    with places.open_file(address) as file:
        file.seek(4)
        assert file.read(3) == b"sec"
    assert places.list_folder(folder) == ["a.tfrecord"]
    places.remove(address)
    places.remove(address)
    assert places.list_folder(folder) == []
    with pytest.raises(FileNotFoundError):
        places.open_file(address)


def test_the_time_of_a_change_tells_files_apart(tmp_path):
    address = str(tmp_path / "a")
    places.write_whole(b"first", address)
    os.utime(address, ns=(5, 7))
    assert places.file_state(address) == (5, 7)


@pytest.mark.slow
def test_a_local_file_is_uploaded(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    places.upload(tmp_path / "a", "ram://uploads/a")
    with places.open_file("ram://uploads/a") as file:
        assert file.read() == b"content"
    assert places.list_folder("ram://uploads") == ["a"]


def test_what_is_no_file_is_an_error_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(OSError, match="no file"):
            places.open_file(str(tmp_path / name))


@pytest.mark.slow
def test_a_place_that_can_t_be_reached_is_an_os_error():
    for fails in (places.open_file, places.file_state, places.make_folder):
        with pytest.raises(OSError, match="nowhere://folder"):
            fails("nowhere://folder/file")


@pytest.mark.parametrize(
    ("written", "address", "remote"),
    [
        ("gs:/bucket/x/", "gs://bucket/x", True),
        ("s3://bucket", "s3://bucket", True),
        ("/a/b/", "/a/b", False),
        ("/", "/", False),
        ("a:b", "a:b", False),
        ("C:/faces", "C:/faces", False),
    ],
)
def test_addresses(written, address, remote):
    assert places.folder_address(written) == address
    assert places.is_remote(address) is remote
    assert places.join(address, "f") == f"{address.rstrip('/')}/f"
