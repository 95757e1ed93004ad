"""Which files `affectkit predict` reads, and where their annotated copies go."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affectkit.files.kinds import (
    HEIF_SUFFIXES,
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    file_kind,
    name_kind,
)
from affectkit.pipeline.predict.journal import file_key
from affectkit.pipeline.video.open import source_refusal
from affectkit.pipeline.video.write import CODECS, check_video_name

DRAWN_SUFFIXES = (".jpg", ".jpeg", ".png")
"""How the names of annotated pictures end."""


NEITHER = "is neither a picture nor a video, by its content and its name"


@dataclass(frozen=True)
class InputFile:
    """A picture or video: `path` as it was named or found in a folder; `name` relative to that."""

    path: Path
    name: Path
    is_video: bool


@dataclass(frozen=True)
class LeftOut:
    """What lies in a folder and is not read: its kind in a word, why, and what to do, if anything.

    A folder is not entered; how many files it has is not known.
    """

    path: Path
    kind: str
    reason: str
    remedy: str = ""
    is_folder: bool = False


@dataclass
class FoundInputs:
    """What was found: files to read, (path, reason) of those named that can't be, and the rest.

    `missing` are (path, reason) of names that no file has.
    """

    files: list[InputFile] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def count_kinds(items: Iterable[LeftOut]) -> str:
    """Count what is left out by kind: `3 .heic (install ...); 2 .txt, 1 .csv (neither ...)`."""
    kinds: dict[str, Counter[str]] = {}
    for item in items:
        kinds.setdefault(item.remedy or item.reason, Counter())[item.kind] += 1
    return "; ".join(
        f"{', '.join(f'{count} {kind}' for kind, count in counts.most_common())} "
        f"({why.removeprefix('is ')})"
        for why, counts in kinds.items()
    )


def find_inputs(
    paths: Iterable[str | Path],
    outside: Path | None = None,
    own: Iterable[Path] = (),
    follow_links: bool = False,
) -> FoundInputs:
    """Find the files of paths, each once.

    Of a folder, all that are pictures and videos by their content, in order, with all below; what
    lies below `outside` and the `own` files are no inputs. Links are followed inside the folder,
    others only with `follow_links`.
    """
    found = FoundInputs()
    seen: set[str] = {file_key(path) for path in own}
    avoided = None if outside is None else file_key(outside) + os.sep
    for text in paths:
        path = Path(text).expanduser()
        matches = [path] if os.path.lexists(path) else _matches(str(path))
        if not matches:
            is_pattern = glob.has_magic(str(text))
            reason = "matches no file" if is_pattern else "does not exist: check the path"
            reason = source_refusal(text) or reason
            found.missing.append((str(text), reason))
        for match in matches:
            if match.is_dir():
                _Folder(match, found, seen, avoided, follow_links).look()
            elif _is_new(match, seen, avoided):
                _take_named(match, found)
    return found


def _matches(pattern: str) -> list[Path]:
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207


def _is_new(path: Path, seen: set[str], avoided: str | None) -> bool:
    """Tell whether a file was not seen yet, and is not in the avoided folder; it then was."""
    key = file_key(path)
    is_new = key not in seen and not (avoided and key.startswith(avoided))
    seen.add(key)
    return is_new


def _take_named(path: Path, found: FoundInputs) -> None:
    """Take a file that the user has named: what it is, if it is known, is told at once."""
    try:
        kind = file_kind(path)
    except OSError:
        kind = name_kind(path)  # reading it tells what is wrong
        if refusal := source_refusal(path):
            found.failed.append((str(path), refusal))
            return
    if kind.remedy:
        found.failed.append((str(path), kind.refusal))
        return
    may_be_video = kind.role == "unknown" and path.is_file() and path.stat().st_size > 0
    found.files.append(InputFile(path, Path(path.name), kind.role == "video" or may_be_video))


class _Folder:
    """One folder that the user has named; `look` adds what is in it to what is found."""

    def __init__(
        self,
        root: Path,
        found: FoundInputs,
        seen: set[str],
        avoided: str | None,
        follow_links: bool,
    ) -> None:
        self._root, self._found, self._seen = root, found, seen
        self._avoided, self._follow_links = avoided, follow_links
        self._real = os.path.realpath(root)
        self._entered = {self._real}
        self._links: list[Path] = []

    def look(self) -> None:
        """Go through the folder, and then through what links in it lead to, each folder once."""
        self._walk(self._root)
        while self._links:
            link = self._links.pop(0)
            if not self._may_follow(link):
                self._leave(link, "linked folder", is_folder=True, **_LINK)
            elif self._enter(link):
                self._walk(link)

    def _walk(self, top: Path) -> None:
        for folder, folders, names in os.walk(top, onerror=self._leave_unreadable):
            kept = []
            for name in sorted(folders):
                path = Path(folder, name)
                if name.startswith("."):
                    self._leave(path, "hidden folder", "is hidden", is_folder=True)
                elif path.is_symlink():
                    self._links.append(path)
                elif f"{file_key(path)}{os.sep}" != self._avoided and self._enter(path):
                    kept.append(name)
            folders[:] = kept
            for name in sorted(names):
                self._take(Path(folder, name))

    def _take(self, path: Path) -> None:
        if not _is_new(path, self._seen, self._avoided):
            return
        if path.name.startswith("."):
            self._leave(path, "hidden", "is hidden")
            return
        if path.is_symlink() and path.exists() and not self._may_follow(path):
            self._leave(path, "linked", **_LINK)
            return
        trouble = ""
        try:
            kind = file_kind(path)
        except OSError as error:
            kind, trouble = name_kind(path), f"can't be read ({error.strerror or error})"
        if kind.role in ("picture", "video") and not kind.remedy:
            file = InputFile(path, path.relative_to(self._root), kind.role == "video")
            self._found.files.append(file)
            return
        ending = path.suffix.lower() or "without an ending"
        self._leave(path, ending, trouble or kind.refusal or NEITHER, kind.remedy)

    def _leave(
        self, path: Path, kind: str, reason: str, remedy: str = "", is_folder: bool = False
    ) -> None:
        self._found.left_out.append(LeftOut(path, kind, reason, remedy, is_folder))

    def _leave_unreadable(self, error: OSError) -> None:
        reason = f"can't be read ({error.strerror or error})"
        self._leave(Path(error.filename), "folder", reason, "check its permissions", is_folder=True)

    def _may_follow(self, link: Path) -> bool:
        real = os.path.realpath(link)
        inside = real == self._real or real.startswith(self._real.rstrip(os.sep) + os.sep)
        return self._follow_links or inside

    def _enter(self, folder: Path) -> bool:
        real = os.path.realpath(folder)
        if real in self._entered:
            return False
        self._entered.add(real)
        return True


_LINK = {
    "reason": "is a link that leads out of the folder",
    "remedy": "--follow-links follows it",
}


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
    is_file = suffix in VIDEO_SUFFIXES | PICTURE_SUFFIXES | HEIF_SUFFIXES and not annotate.is_dir()
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
