"""Write a data set of synthetic faces in AffectNet's original layout."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from affectkit.faces import GENERATOR_VERSION
from affectkit.faces.annotation import annotator_matrix, clean_given_annotated
from affectkit.faces.render import render_face
from affectkit.faces.sampling import stream
from affectkit.labels import EXPRESSIONS

SPLITS = ("training", "validation", "test")
IMAGE_ROOT = "Manually_Annotated_Images"
FACES_PER_SUBJECT = 5
WEBP_QUALITY = 85
AFFECTNET_COLUMNS = ("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height",
                     "facial_landmarks", "expression", "valence", "arousal")  # fmt: skip
EXTRA_COLUMNS = (
    "subDirectory_filePath", "split", "subject", "expression_clean", "expression_second",
    "intensity", "action_units", "age", "femininity", "gender", "ethnicity_african",
    "ethnicity_asian", "ethnicity_caucasian", "skin_tone_ita", "skin_tone", "yaw", "pitch",
    "roll", "light_azimuth", "light_elevation", "light_strength", "occluder", "glasses", "blur",
    "hair",
)  # fmt: skip
# Images per class in AffectNet's training split (287,651 images of the eight classes).
AFFECTNET_TRAINING = (74874, 134416, 25459, 14090, 6378, 3803, 24882, 3750)
LONG_TAIL_EXPONENT = 0.55


def _number(*parts) -> int:
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:6], "little")


def class_priors(split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distributions of a split: annotated (8,), and P(clean | annotated) with rows annotated.

    Training has AffectNet's long tail, flattened by the exponent 0.55 so that the rarest class
    keeps about 4 %; validation and test are balanced in the annotated label.
    """
    if split == "training":
        clean = np.array(AFFECTNET_TRAINING, float) ** LONG_TAIL_EXPONENT
    else:
        uniform = np.full(len(EXPRESSIONS), 1 / len(EXPRESSIONS))
        clean = np.clip(np.linalg.solve(annotator_matrix().T, uniform), 0, None)
    clean /= clean.sum()
    annotated, posterior = clean_given_annotated(clean)
    return annotated, posterior


def class_schedule(count: int, seed: int, split: str) -> np.ndarray:
    """Annotated class (count,) of every face: exact proportions in shuffled order."""
    annotated, _ = class_priors(split)
    wanted = annotated * count
    numbers = np.floor(wanted).astype(int)
    missing = count - numbers.sum()
    numbers[np.argsort(numbers - wanted, kind="stable")[:missing]] += 1
    return stream(_number(seed, split), "schedule").permutation(np.repeat(np.arange(8), numbers))


def _render_block(job) -> str:
    """Render one subject's faces and write their rows; skipped if the rows exist."""
    output, split, seed, size, number, members, variations, fix = job
    done = output / ".partial" / f"{split}-{number:06d}.json"
    if done.is_file():
        return done.name
    cv2.setNumThreads(1)
    _, posterior = class_priors(split)
    rows = []
    for index, label in members:
        face_seed = _number(seed, split, index)
        clean = stream(face_seed, "clean_given_annotated").choice(8, p=posterior[label])
        for variation, values in enumerate(variations):
            fixed = {
                "subject": _number(seed, split, "subject", number),
                "expression": EXPRESSIONS[label],
                "expression_clean": EXPRESSIONS[clean],
                **fix,
                **values,
            }
            image, truth = render_face(face_seed, size, **fixed)
            name = hashlib.sha256(f"{seed}/{split}/{index}/{variation}".encode()).hexdigest()[:24]
            path = output / IMAGE_ROOT / name[:2] / f"{name}.webp"
            path.parent.mkdir(parents=True, exist_ok=True)
            quality = [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]
            path.write_bytes(cv2.imencode(".webp", image[..., ::-1], quality)[1].tobytes())
            rows.append(_row(truth, f"{name[:2]}/{path.name}", split, f"{split}-{number:05d}"))
    temporary = done.with_suffix(".tmp")
    temporary.write_text(json.dumps(rows))
    os.replace(temporary, done)
    return done.name


def _row(truth: dict, path: str, split: str, subject: str) -> dict:
    x, y, width, height = truth["face_box"]
    units = {
        name: [round(side, 3) for side in sides]
        for name, sides in sorted(truth["action_units"].items())
        if max(sides) >= 0.005
    }
    row = {
        "subDirectory_filePath": path,
        "face_x": int(round(x)),
        "face_y": int(round(y)),
        "face_width": int(width),
        "face_height": int(height),
        "facial_landmarks": ";".join(f"{value:.2f}" for value in truth["landmarks"].ravel()),
        "expression": EXPRESSIONS.index(truth["expression"]),
        "split": split,
        "subject": subject,
        "expression_clean": EXPRESSIONS.index(truth["expression_clean"]),
        "expression_second": EXPRESSIONS.index(truth["expression_second"]),
        "action_units": json.dumps(units, separators=(",", ":")),
        "femininity": round(truth["gender"], 3),
        "gender": "female" if truth["gender"] >= 0.5 else "male",
    }
    row.update(
        (f"ethnicity_{name}", round(float(share), 3))
        for name, share in zip(("african", "asian", "caucasian"), truth["ethnicity"], strict=True)
    )
    for name in ("valence", "arousal", "intensity", "age", "skin_tone_ita", "yaw", "pitch", "roll",
                 "light_azimuth", "light_elevation", "light_strength", "blur"):  # fmt: skip
        row[name] = round(float(truth[name]), 3)
    return row | {name: truth[name] for name in ("skin_tone", "occluder", "glasses", "hair")}


def render_dataset(
    output, count: int, seed: int, size: int = 112, vary=None, fix=None, workers=None,
    split: str = "training", progress: bool = True,
) -> Path:  # fmt: skip
    """Render faces into a directory in AffectNet's original layout.

    Stopped runs continue where they were: finished subjects are not rendered again.

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
        Parameter name to a value that all faces have.
    workers : int, optional
        Processes; the number of processors when omitted. 1 renders in this process.
    split : {"training", "validation", "test"}
        Names the csv file and sets the class balance, see `class_priors`.
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
        If an argument is impossible, or the directory holds the same split of other arguments.
    """
    output = Path(output)
    if split not in SPLITS:
        raise ValueError(f"expected a split of {SPLITS}, got {split!r}")
    if count < 1:
        raise ValueError(f"expected a count of at least 1, got {count}")
    vary, fix = dict(vary or {}), dict(fix or {})
    settings = dict(generator=GENERATOR_VERSION, seed=seed, count=count, size=size, split=split,
                    vary={k: list(v) for k, v in vary.items()}, fix=fix)  # fmt: skip
    _check_settings(output, split, settings)
    variations = [
        dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())
    ]
    schedule = class_schedule(count, seed, split)
    members = list(enumerate(int(label) for label in schedule))
    jobs = [
        (output, split, seed, size, number, members[start : start + FACES_PER_SUBJECT],
         variations, fix)
        for number, start in enumerate(range(0, count, FACES_PER_SUBJECT))
    ]  # fmt: skip
    workers = workers or os.cpu_count() or 1
    bar = tqdm(total=len(jobs), desc=f"rendering {split}", unit="subject", disable=not progress)
    with bar:
        if workers == 1:
            for job in jobs:
                _render_block(job)
                bar.update()
        else:
            with multiprocessing.get_context("spawn").Pool(workers) as pool:
                for _ in pool.imap_unordered(_render_block, jobs, chunksize=2):
                    bar.update()
    _write_tables(output, split, settings, len(jobs))
    return output


def _check_settings(output: Path, split: str, settings: dict) -> None:
    (output / ".partial").mkdir(parents=True, exist_ok=True)
    marker = output / ".partial" / f"{split}.settings.json"
    text = json.dumps(settings, sort_keys=True)
    if marker.is_file() and marker.read_text() != text:
        raise ValueError(
            f"expected {output} to be empty or to hold an unfinished {split} split of the same "
            f"arguments, got {marker.read_text()}; choose another directory"
        )
    marker.write_text(text)


def _write_csv(path: Path, columns, rows) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_tables(output: Path, split: str, settings: dict, blocks: int) -> None:
    rows = []
    for number in range(blocks):
        partial = output / ".partial" / f"{split}-{number:06d}.json"
        rows += json.loads(partial.read_text())
    _write_csv(output / f"{split}.csv", AFFECTNET_COLUMNS, rows)
    extras = output / "extras.csv"
    others = []
    if extras.is_file():
        with extras.open(newline="") as file:
            others = [row for row in csv.DictReader(file) if row["split"] != split]
    _write_csv(extras, EXTRA_COLUMNS, sorted(others + rows, key=lambda row: (
        SPLITS.index(row["split"]), row["subject"], row["subDirectory_filePath"])))  # fmt: skip
    licence = Path(__file__).with_name("LICENSE-CC0.txt").read_text()
    (output / "LICENSE.txt").write_text(licence)
    manifest_path = output / "manifest.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.is_file() else {}
    manifest[split] = settings | {"tree_sha256": tree_hash(output, rows)}
    manifest_path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    for path in (output / ".partial").glob(f"{split}*"):
        path.unlink()
    if not any((output / ".partial").iterdir()):
        (output / ".partial").rmdir()


def tree_hash(output: Path, rows) -> str:
    """sha256 over the sorted image paths of `rows` and the sha256 of each file."""
    total = hashlib.sha256()
    for path in sorted(row["subDirectory_filePath"] for row in rows):
        digest = hashlib.sha256((output / IMAGE_ROOT / path).read_bytes()).hexdigest()
        total.update(f"{path} {digest}\n".encode())
    return total.hexdigest()
