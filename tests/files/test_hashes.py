import hashlib

import pytest

from affectkit.files import describe_files, file_hash


def test_the_hash_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_hash(path) == file_hash(str(path)) == expected
    path.write_bytes(bytes(3 << 20))
    assert file_hash(path) == hashlib.sha256(bytes(3 << 20)).hexdigest()
    with pytest.raises(FileNotFoundError):
        file_hash(tmp_path / "absent")


def test_a_file_or_all_files_of_a_folder_are_described(tmp_path):
    folder = tmp_path / "model" / "variables"
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(b"abc")
    (tmp_path / "model" / "graph.pb").write_bytes(b"")
    described = describe_files(tmp_path / "model", tmp_path)
    assert [(file["name"], file["bytes"]) for file in described] == [
        ("model/graph.pb", 0),
        ("model/variables/data", 3),
    ]
    assert described[1]["sha256"] == file_hash(folder / "data")
    assert describe_files(folder / "data", folder) == [described[1] | {"name": "data"}]
