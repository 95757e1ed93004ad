"""What a file is: a picture, a video or something else. Decided here for every command."""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Literal

Role = Literal["picture", "video", "other", "unknown"]

_HEAD = 512
_MOST_TAGS = 512

CONVERT = "convert it to JPEG or PNG"
_INSTALL_HEIF = 'pip install "affectkit[heif]", or convert it to JPEG'
_DEVELOP = "develop it to JPEG or TIFF first"


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes
    ----------
    role : "picture", "video", "other" or "unknown"
        Of a file whose name and content say nothing: "unknown".
    name : str
        As people call it: "JPEG", "HEIC", "MP4".
    remedy : str
        What to do where the kit does not read it; "" where it does.
    """

    role: Role
    name: str
    remedy: str = ""

    @property
    def refusal(self) -> str:
        """Why it is not read, and what to do, for an error; "" if it is read."""
        if not self.remedy:
            return ""
        if self.role == "picture":
            return f"is a picture in the format {self.name}, which is not read here: {self.remedy}"
        return f"is {self.name}, no picture or video: {self.remedy}"


READ_PICTURES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".pgm", ".ppm", ".pbm", ".pnm", ".pfm"),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
}
"""Pictures that are always read, by Pillow's names, and how their names end."""

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".heics", ".heifs", ".hif"})
"""Read with the extra `heif`."""

_UNREAD_PICTURES: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".jxl",), ("JPEG XL", CONVERT)),
    **dict.fromkeys((".jxr", ".wdp", ".hdp"), ("JPEG XR", CONVERT)),
    **dict.fromkeys((".psd", ".psb"), ("Photoshop", CONVERT)),
    **dict.fromkeys((".xcf",), ("GIMP", CONVERT)),
    **dict.fromkeys((".exr",), ("OpenEXR", CONVERT)),
    **dict.fromkeys((".hdr",), ("Radiance HDR", CONVERT)),
    **dict.fromkeys((".svg", ".svgz"), ("SVG", CONVERT)),
    **dict.fromkeys((".eps", ".ps"), ("PostScript", CONVERT)),
    **dict.fromkeys((".ico", ".cur", ".icns"), ("icon", CONVERT)),
    **dict.fromkeys((".tga", ".icb", ".vda", ".vst"), ("Targa", CONVERT)),
    **dict.fromkeys((".pcx",), ("PCX", CONVERT)),
    **dict.fromkeys((".dds",), ("DDS", CONVERT)),
    **dict.fromkeys((".dcm", ".dicom"), ("DICOM", CONVERT)),
    **dict.fromkeys((".fits", ".fit", ".fts"), ("FITS", CONVERT)),
    **dict.fromkeys((".sgi", ".rgb", ".bw"), ("SGI", CONVERT)),
    **dict.fromkeys((".ras", ".qoi", ".dpx", ".cin", ".flif", ".bpg", ".pam"), ("rare", CONVERT)),
    **dict.fromkeys(
        (
            *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc"),
            *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2"),
            *(".rwl", ".sr2", ".srf", ".srw", ".x3f"),
        ),
        ("camera RAW", _DEVELOP),
    ),
}

PICTURE_SUFFIXES = frozenset(one for many in READ_PICTURES.values() for one in many)
"""How the names of pictures end that are always read; see `picture_suffixes`."""

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *(
            "264",
            "265",
            "3g2",
            "3gp",
            "asf",
            "avc",
            "avi",
            "divx",
            "dv",
            "f4v",
            "flv",
            "h263",
            "h264",
        ),
        *("h265", "hevc", "ismv", "ivf", "m1v", "m2p", "m2t", "m2ts", "m2v", "m4v", "mjpeg"),
        *("mjpg", "mk3d", "mkv", "mod", "mov", "mp4", "mpe", "mpeg", "mpg", "mpv", "mts", "mxf"),
        *("nut", "obu", "ogg", "ogm", "ogv", "qt", "rm", "rmvb", "tod", "ts", "vob", "vro"),
        *("webm", "wmv", "wtv", "xvid", "y4m"),
    )
)
"""How the names of videos end, also of those that may be refused for what they are."""

_SOUND = FileKind("other", "sound only", "name the video instead")
_PLAYLIST = FileKind("other", "a playlist", "name the videos that it lists")
_PLAYLISTS = (b"#extm3u", b"ffconcat", b"[playlist]", b"[reference]", b"<asx", b"v=0", b"rtsptext")
_JPEG2000 = FileKind("picture", "JPEG2000")

_START: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"\xff\xd8\xff", FileKind("picture", "JPEG")),
    (0, b"\x89PNG\r\n\x1a\n", FileKind("picture", "PNG")),
    (0, b"GIF87a", FileKind("picture", "GIF")),
    (0, b"GIF89a", FileKind("picture", "GIF")),
    (0, b"\xff\x4f\xff\x51", _JPEG2000),
    (0, b"\xff\x0a", FileKind("picture", "JPEG XL", CONVERT)),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", FileKind("picture", "JPEG XL", CONVERT)),
    (0, b"II\xbc", FileKind("picture", "JPEG XR", CONVERT)),
    (0, b"8BPS", FileKind("picture", "Photoshop", CONVERT)),
    (0, b"gimp xcf", FileKind("picture", "GIMP", CONVERT)),
    (0, b"\x76\x2f\x31\x01", FileKind("picture", "OpenEXR", CONVERT)),
    (0, b"#?RADIANCE", FileKind("picture", "Radiance HDR", CONVERT)),
    (0, b"#?RGBE", FileKind("picture", "Radiance HDR", CONVERT)),
    (0, b"DDS ", FileKind("picture", "DDS", CONVERT)),
    (0, b"qoif", FileKind("picture", "QOI", CONVERT)),
    (0, b"SDPX", FileKind("picture", "DPX", CONVERT)),
    (0, b"XPDS", FileKind("picture", "DPX", CONVERT)),
    (0, b"FLIF", FileKind("picture", "FLIF", CONVERT)),
    (0, b"BPG\xfb", FileKind("picture", "BPG", CONVERT)),
    (0, b"AT&TFORM", FileKind("picture", "DjVu", CONVERT)),
    (0, b"SIMPLE  =", FileKind("picture", "FITS", CONVERT)),
    (0, b"icns", FileKind("picture", "icon", CONVERT)),
    (0, b"\0\0\1\0", FileKind("picture", "icon", CONVERT)),
    (0, b"\0\0\2\0", FileKind("picture", "icon or Targa", CONVERT)),
    (0, b"\x01\xda\0\1", FileKind("picture", "SGI", CONVERT)),
    (0, b"\x01\xda\1\1", FileKind("picture", "SGI", CONVERT)),
    (0, b"\x59\xa6\x6a\x95", FileKind("picture", "Sun raster", CONVERT)),
    (0, b"\x8aMNG\r\n", FileKind("picture", "MNG", CONVERT)),
    (0, b"\x8bJNG\r\n", FileKind("picture", "JNG", CONVERT)),
    (0, b"%!PS", FileKind("picture", "PostScript", CONVERT)),
    (0, b"\xc5\xd0\xd3\xc6", FileKind("picture", "PostScript", CONVERT)),
    (128, b"DICM", FileKind("picture", "DICOM", CONVERT)),
    (0, b"FUJIFILMCCD-RAW", FileKind("picture", "camera RAW", _DEVELOP)),
    (0, b"FOVb", FileKind("picture", "camera RAW", _DEVELOP)),
    (0, b"\0MRM", FileKind("picture", "camera RAW", _DEVELOP)),
    (0, b"IIRO", FileKind("picture", "camera RAW", _DEVELOP)),
    (0, b"IIRS", FileKind("picture", "camera RAW", _DEVELOP)),
    (0, b"MMOR", FileKind("picture", "camera RAW", _DEVELOP)),
    (0, b"IIU\0", FileKind("picture", "camera RAW", _DEVELOP)),
    (6, b"HEAPCCDR", FileKind("picture", "camera RAW", _DEVELOP)),
    (0, b"\x1a\x45\xdf\xa3", FileKind("video", "Matroska")),
    (0, b"FLV\1", FileKind("video", "FLV")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileKind("video", "ASF")),
    (0, b".RMF", FileKind("video", "RealMedia")),
    (0, b"YUV4MPEG2", FileKind("video", "YUV4MPEG")),
    (0, b"DKIF", FileKind("video", "IVF")),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", FileKind("video", "MXF")),
    (0, b"nut/multimedia container", FileKind("video", "NUT")),
    (0, b"\0\0\1\xba", FileKind("video", "MPEG program stream")),
    (0, b"\0\0\1\xb3", FileKind("video", "MPEG elementary stream")),
    (0, b"\0\0\0\1", FileKind("video", "H.264 or H.265 elementary stream")),
    (0, b"%PDF", FileKind("other", "a PDF", "export its pages as PNG")),
    (0, b"PK\3\4", FileKind("other", "a zip archive", "unpack it")),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("other", "a 7z archive", "unpack it")),
    (0, b"Rar!", FileKind("other", "a rar archive", "unpack it")),
    (0, b"\x1f\x8b", FileKind("other", "a gzip archive", "unpack it")),
    (0, b"BZh", FileKind("other", "a bzip2 archive", "unpack it")),
    (0, b"\xfd7zXZ\0", FileKind("other", "a xz archive", "unpack it")),
    (257, b"ustar", FileKind("other", "a tar archive", "unpack it")),
    (0, b"FWS", FileKind("other", "a Flash film", "convert it to MP4")),
    (0, b"CWS", FileKind("other", "a Flash film", "convert it to MP4")),
    (0, b"ID3", _SOUND),
    (0, b"fLaC", _SOUND),
)
"""Offset, bytes there, and what a file is that has them."""

_NO_TEXT = frozenset(range(32)) - frozenset(b"\t\n\r\f")
_SHARED_SUFFIXES = (".ts", ".mod")
"""Of videos, and of programs in TypeScript and Modula."""

_MANY_JPEGS = (".mjpeg", ".mjpg")
"""Of videos that are one JPEG after the other."""

_OGG_SOUNDS = (b"\x01vorbis", b"OpusHead", b"Speex   ", b"\x7fFLAC")
_BMP_HEADERS = tuple(struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124))
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2"}
    | {b"msf1", b"miaf"}
)
_OTHER_BRANDS = {
    b"avif": FileKind("picture", "AVIF"),
    b"avis": FileKind("picture", "AVIF"),
    b"crx ": FileKind("picture", "camera RAW", _DEVELOP),
    b"jxl ": FileKind("picture", "JPEG XL", CONVERT),
    **dict.fromkeys((b"jpeg", b"jpgs"), FileKind("picture", "JPEG in HEIF", CONVERT)),
    **dict.fromkeys((b"avci", b"avcs", b"evbi", b"vvic", b"j2ki"), FileKind(
        "picture", "HEIF with a rare codec", CONVERT
    )),
    b"M4A ": _SOUND,
    b"M4B ": _SOUND,
}  # fmt: skip
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"})


def file_kind(path: str | Path) -> FileKind:
    """Tell what a file is by its content, and by its name where the content does not tell.

    Parameters
    ----------
    path : str or Path
        A file. Half a kilobyte of it is read, a little more of a TIFF.

    Returns
    -------
    FileKind
        A picture or video, whether it is read and what to do if not; or something else.

    Raises
    ------
    OSError
        If there is no such file, or it can't be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
        raise OSError(f"{path} is a folder, pipe or device, expected a file")
    with Path(path).open("rb") as file:
        kind = content_kind(file)
    suffix = Path(path).suffix.lower()
    frames = kind.name == "JPEG" and suffix in _MANY_JPEGS
    if kind.role != "unknown" and not frames:
        return kind
    return kind if kind.name == "text" and suffix in _SHARED_SUFFIXES else name_kind(path)


def name_kind(path: str | Path) -> FileKind:
    """Tell what a file should be by the end of its name, without opening it."""
    suffix = Path(path).suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return FileKind("video", suffix[1:].upper())
    if suffix in HEIF_SUFFIXES:
        return _heif()
    for name, suffixes in READ_PICTURES.items():
        if suffix in suffixes:
            return FileKind("picture", name)
    if suffix in _UNREAD_PICTURES:
        return FileKind("picture", *_UNREAD_PICTURES[suffix])
    return FileKind("unknown", suffix or "no suffix")


def content_kind(file: BinaryIO) -> FileKind:
    """Tell what an open file is by its content alone; its place is kept."""
    start = file.tell()
    head = file.read(_HEAD)
    try:
        if head[:4] in _TIFF_STARTS:
            return _tiff_kind(file, start, head)
        return _head_kind(head)
    finally:
        file.seek(start)


def picture_suffixes() -> frozenset[str]:
    """Give how the names of pictures end that are read here, with the extras that are installed."""
    return PICTURE_SUFFIXES | HEIF_SUFFIXES if reads_heif() else PICTURE_SUFFIXES


@lru_cache(maxsize=1)
def reads_heif() -> bool:
    """Tell whether HEIC and HEIF are read: the extra `heif` is installed."""
    return find_spec("pillow_heif") is not None


def _heif() -> FileKind:
    return FileKind("picture", "HEIF", "" if reads_heif() else _INSTALL_HEIF)


def _head_kind(head: bytes) -> FileKind:
    for offset, letters, kind in _START:
        if head.startswith(letters, offset):
            return kind
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS:
        return FileKind("picture", "BMP")
    if head[4:8] == b"ftyp":
        return _brand_kind(head)
    if head.startswith(b"\0\0\0\x0cjP  \r\n\x87\n"):  # its brands are in the next box
        return FileKind("video", "Motion JPEG 2000") if head[20:24] == b"mjp2" else _JPEG2000
    if head[4:8] in _BOXES:
        return FileKind("video", "QuickTime")
    if head[:4] == b"OggS":
        is_sound = b"theora" not in head and any(name in head for name in _OGG_SOUNDS)
        return _SOUND if is_sound else FileKind("video", "Ogg")
    if head[:4] == b"RIFF":
        return {
            b"WEBP": FileKind("picture", "WEBP"),
            b"AVI ": FileKind("video", "AVI"),
            b"WAVE": _SOUND,
        }.get(head[8:12], FileKind("unknown", "RIFF"))
    if head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3] in b" \t\n\r\v\f#":
        return FileKind("picture", "PPM")
    if head[:3] == b"P7\n":
        return FileKind("picture", "PAM", CONVERT)
    if any(head[at::step].startswith(b"GG") for at, step in ((0, 188), (4, 192), (0, 204))):
        return FileKind("video", "MPEG transport stream")
    if head[:3] == b"\0\0\1":
        return FileKind("video", "MPEG or H.264 elementary stream")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PLAYLISTS):
        return _PLAYLIST
    if text.startswith((b"<svg", b"<?xml", b"<mpd", b"<smil")):
        if b"<svg" in text:
            return FileKind("picture", "SVG", CONVERT)
        if any(name in text for name in (b"<mpd", b"<smil", b"<playlist")):
            return _PLAYLIST
        return FileKind("other", "XML", "name a picture or video")
    is_text = bool(head) and not set(head) & _NO_TEXT
    return FileKind("unknown", "text" if is_text else "unknown")


def _brand_kind(head: bytes) -> FileKind:
    """Tell what an ISO base media file (ISO/IEC 14496-12) is: HEIF is one as MP4 is.

    The first brand decides; where it names neither, the first of the others that does.
    """
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    if brands[0] in (b"mif1", b"mif2", b"miaf", b"msf1") and (
        b"avif" in brands or b"avis" in brands
    ):
        return _OTHER_BRANDS[b"avif"]
    if brands[0] in _OTHER_BRANDS:
        return _OTHER_BRANDS[brands[0]]
    if brands[0] in _HEIF_BRANDS:
        return _heif()
    is_video = brands[0][:3] in (b"iso", b"mp4", b"qt ", b"M4V", b"3gp", b"3g2", b"MSN", b"avc")
    if not is_video:
        for brand in brands[1:]:
            if brand in _HEIF_BRANDS:
                return _heif()
            if brand in _OTHER_BRANDS:
                return _OTHER_BRANDS[brand]
    return FileKind("video", "MP4")


def _tiff_kind(file: BinaryIO, start: int, head: bytes) -> FileKind:
    """Tell a TIFF from a camera's raw file, of which Pillow would read the small preview."""
    raw = FileKind("picture", "camera RAW", _DEVELOP)
    tiff = FileKind("picture", "TIFF")
    if head[8:10] == b"CR":
        return raw
    if head[2:4] in (b"+\0", b"\0+"):  # 64 bits; no camera writes these
        return tiff
    order = "<" if head[:2] == b"II" else ">"
    try:
        file.seek(start + struct.unpack_from(f"{order}I", head, 4)[0])
        (count,) = struct.unpack(f"{order}H", file.read(2))
        entries = file.read(12 * min(count, _MOST_TAGS))
        tags = {
            tag: value for tag, _, _, value in struct.iter_unpack(f"{order}HHII", entries)
        }  # fmt: skip
    except (struct.error, OverflowError, ValueError):
        return tiff  # damaged; reading it says so
    dng_version, subfile_type, sub_folders = 50706, 254, 330
    preview_first = tags.get(subfile_type, 0) & 1 and sub_folders in tags
    return raw if dng_version in tags or preview_first else tiff
