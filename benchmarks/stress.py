"""Move one thing at a time in the picture of a face, and tell how far the answers of tools move.

Usage, with a Python that has the peers (see `peers.py`)::

    python benchmarks/stress.py --output FOLDER --peer-python VENV/bin/python --ferplus FERPLUS \\
        --london LONDON_FACES --tools affectkit-real affectkit-synthetic fer facex

A tool is a checkpoint, a model's file or a course's run folder, `fer`, `facex`, or any
`module:function` from a face (uint8, RGB, height x width x 3) to the probabilities of expressions:
eight in affectkit's order, or a dict by affectkit's names. Every tool gets the same square crops.

Drawn faces show each of the eight expressions, at full strength, in several people; the renderer
moves the lamp, the head, the skin, the years, glasses, hat and hand, and leaves all else as it was.
What needs no renderer (blur, pixels, JPEG, contrast, a mirror) is also done to London's portraits.
`moved` is the mean total variation distance between a face's probabilities and those of the same
face before: 0 is the same answer, 1 another one that is as certain. `flipped` is the share of faces
whose first expression is another one than before, right or wrong. It `flips from` the mildest step
at which half of the faces or more are flipped.

Do tools agree? Krippendorff's alpha (nominal) between the tools' first expressions on the same
faces stands beside that of FER+'s raters on these.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import pandas as pd
from figures import plot_stress
from peers import PEERS, ask_checkpoint, ask_peer
from report import Report, model_file, new_parser

from affectkit.data import SOFT_LABEL_COLUMNS, load_faces, load_table
from affectkit.evaluation.metrics.classification import nominal_alpha
from affectkit.faces import render_face
from affectkit.labels import EXPRESSIONS
from affectkit.models import checkpoint_names
from affectkit.pipeline.detect.boxes import add_face_boxes
from affectkit.preprocess import Preprocessing, crop_face
from affectkit.training.recipes.rows import RAISE_BOX

PICTURE, SIDE, FERPLUS_SIDE = 224, 160, 48
"""Pixels of a drawn picture, of the crops that the tools get, and of those of FER+."""

RATERS = 10
"""So many said what they see in a face of FER+."""

PLAIN = {
    **dict.fromkeys(("pitch", "roll", "gaze_yaw", "gaze_pitch", "blur", "blend"), 0.0),
    **{"light_elevation": 30.0, "light_strength": 1.0, "distance": 90.0, "grey": False},
    **{"intensity": 1.0, "hair_colour": np.array((0.07, 0.04, 0.02), np.float32)},
}
"""What all drawn faces have in common; the first step of each of `DRAWN` comes to it."""

DRAWN: dict[str, tuple[str, str, tuple]] = {
    "lamp": ("light_azimuth", "degrees aside", (0.0, 30.0, 60.0, 90.0)),
    "yaw": ("yaw", "degrees", (0.0, 15.0, 30.0, 45.0, 60.0)),
    "skin tone": ("skin_tone_ita", "light to dark, degrees ITA", (40.0, 20.0, 0.0, -20.0, -40.0)),
    "age": ("age", "0 young, 1 old", (0.2, 0.4, 0.6, 0.8, 1.0)),
    "glasses": ("glasses", "", ("none", "clear", "sun")),
    "hat": ("hair", "", ("short", "hat")),
    "hand": ("occluder", "", ("none", "hand")),
}
"""What the renderer moves: parameter of `affectkit.faces.draw_face`, unit, steps."""

PIXELS: dict[str, tuple[str, tuple]] = {
    "blur": ("% of the side", (0.0, 1.0, 2.0, 4.0, 6.0)),
    "pixels": ("pixels a side", (SIDE, 64, 48, 32, 24, 16)),
    "JPEG": ("of 100 in quality", (100, 50, 20, 10, 5)),
    "contrast": ("of what it was", (1.0, 0.7, 0.5, 0.3, 0.15)),
    "mirror": ("", ("as it is", "mirrored")),
}
"""What needs no renderer: unit, steps."""

Faces = np.ndarray
"""uint8, shape (n, SIDE, SIDE, 3), RGB."""


def draw_faces(people: int, **fixed: object) -> Faces:
    """Draw each expression of so many people, cut out as FER2013 cuts (see `RAISE_BOX`)."""
    crops = []
    for number in range(people * len(EXPRESSIONS)):
        person, expression = divmod(number, len(EXPRESSIONS))
        image, truth = render_face(
            number, PICTURE, subject=person, expression_clean=EXPRESSIONS[expression], **fixed
        )
        x, y, width, height = truth["face_box"]
        box = (x, y - RAISE_BOX * max(width, height), width, height)
        crops.append(crop_face(image, box, Preprocessing(SIDE)))
    return np.stack(crops)


def drawn_steps(people: int) -> dict[tuple[str, object], Faces]:
    """Draw every step of every change of `DRAWN`."""
    plain = PLAIN | {parameter: steps[0] for parameter, _, steps in DRAWN.values()}
    before = draw_faces(people, **plain)
    return {
        (change, step): before if step == steps[0] else draw_faces(people, **plain | {name: step})
        for change, (name, _, steps) in DRAWN.items()
        for step in steps
    }


def change_pixels(face: np.ndarray, change: str, step: float | str) -> np.ndarray:
    """Change a face as `PIXELS` tells; the first step leaves it (nearly, as a JPEG) as it is."""
    side = face.shape[0]
    if change == "blur":
        return cv2.GaussianBlur(face, (0, 0), step / 100 * side) if step else face
    if change == "pixels":
        small = cv2.resize(face, (step, step), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    if change == "JPEG":
        packed = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, step])[1]
        return cv2.imdecode(packed, cv2.IMREAD_COLOR)
    if change == "contrast":
        return np.rint(128 + step * (face.astype(np.float32) - 128)).clip(0, 255).astype(np.uint8)
    return face[:, ::-1] if step == "mirrored" else face


def pixel_steps(faces: Faces) -> dict[tuple[str, object], Faces]:
    """Do every step of every change of `PIXELS` to all faces."""
    return {
        (change, step): np.stack([change_pixels(face, change, step) for face in faces])
        for change, (_, steps) in PIXELS.items()
        for step in steps
    }


def open_tool(name: str, peer_python: Path | None) -> Callable[[Faces], np.ndarray]:
    """Give what asks a tool about faces: probabilities (n, 8), in the order of `EXPRESSIONS`.

    ValueError where there is no such tool.
    """
    if name in PEERS:
        if peer_python is None:
            raise ValueError(f"{name} needs --peer-python, a Python that has it")
        return lambda faces: ask_peer(
            peer_python,
            name,
            np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces]),
        )
    module, colon, function = name.rpartition(":")
    if name in checkpoint_names() or not colon or Path(name).exists():
        return lambda faces: ask_checkpoint(name, faces)
    sys.path.insert(0, str(Path.cwd()))
    ask = getattr(importlib.import_module(module), function)
    return lambda faces: np.stack([_in_order(ask(face), name) for face in faces])


def _in_order(answer: dict | np.ndarray, name: str) -> np.ndarray:
    if isinstance(answer, dict):
        if unknown := set(answer) - set(EXPRESSIONS):
            raise ValueError(f"expected names of {EXPRESSIONS} from {name}, got {sorted(unknown)}")
        answer = [answer.get(expression, 0.0) for expression in EXPRESSIONS]
    answer = np.asarray(answer, float)
    if answer.shape != (len(EXPRESSIONS),):
        raise ValueError(f"expected {len(EXPRESSIONS)} probabilities from {name}, got {answer}")
    return answer


def stress_rows(
    answers: dict[tuple[str, object], np.ndarray], **labels: object
) -> tuple[list[dict], list[dict]]:
    """Give a row a step, and a row a change, of the probabilities (n, 8) at each step.

    The first step of a change is what the others are compared with.
    """
    steps, changes, before = [], [], {}
    for (change, step), now in answers.items():
        if change not in before:
            before[change] = now
            changes.append(labels | {"change": change, "flips_from": "never"})
        first = before[change]
        row = {
            "change": change,
            "unit": (DRAWN.get(change) or ("", *PIXELS.get(change, ("",))))[1],
            "step": step if isinstance(step, str) else f"{step:g}",
            "rows": len(now),
            "moved": float(abs(now - first).sum(axis=1).mean() / 2),
            "flipped": float((now.argmax(axis=1) != first.argmax(axis=1)).mean()),
        }
        steps.append(labels | row)
        told = changes[-1]
        if row["flipped"] >= 0.5 and told["flips_from"] == "never":
            told["flips_from"] = f"{row['step']} {row['unit']}".strip()
        told |= {f"{name}_at_the_end": row[name] for name in ("moved", "flipped")}
    return steps, changes


def alpha_of_counts(counts: np.ndarray) -> float:
    """Give Krippendorff's nominal alpha of how many raters said what of each face, (n, k).

    Faces with a single rating do not count (Krippendorff, 2004, Content Analysis, ch. 11).
    """
    counts = np.asarray(counts, float)
    counts = counts[counts.sum(axis=1) >= 2]
    others = 1 / (counts.sum(axis=1) - 1)
    together = (counts * others[:, None]).T @ counts - np.diag(others @ counts)
    return nominal_alpha(together / 2)


def agreement_rows(
    data: str, firsts: dict[str, np.ndarray], true: np.ndarray, votes: np.ndarray | None
) -> list[dict]:
    """Give alpha of all tools, of each two, of each with the labels, and of the raters (votes)."""

    def alpha(*raters: np.ndarray) -> float:
        return alpha_of_counts(sum(np.eye(len(EXPRESSIONS))[codes] for codes in raters))

    groups = {"all tools": list(firsts.values())} if len(firsts) > 2 else {}
    groups |= {f"{a} and {b}": [firsts[a], firsts[b]] for a, b in combinations(firsts, 2)}
    groups |= {f"{name} and the labels": [codes, true] for name, codes in firsts.items()}
    rows = [{"between": between, "alpha": alpha(*raters)} for between, raters in groups.items()]
    if votes is not None:
        rows.insert(0, {"between": "the raters", "alpha": alpha_of_counts(votes)})
    return [{"data": data, "rows": len(true)} | row for row in rows]


def read_labelled(
    ferplus: Path | None, london: Path | None, limit: int | None
) -> dict[str, tuple[Faces, np.ndarray, np.ndarray | None]]:
    """Give faces, expressions and the raters' votes, where these are known, of each set."""
    sets: dict[str, tuple[Faces, np.ndarray, np.ndarray | None]] = {}
    if london:
        table = add_face_boxes(load_table("folder", london, limit=limit))
        faces, table = load_faces(table, Preprocessing(SIDE))
        sets["London portraits"] = faces, table["expression"].to_numpy(int), None
    if ferplus:
        faces, table = load_faces(
            load_table("ferplus", ferplus, "test", limit=limit), Preprocessing(FERPLUS_SIDE)
        )
        shares = table[list(SOFT_LABEL_COLUMNS)].to_numpy(float)
        raters = RATERS * table["agreement"].to_numpy(float) / shares.max(axis=1)
        votes = np.rint(shares * raters[:, None])
        sets["FER+ PublicTest"] = faces, table["expression"].to_numpy(int), votes
    return sets


def main(command: list[str]) -> Path:
    """Draw, ask, compare, write."""
    parser = new_parser("stress.py", __doc__)
    parser.add_argument("--tools", nargs="+", default=["affectkit-real", "affectkit-synthetic"])
    parser.add_argument("--peer-python", type=Path, help="Python with fer and facex")
    parser.add_argument("--people", type=int, default=4, help="drawn, each with all expressions")
    report = Report.begin("stress", parser, command)
    arguments = report.arguments
    tools = {name: open_tool(name, arguments.peer_python) for name in arguments.tools}
    labelled = read_labelled(arguments.ferplus, arguments.london, arguments.limit)
    sets = {"drawn": drawn_steps(arguments.people)}
    sets["drawn"] |= pixel_steps(next(iter(sets["drawn"].values())))
    if "London portraits" in labelled:
        sets["portraits"] = pixel_steps(labelled["London portraits"][0])
    labelled["drawn"] = sets["drawn"]["lamp", 0.0], np.tile(range(8), arguments.people), None
    changes, steps, right = [], [], []
    firsts: dict[str, dict[str, np.ndarray]] = {data: {} for data in labelled}
    for name, ask in tools.items():
        tool = Path(name).name
        try:
            first = {data: ask(faces).argmax(axis=1) for data, (faces, _, _) in labelled.items()}
        except (OSError, RuntimeError) as error:  # a peer that is not installed
            report.notes.append(f"{name} was not asked: {error}")
            continue
        for data, answers in first.items():
            firsts[data][tool], true = answers, labelled[data][1]
            share = float((answers == true).mean())
            right.append({"tool": tool, "data": data, "rows": len(true), "accuracy": share})
        for faces, changed in sets.items():
            asked = np.split(ask(np.concatenate(list(changed.values()))), len(changed))
            answers = dict(zip(changed, asked, strict=True))
            told = stress_rows(answers, tool=tool, faces=faces)
            steps, changes = steps + told[0], changes + told[1]
    report.tables = {"changes": changes, "steps": steps, "accuracy": right}
    report.tables["agreement"] = [
        row
        for data, (_, true, votes) in labelled.items()
        for row in agreement_rows(data, firsts[data], true, votes)
    ]
    report.tables["model"] = [
        {"tool": name} | model_file(name) for name in tools if name in checkpoint_names()
    ]
    table = pd.DataFrame(steps)
    for tool, rows in table[table["faces"] == "drawn"].groupby("tool", sort=False):
        report.ratio(f"{tool}: flipped, mean of all steps", float(rows["flipped"].mean()))
    report.notes += [
        f"Drawn: {arguments.people} people with each of eight expressions. With so few faces a "
        "share of .5 has a standard error of "
        f"{0.5 / np.sqrt(len(codes := labelled['drawn'][1])):.2f}; compare tools, on the same "
        f"{len(codes)} faces, rather than steps.",
        "A flip says nothing of right or wrong: a tool that always gives one answer never flips. "
        "fer and facex know no Contempt. fer's network was trained on FER2013, affectkit-real on "
        "FER+'s labels of it (Training images, not PublicTest) and on drawn faces of other people; "
        "affectkit-synthetic on drawn faces only.",
        "The raters' alpha is of their votes for the eight expressions on the same faces. FER+'s "
        "have a majority each: on the others raters agree less.",
    ]
    shown = table[(table["faces"] == "portraits") | ~table["change"].isin(PIXELS)]
    if "portraits" not in sets:
        shown = table
    report.figures["stress"] = plot_stress(shown)
    return report.write()


if __name__ == "__main__":
    main(sys.argv[1:])
