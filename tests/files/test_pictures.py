"""Pictures from strangers: formats that are known, files that end, and no bombs."""

import io
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from affectkit.files.pictures import DAMAGED, DENSE_PIXELS, FORMATS, check_density, open_picture


def encoded(format="PNG", size=(40, 30), colour=(9, 90, 200)):
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, format)
    return stream.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_known_formats_open_whatever_the_file_is_called(tmp_path, format):
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(format))
    for source in (path, str(path), io.BytesIO(encoded(format))):
        with open_picture(source) as picture:
            assert (picture.format, picture.size) == (format, (40, 30))
            check_density(picture, source)
            assert np.asarray(picture.convert("RGB")).shape == (30, 40, 3)


@pytest.mark.parametrize("format", ["EPS", "ICO", "SGI"])
def test_formats_that_start_other_programs_or_nobody_has_are_refused(tmp_path, format):
    with pytest.raises(OSError, match="which is not read here: convert"):
        open_picture(io.BytesIO(encoded(format)))


def test_what_is_no_file_is_refused_at_once(tmp_path):
    with pytest.raises(OSError, match="folder, pipe or device"):
        open_picture(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="folder, pipe or device"):
        open_picture(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        open_picture(tmp_path / "absent.png")


def test_a_picture_of_far_more_pixels_than_bytes_is_refused(tmp_path):
    side = int(DENSE_PIXELS**0.5) + 1
    stream = io.BytesIO()
    Image.new("1", (side, side)).save(stream, "PNG")
    path = tmp_path / "bomb.png"
    path.write_bytes(stream.getvalue())
    for source in (path, io.BytesIO(stream.getvalue())):
        with open_picture(source) as picture, pytest.raises(ValueError, match="is no photograph"):
            check_density(picture, source)


VALID = {format: encoded(format) for format in FORMATS}


@given(
    format=st.sampled_from(FORMATS), place=st.integers(0, 5000), byte=st.integers(0, 255),
    end=st.integers(1, 5000),
)  # fmt: skip
def test_whatever_pillow_raises_of_a_damaged_file_is_known(format, place, byte, end):
    content = bytearray(VALID[format][:end])
    content[place % len(content)] = byte
    source = io.BytesIO(content)
    try:
        with open_picture(source) as picture:
            check_density(picture, source)
            picture.convert("RGB")
    except DAMAGED:
        pass
