"""Renew what README shows of a whole course: a picture of each notebook's end, and the results.

    affectkit course --all --output runs/front_page
    python .ci/front_page.py runs/front_page

It writes notebooks/pictures/, benchmarks/course.json (the run's summary) and the tables between the
marks in README.md. `make front-page` does both; tests/project/test_readme.py compares them.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from itertools import takewhile
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURES = ROOT / "notebooks" / "pictures"
SUMMARY = ROOT / "benchmarks" / "course.json"
WIDTH, LARGEST = 480, 60_000
"""Pixels, and bytes of a file."""

NAMES = {
    "accuracy": "accuracy, eight expressions",
    "macro_f1": "macro F1",
    "cohen_kappa": "Cohen's kappa",
    "valence_ccc": "CCC of valence",
    "arousal_ccc": "CCC of arousal",
    "valence_rmse": "RMSE of valence",
    "arousal_rmse": "RMSE of arousal",
}


def last_picture(notebook: Path) -> Image.Image | None:
    """Give the last figure of an executed notebook before its exercises."""
    cells = nbformat.read(notebook, as_version=4).cells
    cells = list(takewhile(lambda cell: "## Exercises" not in cell.source, cells))
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    found = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    return Image.open(io.BytesIO(base64.b64decode(found[-1]))) if found else None


def write_pictures(notebooks: list[Path]) -> None:
    """Write `NN_name.webp` for each notebook that has a figure; older pictures are removed."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.webp"):
        old.unlink()
    for notebook in notebooks:
        picture = last_picture(notebook)
        if picture is None:
            continue
        picture = picture.convert("RGB")
        picture.thumbnail((WIDTH, WIDTH))
        path = PICTURES / f"{notebook.stem}.webp"
        for quality in (85, 70, 50, 30):
            picture.save(path, quality=quality, method=6)
            if path.stat().st_size <= LARGEST:
                break


def results_table(summary: dict) -> str:
    """Write the results as README shows them: with intervals, beside the baseline."""
    lines = ["| metric | value (95 % interval) | baseline |", "|---|---|---|"]
    for result in summary["metrics"].values():
        (baseline,) = list(result["baselines"].values())[:1]
        for name, title in NAMES.items():
            if entry := result["metrics"].get(name):
                interval = (
                    "" if entry["low"] is None else f"{entry['low']:.3f} to {entry['high']:.3f}"
                )
                guess = baseline.get(name)
                told = "" if guess is None else f"{guess:.3f}"
                lines.append(f"| {title} | {entry['value']:.3f} ({interval}) | {told} |")
    return "\n".join(lines)


def results(summary: dict) -> str:
    """Write what README says of the course's results."""
    return f"{results_table(summary)}\n\n{noise(summary)}"


def noise(summary: dict) -> str:
    """Say how the accuracy is to be read beside labels that are wrong on purpose."""
    found = summary["metrics"]["classifier"]["noise_ceiling"]
    return (
        "The labels are noisy on purpose: two annotators agree on "
        f"{found['annotator_agreement']:.3f} of these faces, and a network that is always right "
        f"scores {found['label_accuracy']:.3f} against one of them. Against the true expressions "
        f"this one scores {found['accuracy_against_clean']:.3f}."
    )


def put_between_marks(text: str, name: str, content: str) -> str:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`."""
    new, count = re.subn(
        rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)",
        lambda found: found[1] + content + found[2],
        text,
        flags=re.DOTALL,
    )
    if count != 1:
        raise ValueError(f"expected one pair of marks {name} in {README}, found {count}")
    return new


if __name__ == "__main__":
    run = Path(sys.argv[1])
    content = json.loads((run / "summary.json").read_text("utf-8"))
    if content["status"] != "completed":
        raise SystemExit(f"the course in {run} has not run to its end")
    write_pictures(sorted((run / "notebooks").glob("*.ipynb")))
    SUMMARY.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    page = put_between_marks(README.read_text("utf-8"), "results", results(content))
    README.write_text(page, "utf-8")
