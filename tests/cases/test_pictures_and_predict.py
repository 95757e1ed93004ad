"""Files that people really have: phones' pictures, odd depths, links and names, for `predict`."""

import io
import json
import os
import re
import shutil
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from affectkit import AffectPipeline, read_image
from affectkit.cli import app
from affectkit.files import ImageReadError, file_kind, kinds
from affectkit.files.kinds import content_kind, name_kind
from affectkit.files.pixel_depths import eight_bits


@pytest.fixture(scope="module")
def face():
    """A drawn face, uint8 (200, 200, 3), RGB."""
    from affectkit.faces import render_face

    return np.pad(render_face(3, 160)[0], ((20, 20), (20, 20), (0, 0)), "edge")


@pytest.fixture(scope="module")
def pipeline():
    return AffectPipeline("affectkit-synthetic-int8")


@pytest.fixture
def without_heif(monkeypatch):
    monkeypatch.setattr(kinds, "reads_heif", lambda: False)


def predict(*arguments, exit_code=0):
    arguments = ["--model", "affectkit-synthetic-int8", *arguments]
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    if " found = " in result.stdout:
        assert " found = " in result.stdout.splitlines()[-1]
    return result.output


def total(text):
    """Found, predicted, left out and failed, of the last line, which has to be a sum."""
    line = r"^([\d,]+) files? found = ([\d,]+) predicted \+ ([\d,]+) left out \+ ([\d,]+) failed.*$"
    found = re.search(line, text, flags=re.MULTILINE)
    last = found.group()
    numbers = [int(number.replace(",", "")) for number in found.groups()]
    assert numbers[0] == sum(numbers[1:])
    return numbers, last


# What a file is


@pytest.mark.parametrize(
    ("content", "role", "name", "is_read"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "picture", "HEIF", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "picture", "HEIF", True),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0msf1hevc", "picture", "HEIF", True),
        (b"\0\0\0\x1cftypMiHB\0\0\0\0MiHBheixmif1", "picture", "HEIF", True),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "picture", "AVIF", True),
        (b"\0\0\0\x18ftypavis\0\0\0\0avifmif1", "picture", "AVIF", True),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "picture", "camera RAW", False),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp41", "video", "MP4", True),
        (b"\0\0\0\x1cftypmp42\0\0\2\0isommp41mif1", "video", "MP4", True),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "video", "MP4", True),
        (b"\0\0\0\x08wide\0\0\1\0mdat", "video", "QuickTime", True),
        (b"\xff\x0a\xff\xff", "picture", "JPEG XL", False),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "picture", "JPEG XL", False),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "picture", "JPEG2000", True),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypmjp2", "video", "Motion JPEG 2000", True),
        (b"8BPS\0\1", "picture", "Photoshop", False),
        (b"II*\0\x10\0\0\0CR\2\0", "picture", "camera RAW", False),
        (b"IIU\0\x18\0\0\0", "picture", "camera RAW", False),
        (b"FUJIFILMCCD-RAW 0201", "picture", "camera RAW", False),
        (b"P5 4 4 255\n" + bytes(16), "picture", "PPM", True),
        (b"RIFF\0\0\0\0WEBPVP8 ", "picture", "WEBP", True),
        (b"RIFF\0\0\0\0AVI LIST", "video", "AVI", True),
        (b"RIFF\0\0\0\0WAVEfmt ", "other", "sound only", False),
        (b"\x1a\x45\xdf\xa3\x01", "video", "Matroska", True),
        (b"\0\0\0\1\x67\x42\0\x1e", "video", "H.264 or H.265 elementary stream", True),
        (b"\0\0\1\xba\x44", "video", "MPEG program stream", True),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video", "ASF", True),
        (b"OggS" + bytes(24) + b"\x80theora", "video", "Ogg", True),
        (b"OggS" + bytes(24) + b"\x01vorbis", "other", "sound only", False),
        (b"PK\3\4", "other", "a zip archive", False),
        (b"<?xml version='1.0'?><svg/>", "picture", "SVG", False),
        (b"BMW is a word", "unknown", "text", True),
        (b"", "unknown", "unknown", True),
    ],
)
def test_the_content_tells_what_a_file_is(monkeypatch, content, role, name, is_read):
    monkeypatch.setattr(kinds, "reads_heif", lambda: True)
    kind = content_kind(io.BytesIO(content))
    assert (kind.role, kind.name, not kind.remedy) == (role, name, is_read)
    assert bool(kind.refusal) != is_read


@pytest.mark.parametrize(
    ("name", "content", "role"),
    [
        ("picture.mp4", b"\xff\xd8\xff\xe0", "picture"),
        ("film.jpg", b"\0\0\0\x18ftypisom\0\0\2\0isommp41", "video"),
        ("IMG.JPG", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "picture"),
        ("film.mjpeg", b"\xff\xd8\xff\xe0", "video"),  # one after the other
        ("empty.VOB", b"", "video"),
        ("program.ts", b"let a = 1;\n", "unknown"),
        ("noise.nef", b"\1\2\3", "picture"),
    ],
)
def test_the_name_tells_where_the_content_does_not(tmp_path, name, content, role):
    (tmp_path / name).write_bytes(content)
    assert file_kind(tmp_path / name).role == role


def test_every_suffix_that_is_read_names_what_the_content_does(tmp_path):
    for format, suffixes in kinds.READ_PICTURES.items():
        Image.new("RGB", (8, 8)).save(tmp_path / "picture", format)
        assert file_kind(tmp_path / "picture").name == format
        assert {name_kind(f"a{suffix}").name for suffix in suffixes} == {format}


def test_a_raw_file_is_not_read_as_its_small_preview(tmp_path):
    picture = Image.new("RGB", (160, 120))
    for name, tags in (("dng", {50706: b"\1\4\0\0"}), ("nef", {254: 1, 330: 8}), ("tif", {})):
        picture.save(tmp_path / f"a.{name}", "TIFF", tiffinfo=tags)
    for name in ("a.dng", "a.nef"):
        assert "develop" in file_kind(tmp_path / name).remedy
        with pytest.raises(ImageReadError, match="camera RAW, which is not read here: develop"):
            read_image(tmp_path / name)
    assert read_image(tmp_path / "a.tif").shape == (120, 160, 3)


# Case 1: a phone's picture


@pytest.mark.needs_shared
def test_heic_is_read_as_a_whole(shared):
    pytest.importorskip("pillow_heif")
    image = read_image(shared / "cases/01-heic-one-tile/IMG.HEIC")
    assert image.shape == (4032, 3024, 3)
    assert 90 < image.mean() < 100


@pytest.mark.needs_shared
def test_without_the_extra_heic_is_refused_by_name(shared, tmp_path, without_heif):
    path = shared / "cases/01-heic-one-tile/IMG.HEIC"
    text = predict(path, "--output", tmp_path / "rows.csv", exit_code=2)
    assert 'HEIF, which is not read here: pip install "affectkit[heif]"' in " ".join(text.split())
    with pytest.raises(ImageReadError, match=r"which is not read here: pip install"):
        read_image(path)


def test_a_picture_that_is_not_read_goes_to_no_video_reader(tmp_path):
    for name in ("a.jxl", "a.bin", "a.mp4"):
        (tmp_path / name).write_bytes(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99))
        text = predict(tmp_path / name, "--output", tmp_path / "rows.csv", exit_code=2)
        assert "is a picture in the format JPEG XL, which is not read here: convert it" in text


# Cases 2, 8: what lies in a folder


@pytest.mark.needs_shared
def test_all_pictures_of_a_folder_are_predicted_or_named(shared, tmp_path, without_heif):
    folder = shared / "cases/02-heic-in-folder-unmentioned"
    numbers, last = total(predict(folder, "--output", tmp_path / "rows.csv"))
    assert numbers == [6, 4, 2, 0]
    assert '1 .heic (pip install "affectkit[heif]", or convert it to JPEG)' in last
    assert "1 .md (neither a picture nor a video" in last
    assert pd.read_csv(tmp_path / "rows.csv")["file"].map(os.path.basename).tolist() == [
        *("a.jpg", "c.jfif", "d.avif", "e.pgm")
    ]
    skipped = pd.read_csv(tmp_path / "rows_skipped.csv", keep_default_na=False)
    assert list(skipped) == ["file", "row", "reason", "remedy"]
    assert skipped["file"].map(os.path.basename).tolist() == ["README.md", "b.HEIC"]


@pytest.mark.needs_shared
def test_videos_of_other_endings_are_predicted(shared, tmp_path):
    folder = shared / "cases/08-video-ends-not-in-list"
    text = predict(folder, "--output", tmp_path / "rows.csv", "--stride", 30)
    assert total(text)[0] == [4, 3, 1, 0]
    files = pd.read_csv(tmp_path / "rows.csv")["file"].map(os.path.basename)
    assert sorted(set(files)) == ["clip.asf", "clip.mp4", "clip.vob"]


def test_forty_kinds_of_files_are_a_sum(tmp_path, face, without_heif):
    folder = tmp_path / "in"
    (folder / ".git").mkdir(parents=True)
    picture = Image.fromarray(face)
    saved = {"jpg": "JPEG", "JPE": "JPEG", "jfif": "JPEG", "png": "PNG", "webp": "WEBP",
             "bmp": "BMP", "dib": "BMP", "tif": "TIFF", "gif": "GIF", "ppm": "PPM", "avif": "AVIF",
             "jp2": "JPEG2000", "j2k": "JPEG2000", "photo": "JPEG"}  # fmt: skip
    for name, format in saved.items():
        picture.save(folder / f"a.{name}", format)
    picture.convert("L").save(folder / "grey.pgm")
    picture.convert("1").save(folder / "black.pbm")
    picture.save(folder / "no ending", "PNG")
    left_out = {"heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "jxl": b"\xff\x0a", "psd": b"8BPS",
                "cr2": b"II*\0\x10\0\0\0CR\2\0", "nef": b"?", "dng": b"?", "svg": b"<svg/>",
                "eps": b"%!PS", "ico": b"\0\0\1\0", "tga": b"?", "exr": b"\x76\x2f\x31\1",
                "txt": b"text", "csv": b"a,b", "json": b"{}", "xml": b"<?xml?>", "zip": b"PK\3\4",
                "pdf": b"%PDF", "mp3": b"ID3", "wav": b"RIFF\0\0\0\0WAVE", "ts": b"let a = 1;",
                "ipynb": b"{}", "db": b"SQLite", "ini": b""}  # fmt: skip
    for name, content in left_out.items():
        (folder / f"b.{name}").write_bytes(content)
    (folder / "._a.jpg").write_bytes(b"\0\5\x16\7")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "broken.mkv").write_bytes(b"?")
    text = predict(folder, "--output", folder / "rows.csv", exit_code=1)
    numbers, last = total(text)
    assert numbers == [len(saved) + 3 + len(left_out) + 1 + 2, len(saved) + 3, len(left_out) + 1, 2]
    for name in left_out:
        assert f"1 .{name}" in last
    assert "1 hidden (hidden)" in last
    assert "failed or not there: 1 .jpg, 1 .mkv" in last
    assert "not entered: 1 hidden folder" in last
    skipped = pd.read_csv(folder / "rows_skipped.csv")
    assert len(skipped) == len(left_out) + 1 + 2 + 1
    # again: what the command itself wrote is no input, and what was done is counted
    assert total(predict(folder, "--output", folder / "rows.csv", exit_code=1))[0] == numbers


def test_a_folder_without_any_names_what_it_has(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.psd").write_bytes(b"8BPS")
    text = " ".join(predict(tmp_path / "in", "--output", tmp_path / "r.csv", exit_code=2).split())
    assert "no picture or video in these folders; left out: 1 .psd (convert it to JPEG" in text


# Case 23: links


def test_links_are_followed_inside_the_folder_or_told(tmp_path, face):
    for name in ("in/real", "in/.store", "elsewhere/deep"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("in/real/a.png", "in/.store/b.png", "elsewhere/deep/c.png", "elsewhere/d.png"):
        Image.fromarray(face).save(tmp_path / name)
    folder = tmp_path / "in"
    (folder / "alias").symlink_to("real")  # read as real/
    (folder / "stored").symlink_to(".store")
    (folder / "day1").symlink_to(tmp_path / "elsewhere")
    (folder / "d.png").symlink_to(tmp_path / "elsewhere/d.png")
    (folder / "loop").symlink_to(folder)
    (tmp_path / "elsewhere/back").symlink_to(folder)
    numbers, last = total(predict(folder, "--output", tmp_path / "rows.csv"))
    assert numbers == [3, 2, 1, 0]
    assert "left out: 1 linked (--follow-links follows it)" in last
    assert "1 linked folder (--follow-links follows it)" in last
    found = pd.read_csv(tmp_path / "rows.csv")["file"]
    assert sorted(os.path.relpath(name, folder) for name in found) == ["real/a.png", "stored/b.png"]
    text = predict(folder, "--follow-links", "--output", tmp_path / "all.csv")
    assert total(text)[0] == [5, 5, 0, 0]
    assert "linked" not in text
    assert len(pd.read_csv(tmp_path / "all.csv")) == 5


# Cases 20, 24: pixels


@pytest.mark.needs_shared
def test_float_and_ten_bits_are_scaled(shared):
    folder = shared / "cases/20-tiff-float-black"
    assert read_image(folder / "float01.tif").mean() == pytest.approx(115.4, abs=0.2)
    with pytest.warns(UserWarning, match="use 10 of 16 bits, and are read so"):
        assert read_image(folder / "grey10in16.png").mean() == pytest.approx(115, abs=1)
    with pytest.warns(UserWarning, match="nearly black"):
        read_image(folder / "12bit.cropped.tif")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_depths_in_sixteen_bits(tmp_path, face, suffix, bits):
    most = (1 << bits) - 1
    deep = np.rint(face.astype(float) / face.max() * most).astype(np.uint16)
    expected = face.astype(float) / face.max() * 255
    grey = deep[..., 1]
    cv2.imwrite(str(tmp_path / f"grey{suffix}"), grey)
    cv2.imwrite(str(tmp_path / f"colour{suffix}"), deep[..., ::-1])
    for name, values in (("colour", expected), ("grey", expected[..., 1:2])):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            image = read_image(tmp_path / f"{name}{suffix}").astype(float)
        assert np.abs(image - values).max() < 2.1
        assert [f"use {bits} of 16" in str(one.message) for one in caught] == [True] * (bits < 16)


def test_deep_colours_keep_their_orientation(tmp_path):
    deep = np.zeros((4, 6, 3), np.uint16)
    deep[0] = 1023  # at the top
    content = cv2.imencode(".png", deep)[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    (tmp_path / "deep.png").write_bytes(content[:33] + chunk + content[33:])
    with pytest.warns(UserWarning, match="10 of 16"):
        image = read_image(tmp_path / "deep.png")
    assert image.shape == (6, 4, 3)
    assert (image[:, -1] == 255).all()
    assert (image[:, :-1] == 0).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], "f4"), [0, 127, 255]),
        (np.array([[-0.01, 0.5, 1.02]], "f4"), [0, 127, 255]),
        (np.array([[0.0, 128.5, 255.0]], "f4"), [0, 128, 255]),
        (np.array([[0.0, 65535.0]], "f4"), [0, 255]),
        (np.array([[0, 4095]], "i4"), [0, 255]),
    ],
)
def test_numbers_are_scaled_by_what_they_hold(tmp_path, values, expected):
    assert eight_bits(values)[0].ravel().tolist() == expected
    Image.fromarray(values).save(tmp_path / "a.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[-1.0, 1.0]], "f4"), "numbers from -1 to 1; expected 0..1, or 0 to 255"),
        (np.array([[0.0, 3.7]], "f4"), "fractions from 0 to 3.7; expected 0..1"),
        (np.array([[0.0, np.nan]], "f4"), "infinite or no numbers"),
        (np.array([[0, 70000]], "i4"), "numbers from 0 to 70000; expected"),
    ],
)
def test_numbers_that_can_t_be_scaled_are_refused_with_why(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ImageReadError, match=f"a.tif can't be read as an image .*{message}"):
        read_image(tmp_path / "a.tif")


def test_pixels_that_pillow_does_not_know_are_refused_with_why(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ImageReadError, match="no whole TIFF, or its pixels are of a kind that"):
        read_image(tmp_path / "a.tif")


def test_a_deep_picture_whose_zero_is_white_is_no_negative(tmp_path):
    picture = Image.fromarray(np.array([[0, 65535]], np.uint16))
    picture.save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [255, 0]


@pytest.mark.needs_shared
def test_a_jpeg_without_its_end_marker_is_read_with_a_note(shared, tmp_path):
    path = shared / "cases/24-jpeg-without-end-marker/noeoi.jpg"
    text = predict(path, "--output", tmp_path / "rows.csv")
    assert "without its end marker: all of its pixels are there" in " ".join(text.split())
    (tmp_path / "whole.jpg").write_bytes(path.read_bytes() + b"\xff\xd9")
    with pytest.warns(UserWarning, match="without its end marker"):
        np.testing.assert_array_equal(read_image(path), read_image(tmp_path / "whole.jpg"))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_what_lacks_pixels_is_still_refused(tmp_path, face, options):
    stream = io.BytesIO()
    Image.fromarray(face).save(stream, "JPEG", **options)
    content = stream.getvalue()
    path = tmp_path / "a.jpg"
    for end in (b"", b"\xff"):
        path.write_bytes(content[:-2] + end)
        with pytest.warns(UserWarning, match="without its end marker"):
            assert read_image(path).shape == face.shape
        for missing in (12, 200, len(content) // 2):
            path.write_bytes(content[:-missing] + end)
            with pytest.raises(ImageReadError, match="truncated"):
                read_image(path)


# Cases 21, 22: names, and what a pipeline is given


def test_a_name_that_is_no_utf_8_leaves_the_table_readable(tmp_path, face):
    (tmp_path / "in").mkdir()
    Image.fromarray(face).save(tmp_path / "in" / "a.png")
    shutil.copy(tmp_path / "in" / "a.png", os.fsencode(tmp_path / "in") + b"/latin\xe9.png")
    shutil.copy(tmp_path / "in" / "a.png", os.fsencode(tmp_path / "in") + b"/latin\xe8.png")
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/bad\xe8.png")).touch()
    names = ["a.png", "latin\\xe8.png", "latin\\xe9.png"]
    for format in (".csv", ".jsonl", ".parquet"):
        output = tmp_path / f"rows{format}"
        predict(tmp_path / "in", "--output", output, exit_code=1)
        if format == ".parquet":
            files = pd.read_parquet(output)["file"]
        elif format == ".csv":
            files = pd.read_csv(output)["file"]
        else:
            lines = output.read_text(encoding="utf-8").splitlines()
            files = pd.Series([json.loads(line)["file"] for line in lines])
        assert files.map(os.path.basename).tolist() == names
        skipped = pd.read_csv(tmp_path / "rows_skipped.csv")
        assert skipped["file"].tolist() == [str(tmp_path / "in" / "bad\\xe8.png")]


def test_a_pipeline_takes_paths_and_pil_images(tmp_path, face, pipeline):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(face).rotate(90).save(tmp_path / "a.png", exif=turned)
    (expected,) = pipeline(face)
    assert pipeline(tmp_path / "a.png") == pipeline(str(tmp_path / "a.png")) == [expected]
    with Image.open(tmp_path / "a.png") as image:
        assert pipeline(image) == [expected]
    assert pipeline(Image.fromarray(face).convert("RGBA")) == [expected]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, r"got NoneType \(cv2\.imread gives it .*\); read it with affectkit\.read_image"),
        ([[1, 2]], "got list; read it with affectkit.read_image"),
        (np.zeros((4, 4), np.uint8), r"got uint8 \(4, 4\); read it with"),
        ("absent.jpg", "absent.jpg does not exist"),
    ],
)
def test_a_pipeline_says_what_to_do_with_anything_else(pipeline, image, message):
    with pytest.raises(ValueError, match=message):
        pipeline(image)
    with pytest.raises(ValueError, match=message):
        AffectPipeline("affectkit-synthetic-int8", detector=lambda image: [])(image)
