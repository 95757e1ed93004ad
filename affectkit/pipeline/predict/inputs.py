"""Which files `affectkit predict` reads, and where their annotated copies go."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from affectkit.data.image_files import IMAGE_SUFFIXES
from affectkit.files.pictures import DAMAGED, open_picture
from affectkit.pipeline.predict.journal import file_key
from affectkit.pipeline.video.read import VIDEO_SUFFIXES
from affectkit.pipeline.video.write import CODECS, check_video_name

PICTURE_SUFFIXES = IMAGE_SUFFIXES | {".gif"}
"""How the names of pictures end."""

DRAWN_SUFFIXES = (".jpg", ".jpeg", ".png")
"""How the names of annotated pictures end."""


@dataclass(frozen=True)
class InputFile:
    """A picture or video: `path` as it was named or found in a folder; `name` relative to that."""

    path: Path
    name: Path
    is_video: bool


def find_inputs(
    paths: Iterable[str | Path], outside: Path | None = None
) -> tuple[list[InputFile], list[tuple[str, str]]]:
    """Find the files of paths, each once; and (path, reason) of what is missing.

    Of a folder, pictures and videos are taken by the ends of their names, in order, with all below;
    hidden ones, and those below `outside`, are left out.
    """
    found: dict[str, InputFile] = {}
    missing: list[tuple[str, str]] = []
    avoided = file_key(outside) + os.sep if outside is not None else None
    for text in paths:
        path = Path(text).expanduser()
        matches = [path] if os.path.lexists(path) else _matches(str(path))
        if not matches:
            is_pattern = glob.has_magic(str(text))
            reason = "matches no file" if is_pattern else "does not exist: check the path"
            missing.append((str(text), reason))
        for match in matches:
            for file in _files(match):
                key = file_key(file.path)
                if not (avoided and key.startswith(avoided)):
                    found.setdefault(key, file)
    return list(found.values()), missing


def _matches(pattern: str) -> list[Path]:
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207


def _files(path: Path) -> Iterator[InputFile]:
    if not path.is_dir():
        yield InputFile(path, Path(path.name), _is_video(path))
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if suffix in PICTURE_SUFFIXES | VIDEO_SUFFIXES and not name.startswith("."):
                file = Path(folder, name)
                yield InputFile(file, file.relative_to(path), suffix in VIDEO_SUFFIXES)


def _is_video(path: Path) -> bool:
    """Tell by the name, or by the content where the name does not tell."""
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES or suffix in VIDEO_SUFFIXES:
        return suffix in VIDEO_SUFFIXES
    try:
        with open_picture(path):
            return False
    except DAMAGED:
        return path.is_file() and path.stat().st_size > 0


def annotation_targets(files: Sequence[InputFile], annotate: str | Path | None) -> dict[Path, Path]:
    """Give each file's annotated copy by the file's path; none without `annotate`.

    `annotate` is a folder, in which files have their own names as far as these can be kept; or, of
    a single input, the file itself. ValueError if one file is named for several inputs, it ends in
    what can't be written, or an input would be overwritten.
    """
    if annotate is None:
        return {}
    annotate = Path(annotate).expanduser()
    suffix = annotate.suffix.lower()
    is_file = suffix in VIDEO_SUFFIXES | PICTURE_SUFFIXES and not annotate.is_dir()
    targets: dict[Path, Path] = {}
    if is_file and files:
        if len(files) > 1:
            raise ValueError(
                f"expected a folder for --annotate, as there are {len(files)} files; got {annotate}"
            )
        if files[0].is_video:
            check_video_name(annotate)
        elif suffix not in DRAWN_SUFFIXES:
            raise ValueError(
                "expected the name of an annotated picture to end in "
                f"{', '.join(DRAWN_SUFFIXES)}, got {str(annotate)!r}"
            )
        targets[files[0].path] = annotate
    elif not is_file:
        taken: set[Path] = set()
        for file in files:
            target = annotate / file.name
            kept = tuple(CODECS) if file.is_video else DRAWN_SUFFIXES
            if target.suffix.lower() not in kept:
                target = target.with_name(target.name + (".mp4" if file.is_video else ".png"))
            stem, number = target.stem, 2
            while target in taken:
                target, number = target.with_stem(f"{stem}_{number}"), number + 1
            taken.add(target)
            targets[file.path] = target
    inputs = {file.path.resolve() for file in files}
    for target in targets.values():
        if target.resolve() in inputs:
            raise ValueError(f"{target} would be overwritten by --annotate: choose another name")
    return targets
