"""Portraits that are fetched: from a server on this machine, with two small archives."""

import hashlib
import http.server
import threading
import zipfile
from functools import partial

import pooch
import pytest

from affectkit.data import fetch_london_faces, load_table


@pytest.fixture
def served(shared, tmp_path):
    """A folder with both archives as figshare has them, what was asked of it, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    portraits = shared / "data" / "london_faces"
    for kind, number in (("neutral", "03"), ("smiling", "08")):
        with zipfile.ZipFile(folder / f"{kind}_front.zip", "w") as archive:
            for person in ("001", "006", "011"):
                picture = portraits / f"{person}_{kind}.jpg"
                archive.write(picture, f"{kind}_front/{person}_{number}.jpg")
                archive.writestr(f"{kind}_front/{person}_{number}.tem", "189")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, _, line, *rest):
            asked.append(line)

    handler = partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, asked, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def source(served, cache):
    folder, _, address = served
    registry = {
        path.name: f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}" for path in folder.iterdir()
    }
    return pooch.create(cache, address, registry=registry)


@pytest.mark.needs_shared
def test_portraits_are_fetched_once_and_load_as_a_folder(served, tmp_path):
    folder = fetch_london_faces(source(served, tmp_path / "cache"))
    table = load_table("folder", folder)
    assert table["expression"].value_counts().to_dict() == {0: 3, 1: 3}
    assert table["subject"].value_counts().to_dict() == {"001": 2, "006": 2, "011": 2}
    asked = len(served[1])
    assert fetch_london_faces(source(served, tmp_path / "cache")) == folder
    assert len(served[1]) == asked


@pytest.mark.needs_shared
def test_another_file_than_the_hash_says_is_refused(served, tmp_path):
    wanted = source(served, tmp_path / "cache")
    wanted.registry["smiling_front.zip"] = "md5:" + "0" * 32
    with pytest.raises(ValueError, match="hash"):
        fetch_london_faces(wanted)
    assert not (tmp_path / "cache" / "labels.csv").exists()


@pytest.mark.needs_shared
def test_a_missing_file_is_named(served, tmp_path):
    wanted = source(served, tmp_path / "cache")
    del wanted.registry["neutral_front.zip"]
    with pytest.raises(ValueError, match=r"neutral_front\.zip"):
        fetch_london_faces(wanted)
