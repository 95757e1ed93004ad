"""Write a data set of synthetic faces in AffectNet's original layout."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import cv2
from tqdm import tqdm

from affectkit.faces.parameters import check_parameters
from affectkit.faces.render import render_face
from affectkit.faces.schedule import SPLITS, class_schedule, derived_seed, labels_of_face
from affectkit.faces.tables import IMAGE_ROOT, face_row, tree_hash, write_tables
from affectkit.files.atomic import remove_partials, write_atomically

GENERATOR_VERSION = "2"
"""Raised whenever the same seed no longer gives the same image."""

FACES_PER_SUBJECT = 5
WEBP_QUALITY = 85


class _Block(NamedTuple):
    """The faces of one subject: the unit of work, and of what a stopped run keeps."""

    output: Path
    split: str
    seed: int
    size: int
    number: int
    members: list[tuple[int, int]]  # index and annotated class of each face
    variations: list[dict]
    fix: dict

    @property
    def rows_file(self) -> Path:
        return self.output / ".partial" / f"{self.split}-{self.number:06d}.json"


def render_dataset(
    output: str | Path, count: int, seed: int, size: int = 112, vary: dict | None = None,
    fix: dict | None = None, workers: int | None = None, split: str = "training",
    progress: bool = True,
) -> Path:  # fmt: skip
    """Render faces into a directory in AffectNet's original layout.

    A stopped or killed run goes on where it was: finished subjects are not rendered again.

    Parameters
    ----------
    output : path
        Directory; several splits may share one.
    count : int
        Number of faces, five a subject; multiplied by the combinations of `vary`.
    seed : int
        The same seed and arguments give the same data set. Subjects of different splits or seeds
        are different.
    size : int
        Width and height of an image in pixels.
    vary : dict, optional
        Parameter name to the list of values that every face is rendered with.
    fix : dict, optional
        Parameter name to a value that all faces have; names as in `faces.parameters`.
    workers : int, optional
        Processes; the number of processors when omitted. 1 renders in this process.
    split : {"training", "validation", "test"}
        Names the csv file and sets the class balance, see `schedule.class_priors`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Path
        The directory, with ``<split>.csv``, ``extras.csv``, ``manifest.json``, ``LICENSE.txt``
        and ``Manually_Annotated_Images/<dir>/<hash>.webp`` in it.

    Raises
    ------
    ValueError
        If an argument is impossible, or the directory holds an unfinished split of others.
    OSError
        If it can't be written, or one of the processes ended, as when memory is used up.
    """
    output, vary, fix = Path(output), dict(vary or {}), dict(fix or {})
    if split not in SPLITS:
        raise ValueError(f"expected a split of {SPLITS}, got {split!r}")
    if count < 1:
        raise ValueError(f"expected a count of at least 1, got {count}")
    variations = [
        dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())
    ]
    for variation in variations:
        check_parameters({**fix, **variation})
    settings = {
        "generator": GENERATOR_VERSION, "seed": seed, "count": count, "size": size,
        "split": split, "fix": fix, "vary": {name: list(values) for name, values in vary.items()},
    }  # fmt: skip
    _remember_settings(output, split, settings)
    members = list(enumerate(class_schedule(count, seed, split).tolist()))
    blocks = [
        _Block(output, split, seed, size, number, members[start : start + FACES_PER_SUBJECT],
               variations, fix)
        for number, start in enumerate(range(0, count, FACES_PER_SUBJECT))
    ]  # fmt: skip
    _render_blocks(blocks, workers or os.cpu_count() or 1, progress)
    _finish(output, split, settings, blocks)
    return output


def _render_blocks(blocks: list[_Block], workers: int, progress: bool) -> None:
    bar = tqdm(
        total=len(blocks), desc=f"rendering {blocks[0].split}", unit="subject",
        disable=not progress,
    )  # fmt: skip
    with bar:
        if workers == 1:
            for block in blocks:
                _render_block(block)
                bar.update()
            return
        # One thread a worker: the matrix products are small.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        executor = ProcessPoolExecutor(
            min(workers, len(blocks)), multiprocessing.get_context("spawn"), _end_with_parent
        )
        try:
            for done in as_completed([executor.submit(_render_block, block) for block in blocks]):
                done.result()
                bar.update()
        except BrokenProcessPool as error:
            raise OSError(
                "a process that renders ended, perhaps for lack of memory: use fewer --workers; "
                "the same command goes on where it stopped"
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker process end when the one that started it was killed."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _render_block(block: _Block) -> None:
    """Render one subject's faces and write their rows last; nothing to do if these exist."""
    if block.rows_file.is_file():
        return
    cv2.setNumThreads(1)
    rows = []
    for index, annotated in block.members:
        for number, variation in enumerate(block.variations):
            fixed = {"subject": derived_seed(block.seed, block.split, "subject", block.number)}
            fixed |= {**block.fix, **variation}
            if "expression_clean" not in fixed:
                labels = labels_of_face(block.seed, block.split, index, annotated)
                fixed = labels | fixed
            face_seed = derived_seed(block.seed, block.split, index)
            image, truth = render_face(face_seed, block.size, **fixed)
            path = _write_image(block, index, number, image)
            rows.append(face_row(truth, path, block.split, f"{block.split}-{block.number:05d}"))
    write_atomically(block.rows_file, json.dumps(rows))


def _write_image(block: _Block, index: int, variation: int, image: object) -> str:
    identity = f"{block.seed}/{block.split}/{index}/{variation}"
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    path = f"{name[0]}/{name}.webp"
    encoded = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])[1]
    write_atomically(block.output / IMAGE_ROOT / path, encoded.tobytes())
    return path


def _remember_settings(output: Path, split: str, settings: dict) -> None:
    remove_partials(output, deep=True)
    marker = _settings_file(output, split)
    text = json.dumps(settings, sort_keys=True, default=str)
    if marker.is_file() and marker.read_text("utf-8") != text:
        raise ValueError(
            f"expected {output} to hold no unfinished {split} split, or one of the same arguments "
            f"to continue; got {marker.read_text('utf-8')}. Choose another directory or delete it"
        )
    write_atomically(marker, text)


def _settings_file(output: Path, split: str) -> Path:
    return output / ".partial" / f"{split}.settings.json"


def _finish(output: Path, split: str, settings: dict, blocks: list[_Block]) -> None:
    """Write the tables, licence and manifest, then forget the partial results."""
    rows = [row for block in blocks for row in json.loads(block.rows_file.read_text("utf-8"))]
    write_tables(output, split, rows)
    licence = Path(__file__).with_name("LICENSE-CC0.txt").read_text("utf-8")
    write_atomically(output / "LICENSE.txt", licence)
    manifest_file = output / "manifest.json"
    manifest = json.loads(manifest_file.read_text("utf-8")) if manifest_file.is_file() else {}
    manifest[split] = settings | {"images": len(rows), "tree_sha256": tree_hash(output, rows)}
    text = json.dumps(manifest, indent=2, sort_keys=True, default=str)
    write_atomically(manifest_file, text + "\n")
    for block in blocks:
        block.rows_file.unlink()
    _settings_file(output, split).unlink()  # last: rows without it could be taken for another run's
    if not any((output / ".partial").iterdir()):
        (output / ".partial").rmdir()
