"""What tests/browser and webcam.py stand on, as far as it needs no browser."""

import nbformat
import numpy as np
import pytest


@pytest.fixture(scope="module")
def browser(scripts):
    return scripts("lab_browser")


def test_a_film_is_what_the_fake_camera_plays(browser, tmp_path):
    frames = [np.full((4, 6, 3), grey, np.uint8) for grey in (0, 255)]
    data = browser.write_film(tmp_path / "film.y4m", frames, rate=25).read_bytes()
    header, *rest = data.split(b"FRAME\n")
    assert header == b"YUV4MPEG2 W6 H4 F25:1 Ip A1:1 C420jpeg\n"
    assert [len(frame) for frame in rest] == [6 * 4 * 3 // 2] * 2
    assert rest[0][0] < 20 < 230 < rest[1][0]  # brightness of the first pixel


def test_a_notebook_of_cells_can_be_opened(browser, tmp_path):
    path = browser.write_notebook(tmp_path / "some.ipynb", ["a = 1", "a"])
    notebook = nbformat.read(path, as_version=4)
    assert [cell.source for cell in notebook.cells] == ["a = 1", "a"]
    assert notebook.metadata.kernelspec.name == "python3"


def test_without_chromium_the_message_says_what_to_install(browser, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="needs Chromium: apt-get install chromium"):
        browser.need_chromium()
    monkeypatch.setenv("CHROMIUM", "mine")
    assert browser.need_chromium() == "mine"
