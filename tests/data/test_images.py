"""Reading one image: rotation, depth, channels, containers, and what goes wrong."""

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from affectkit.data import images, make_table, read_image
from affectkit.data.images import as_rgb, load_container
from affectkit.files import ImageReadError


def picture(width=40, height=20):
    """Red on the left, blue on the right."""
    array = np.zeros((height, width, 3), np.uint8)
    array[:, : width // 2, 0] = 255
    array[:, width // 2 :, 2] = 255
    return array


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_lossless_files_come_back_as_rgb(tmp_path, suffix):
    path = tmp_path / f"face{suffix}"
    Image.fromarray(picture()).save(path)
    np.testing.assert_array_equal(read_image(path), picture())


def test_channel_order_is_rgb_not_opencvs_bgr(tmp_path):
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), picture())  # OpenCV takes the array as BGR
    np.testing.assert_array_equal(read_image(path), picture()[..., ::-1])


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show rotated by 90 degrees clockwise
    Image.fromarray(picture(40, 20)).save(tmp_path / "phone.png", exif=exif)
    image = read_image(tmp_path / "phone.png")
    assert image.shape == (40, 20, 3)
    np.testing.assert_array_equal(image[0, 0], [255, 0, 0])
    np.testing.assert_array_equal(image[-1, 0], [0, 0, 255])


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.array([[0, 257 * 100, 65535]], np.uint16))
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png")[0, :, 0], [0, 100, 255])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA"])
def test_other_modes_become_three_channels(tmp_path, mode):
    path = tmp_path / ("face.tiff" if mode == "CMYK" else "face.png")
    Image.fromarray(picture()).convert(mode).save(path)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape == (20, 40, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_truncated_files_are_refused_with_their_name(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"half{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageReadError, match=rf"half\{suffix} can't be read as an image"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xe0" + b"\0" * 50])
def test_files_that_are_no_images(tmp_path, content):
    (tmp_path / "face.jpg").write_bytes(content)
    with pytest.raises(ImageReadError, match="can't be read as an image"):
        read_image(tmp_path / "face.jpg")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ImageReadError, match=r"gone\.jpg does not exist"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageReadError, match="can't be read"):
        read_image(tmp_path)


def test_huge_images_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 500)
    Image.fromarray(picture(40, 20)).save(tmp_path / "huge.png")
    with pytest.raises(ImageReadError, match="40 x 20 pixels; the limit is 500"):
        read_image(tmp_path / "huge.png")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]))
def test_any_bytes_give_an_image_or_our_error(tmp_path_factory, content, magic):
    path = tmp_path_factory.mktemp("bytes") / "any.jpg"
    path.write_bytes(magic + content)
    try:
        image = read_image(path)
    except ImageReadError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


def test_npz_container_rows(tmp_path):
    path = tmp_path / "train.npz"
    np.savez(path, images=np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4))
    image = read_image(path, 1)
    np.testing.assert_array_equal(image[..., 0], np.arange(16, 32).reshape(4, 4))
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
    with pytest.raises(ImageReadError, match="holds 2 images, row 2 was asked for"):
        read_image(path, 2)


def test_pickled_npz_is_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ImageReadError, match="not a container of images"):
        load_container(str(tmp_path / "evil.npz"))


def test_fer2013_csv_container(tmp_path):
    path = tmp_path / "fer2013.csv"
    pixels = [" ".join(str(value) for value in range(2304 % 251, 2304 % 251 + 4))] * 2
    pd.DataFrame({"emotion": [0, 1], "pixels": pixels, "Usage": ["Training"] * 2}).to_csv(path)
    np.testing.assert_array_equal(read_image(path, 0)[..., 0], [[45, 46], [47, 48]])


def test_in_memory_image_of_a_table():
    table = make_table({"image_id": ["a"], "split": ["test"]}, "memory")
    table["image"] = [picture()]
    record = next(table.itertuples(index=False))
    np.testing.assert_array_equal(images.read_table_image(record), picture())


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8), np.zeros((4, 4, 2), "uint8")],
)
def test_arrays_that_are_no_images(array):
    with pytest.raises(ImageReadError, match="expected"):
        as_rgb(array)
