"""Pictures and videos."""

from __future__ import annotations

import importlib.util
import io
import warnings
from random import Random

import cv2
import numpy as np
from basis import Target
from mutations import mend_png
from PIL import Image

from affectkit.data import read_image
from affectkit.data.images import MAX_PIXELS
from affectkit.pipeline import read_video
from affectkit.pipeline.predict.inputs import find_inputs
from affectkit.pipeline.predict.task import warn_if_animated


def _picture(width: int = 33, height: int = 21) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    pixels[: height // 2] = (200, 100, 50)
    return Image.fromarray(pixels)


def _encode(picture: Image.Image, **settings: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, **settings)
    return stream.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "maker", 72.0
    return exif


class Picture(Target):
    """A picture file: either a whole uint8 RGB array, or refused with its name."""

    def read(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warn_if_animated(self.path)
        find_inputs([self.path])
        image = read_image(self.path)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS


class Jpeg(Picture):
    file = "hostile.jpg"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        return [
            _encode(picture, format="JPEG", exif=_exif()),
            _encode(picture, format="JPEG", progressive=True, subsampling=0),
            _encode(picture.convert("L"), format="JPEG", comment="x"),
            _encode(picture.convert("CMYK"), format="JPEG"),
            _encode(picture, format="MPO", save_all=True, append_images=[picture]),
        ]


class Png(Picture):
    file = "hostile.png"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        deep = np.random.default_rng(0).integers(0, 65536, (9, 9), np.uint16)
        return [
            _encode(picture, format="PNG", exif=_exif()),
            _encode(picture.convert("P"), format="PNG", transparency=3),
            _encode(picture.convert("RGBA"), format="PNG"),
            _encode(Image.fromarray(deep), format="PNG"),
            _encode(picture, format="PNG", save_all=True, append_images=[picture], duration=9),
        ]

    def make(self, random: Random) -> bytes:
        content = super().make(random)
        if random.random() < 0.7:
            content = mend_png(content)
            self.put(content)
        return content


class WebP(Picture):
    file = "hostile.webp"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        return [
            _encode(picture, format="WEBP", exif=_exif()),
            _encode(picture, format="WEBP", lossless=True),
            _encode(picture.convert("RGBA"), format="WEBP"),
            _encode(picture, format="WEBP", save_all=True, append_images=[picture.rotate(90)]),
        ]


class Gif(Picture):
    file = "hostile.gif"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        return [
            _encode(picture, format="GIF"),
            _encode(picture, format="GIF", save_all=True, append_images=[picture.rotate(9)]),
            _encode(picture.convert("P"), format="GIF", transparency=1, comment=b"c"),
        ]


class Tiff(Picture):
    file = "hostile.tiff"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        deep = np.random.default_rng(0).integers(0, 65536, (9, 9), np.uint16)
        dark = cv2.imencode(".tiff", np.random.default_rng(0).integers(0, 999, (9, 9, 3), "u2"))[1]
        ways = (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg")
        return [
            *(_encode(picture, format="TIFF", compression=way, exif=_exif()) for way in ways),
            _encode(picture.convert("1"), format="TIFF", compression="group4"),
            _encode(Image.fromarray(deep), format="TIFF"),
            _encode(Image.fromarray(deep.astype(np.float32)), format="TIFF"),
            dark.tobytes(),
        ]


class Bmp(Picture):
    file = "hostile.bmp"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        forms = (picture, picture.convert("P"), picture.convert("1"), picture.convert("RGBA"))
        return [_encode(form, format="BMP") for form in forms]


class Avif(Picture):
    file = "hostile.avif"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        return [
            _encode(picture, format="AVIF", exif=_exif()),
            _encode(picture.convert("RGBA"), format="AVIF"),
            _encode(picture, format="AVIF", save_all=True, append_images=[picture.rotate(90)]),
        ]


class Jpeg2000(Picture):
    file = "hostile.jp2"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        deep = np.random.default_rng(0).integers(0, 65536, (9, 9), np.uint16)
        return [
            _encode(picture, format="JPEG2000"),
            _encode(picture.convert("L"), format="JPEG2000", no_jp2=True),
            _encode(Image.fromarray(deep), format="JPEG2000"),
        ]


class Ppm(Picture):
    file = "hostile.ppm"

    def make_seeds(self) -> list[bytes]:
        picture = _picture()
        deep = np.random.default_rng(0).integers(0, 1024, (9, 9), np.uint16)
        plain = " ".join(map(str, np.asarray(picture.convert("L")).ravel())).encode()
        return [
            *(_encode(picture.convert(mode), format="PPM") for mode in ("RGB", "L", "1", "F")),
            b"P5 9 9 1023 " + deep.astype(">u2").tobytes(),
            b"P2 33 21 255 " + plain,
        ]


class Heic(Picture):
    file = "hostile.heic"

    def make_seeds(self) -> list[bytes]:
        if importlib.util.find_spec("pillow_heif") is None:  # then it is refused by name
            return [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)]
        import pillow_heif

        pillow_heif.register_heif_opener()
        picture = _picture(130, 70)
        return [
            _encode(picture, format="HEIF", exif=_exif()),
            _encode(picture.convert("RGBA"), format="HEIF"),
        ]


class Video(Target):
    """A video file: its frames are whole, or it is refused with its name."""

    codec = ""

    def make_seeds(self) -> list[bytes]:
        path = self.folder / f"valid{self.path.suffix}"
        code = cv2.VideoWriter.fourcc(*self.codec)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25.0, (64, 48))
        random = np.random.default_rng(0)
        for number in range(6):
            frame = np.full((48, 64, 3), 40 * number, np.uint8)
            frame[8:24, 8:40] = random.integers(0, 256, (16, 32, 3))
            writer.write(frame)
        writer.release()
        return [path.read_bytes()]

    def read(self) -> None:
        with read_video(self.path) as reader:
            for frame in reader:
                assert frame.bgr.dtype == np.uint8
                assert frame.bgr.ndim == 3
                assert frame.bgr.shape == frame.rgb.shape
                assert frame.bgr.shape[2] == 3
                assert frame.seconds >= 0
                if frame.index > 300:
                    break


class Mp4(Video):
    file, codec = "hostile.mp4", "mp4v"


class Avi(Video):
    file, codec = "hostile.avi", "MJPG"


class Mkv(Video):
    file, codec = "hostile.mkv", "mp4v"


TARGETS = {
    "jpeg": Jpeg,
    "png": Png,
    "webp": WebP,
    "gif": Gif,
    "tiff": Tiff,
    "bmp": Bmp,
    "avif": Avif,
    "jp2": Jpeg2000,
    "ppm": Ppm,
    "heic": Heic,
    "mp4": Mp4,
    "avi": Avi,
    "mkv": Mkv,
}
