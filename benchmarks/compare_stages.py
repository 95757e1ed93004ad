"""Measure every classifier that a training of affectkit-real left in its run folder.

Usage::

    python benchmarks/compare_stages.py runs/real runs/real_without_smiles --ferplus FERPLUS \
        --london LONDON_FACES --output FOLDER

Each stage of the recipe leaves a network in models/. This tests them all as `affectkit evaluate`
does, on FER+'s PublicTest faces and London's portraits, and writes FOLDER/stages.md. A network that
several runs share (the same weights) is measured once.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import pandas as pd

from affectkit.evaluation import EvaluationSettings, evaluate_run
from affectkit.models import LoadedModel, load_model

HEADER = """# What each stage gives

The networks that the stages of `affectkit train checkpoint affectkit-real` leave behind, measured
by `benchmarks/compare_stages.py` on {ferplus:,} PublicTest faces of FER+ and {london} London
portraits, where a face is {face:.1f} points. One training of each; the standard error of an
accuracy is .006 on FER+ and about .05 on London. The name `mean` is of the mean of two ends'
weights, which was not gone on with; `classifier` is the last network with its logits shifted
towards rare expressions: what ships, if its run is the one of the checkpoint.

"""


def find_networks(runs: list[Path]) -> list[Path]:
    """Give the runs' classifiers, oldest training first, each set of weights once."""
    seen, found = set(), []
    for run in runs:
        paths = (run / "models").glob("classifier*.keras")
        for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
            digest = weights_digest(load_model(path))
            if digest not in seen:
                seen.add(digest)
                found.append(path)
    return found


def weights_digest(loaded: LoadedModel) -> str:
    """Give the SHA-256 of a network's weights."""
    digest = hashlib.sha256()
    for weight in loaded.model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def measure(path: Path, ferplus: Path, london: Path) -> dict[str, object]:
    """Test one network on both sets."""
    loaded = load_model(path)
    training = loaded.card["training"]
    settings = training["profile"]["classifier"]
    row: dict[str, object] = {
        "network": f"{path.parents[1].name}/{path.stem}",
        "stage": training["profile"]["name"],
        "epochs": settings["epochs"],
        "mixup": settings["mixup"],
        "changes": settings["augmentation"],
        "faint smiles": training.get("faint_smiles", 0),
    }
    for name, dataset, root in (("FER+", "ferplus", ferplus), ("London", "folder", london)):
        with tempfile.TemporaryDirectory() as folder:
            settings = EvaluationSettings(dataset, root, bootstrap=0)
            result = evaluate_run(loaded, path.stem, folder, settings).result
        row[f"{name} faces"] = result["rows"]
        row[f"{name} accuracy"] = result["metrics"]["accuracy"]["value"]
        if name == "FER+":
            row["macro F1"] = result["metrics"]["macro_f1"]["value"]
            row["ECE"] = result["calibration"]["after"]["ece"]["value"]
        else:
            recall = {key: result["per_class"][key]["recall"] for key in ("Neutral", "Happy")}
            row |= {f"London {key}": value for key, value in recall.items()}
    return row


def write_table(rows: list[dict[str, object]], folder: Path) -> Path:
    """Write stages.md."""
    table = pd.DataFrame(rows)
    counts = {name.split("+")[0].lower(): table[f"{name} faces"].iloc[0]
              for name in ("FER+", "London")}  # fmt: skip
    text = HEADER.format(
        ferplus=counts["fer"], london=counts["london"], face=100 / counts["london"]
    )
    table = table.drop(columns=["FER+ faces", "London faces"])
    lines = [table.columns, ["---", "---", *["--:"] * (len(table.columns) - 2)]]
    lines += [[f"{cell:.3f}" if isinstance(cell, float) and name != "mixup" else str(cell)
               for name, cell in row.items()] for row in table.to_dict("records")]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stages.md"
    path.write_text(text + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n", "utf-8")
    return path


def main() -> None:
    """Measure all networks, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    parser.add_argument("--ferplus", type=Path, required=True)
    parser.add_argument("--london", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows = []
    for path in find_networks(arguments.runs):
        rows.append(measure(path, arguments.ferplus, arguments.london))
        print(rows[-1], flush=True)
    print(write_table(rows, arguments.output).read_text("utf-8"))


if __name__ == "__main__":
    main()
