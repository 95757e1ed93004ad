"""Measure a shipped checkpoint on real faces and write the tables of its model card.

Usage::

    python benchmarks/measure_checkpoint.py affectkit-real --ferplus FERPLUS --london LONDON_FACES \
        --output FOLDER

Runs what `affectkit evaluate` runs: float32, float16 and int8 on FER+'s test rows (PublicTest) and
on London's 40 portraits. The folder gets every metrics.json, predictions.csv and plot. The tables
replace what stands between the two `measured` marks of affectkit/assets/checkpoints/NAME.md; the
hours of training are not measured here, and are told by the prose above. With both sets there are
also tables of where smiles begin, one with thresholds from the votes of FER+'s raters. With
--affectfaces the bundled drawings are measured too.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")

from sklearn.metrics import roc_curve

from affectkit.data import load_table
from affectkit.evaluation import EvaluationSettings, evaluate_run
from affectkit.labels import EXPRESSIONS
from affectkit.models import checkpoint_names, load_any_models
from affectkit.models.cards import FOLDER

BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
ADDED = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
SHARES = (0.5, 0.2, 0.1)
Results = dict[tuple[str, str, str], dict]


def evaluate(name: str, sets: dict[str, dict], output: Path) -> Results:
    """Evaluate every form of a checkpoint on every set: {(set, form, task): result}."""
    results = {}
    forms = [form for form in checkpoint_names() if form == name or form.startswith(f"{name}-")]
    for form in forms:
        for task, loaded in load_any_models(form).items():
            for title, source in sets.items():
                if task == "regression" and source["dataset"] == "folder":
                    source = source | {"root": labelled_copy(source["root"], output)}
                for flip in (False, True) if task == "classification" else (False,):
                    key = (title, form + (", mirrored too" if flip else ""), task)
                    folder = folder_of(output, key)
                    results[key] = evaluate_run(
                        loaded, form, folder, EvaluationSettings(flip=flip, **source)
                    ).result
    return results


def labelled_copy(root: Path, output: Path) -> Path:
    """Copy a folder's images, with a labels.csv of constant valence and arousal, 0.

    London's portraits have none; this way the regressor's answers are written down. Metrics against
    these are not used.
    """
    folder = output / "unrated"
    folder.mkdir(parents=True, exist_ok=True)
    labels = pd.read_csv(root / "labels.csv").assign(valence=0.0, arousal=0.0)
    for file in labels["file"]:
        shutil.copy(root / file, folder / file)
    labels.to_csv(folder / "labels.csv", index=False)
    return folder


def folder_of(output: Path, key: tuple[str, str, str]) -> Path:
    """Give the folder of one result."""
    return output / "_".join(key).replace(" ", "_").replace(",", "").replace("+", "plus")


def markdown(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a Markdown table; numbers with three digits."""
    cells = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
             for row in rows]  # fmt: skip
    header = list(header)
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_interval(entry: dict) -> str:
    """Write a metric with its 95 % interval."""
    text = f"{entry['value']:.3f}"
    return text if entry["low"] is None else f"{text} ({entry['low']:.3f} to {entry['high']:.3f})"


def forms_table(results: Results, title: str, name: str) -> str:
    """Accuracy, macro F1, calibration and size of each form on one set."""
    card = json.loads((FOLDER / f"{name}.json").read_text())
    rows = []
    for (dataset, form, task), result in results.items():
        if dataset != title or task != "classification":
            continue
        kind = form.partition(",")[0].removeprefix(name).strip("-") or "float32"
        after = result["calibration"]["after"] or result["calibration"]["before"]
        rows.append([
            form, f"{card['files'][kind]['bytes'] / 1e6:.2f}",
            with_interval(result["metrics"]["accuracy"]), result["metrics"]["macro_f1"]["value"],
            result["calibration"]["before"]["ece"]["value"], after["ece"]["value"],
        ])  # fmt: skip
    header = ("form", "MB", "accuracy (95 %)", "macro F1", "ECE as it is", "with temperature")
    return markdown(header, rows)


def slices_table(result: dict) -> str:
    """Accuracy of every group of every slice column."""
    rows = [
        [f"{column}: {entry['group']}", entry["rows"], with_interval(entry["accuracy"])]
        for column, entries in result["slices"].items()
        for entry in entries
    ]
    return markdown(("slice", "faces", "accuracy (95 %)"), rows)


def classes_table(result: dict, output: Path, key: tuple[str, str, str]) -> str:
    """Of each class: faces, precision, recall, and the mean valence and arousal predicted."""
    title, form, _ = key
    true = pd.read_csv(folder_of(output, key) / "predictions.csv", index_col="image_id")
    pairs = pd.read_csv(
        folder_of(output, (title, form, "regression")) / "predictions.csv", index_col="image_id"
    )
    means = pairs.groupby(true["expression"].reindex(pairs.index)).mean(numeric_only=True)
    rated = pairs["valence"].abs().sum() > 0
    rows = []
    for expression in [name for name in EXPRESSIONS if result["per_class"].get(name, {}).get("n")]:
        entry, mean = result["per_class"][expression], means.loc[expression]
        row = [expression, entry["n"], entry["precision"], entry["recall"]]
        row.append(f"{mean['predicted_valence']:+.2f}, {mean['predicted_arousal']:+.2f}")
        rows.append([*row, f"{mean['valence']:+.2f}, {mean['arousal']:+.2f}" if rated else "none"])
    header = ("true class", "faces", "precision", "recall", "mean valence, arousal", "target")
    return markdown(header, rows)


def thresholds_table(results: Results, name: str, output: Path) -> str:
    """Accuracy of all sets with something added to Happy's logit: where smiles begin is chosen."""
    keys = [key for key in results if key[1:] == (name, "classification")]
    header = ["added to Happy's logit"]
    columns = []
    for key in keys:
        answers = pd.read_csv(folder_of(output, key) / "predictions.csv")
        names = [f"probability_{expression.lower()}" for expression in EXPRESSIONS]
        logits = np.log(answers[names].to_numpy().clip(1e-12))
        true = answers["expression"].map(EXPRESSIONS.index).to_numpy()
        happy = np.eye(len(EXPRESSIONS))[EXPRESSIONS.index("Happy")]
        header += [f"{key[0]}: accuracy", "of Happy"]
        predicted = [(logits + added * happy).argmax(axis=1) for added in ADDED]
        columns.append([(answer == true).mean() for answer in predicted])
        smiling = true == EXPRESSIONS.index("Happy")
        columns.append([(answer == true)[smiling].mean() for answer in predicted])
    return markdown(header, zip(map("{:g}".format, ADDED), *columns, strict=True))


def raters_table(answers: dict[str, pd.DataFrame], votes: pd.DataFrame) -> str:
    """Accuracy of "is it a smile?" on all sets but the first, where a part of its raters saw one.

    The least of Happy against Neutral that counts as a smile is fitted on the first set: the
    greatest sum of sensitivity and specificity (Youden, 1950), for each share of raters.

    Parameters
    ----------
    answers : dict of str to DataFrame
        By set, as in predictions.csv; the first has an image_id.
    votes : pandas.DataFrame
        The first one's rows, with the raters' votes; those who said something else than Happy or
        Neutral do not count, and faces of which most did are left out.
    """
    margins = {
        name: np.log(one["probability_happy"].clip(1e-12) / one["probability_neutral"].clip(1e-12))
        for name, one in answers.items()
    }
    first, *others = answers
    rows = votes.set_index("image_id").loc[answers[first]["image_id"]]
    either = (rows["soft_happy"] + rows["soft_neutral"]).to_numpy(float)
    kept = either >= 0.5
    share = rows["soft_happy"].to_numpy(float)[kept] / either[kept]
    table = []
    for least in SHARES:
        seen = share >= least - 1e-6
        false, true, thresholds = roc_curve(seen, margins[first][kept])
        best = int(np.argmax(true - false))
        table.append([f"{least:g}", f"{thresholds[best]:.2f}", (true[best] + 1 - false[best]) / 2])
        for name in others:
            smiling = answers[name]["expression"] == "Happy"
            right = (margins[name] >= thresholds[best]) == smiling
            table[-1] += [right.mean(), right[~smiling].mean(), right[smiling].mean()]
    header = ["share of raters who see a smile", "ln(Happy / Neutral) from", f"{first}: balanced"]
    for name in others:
        header += [f"{name}: accuracy", "of Neutral", "of Happy"]
    return markdown(header, table)


def report(results: Results, name: str, output: Path, votes: pd.DataFrame | None = None) -> str:
    """Write all tables; that of the raters' shares if their votes on the first set are given."""
    parts = []
    for title in dict.fromkeys(dataset for dataset, _, _ in results):
        result = results[title, name, "classification"]
        dummy = result["baselines"]["dummy_most_frequent"]
        parts += [
            f"### {title}\n",
            f"{result['rows']:,} faces, protocol `{result['protocol']}`. Always the most frequent "
            f"class: accuracy {dummy['accuracy']:.3f}, macro F1 {dummy['macro_f1']:.3f}.\n",
            forms_table(results, title, name) + "\n",
            classes_table(result, output, (title, name, "classification")) + "\n",
        ]
        if result["slices"]:
            parts.append(slices_table(result) + "\n")
        rated = results.get((title, name, "regression"))
        if rated and rated["metrics"]["valence_ccc"]["value"] is not None:  # not for constants
            kind = "vote-derived" if rated["derived_rows"] else "true"
            rows = [
                [form, *(with_interval(found["metrics"][key])
                         for key in ("valence_ccc", "arousal_ccc", "valence_rmse", "arousal_rmse"))]
                for (dataset, form, task), found in results.items()
                if dataset == title and task == "regression"
            ]  # fmt: skip
            header = (f"against {kind} values", "CCC valence", "CCC arousal", "RMSE valence",
                      "RMSE arousal")  # fmt: skip
            parts.append(markdown(header, rows) + "\n")
    if len({dataset for dataset, _, _ in results}) > 1:
        parts += ["### Where smiles begin\n", thresholds_table(results, name, output) + "\n"]
        if votes is not None:
            answers = {
                title: pd.read_csv(
                    folder_of(output, (title, name, "classification")) / "predictions.csv"
                )
                for title in dict.fromkeys(dataset for dataset, _, _ in results)
            }
            parts += [
                "#### Asked as: how many raters would see a smile?\n",
                raters_table(answers, votes) + "\n",
            ]
    return "\n".join(parts)


def main() -> None:
    """Evaluate, print, and put the tables into the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=checkpoint_names()[::3])
    parser.add_argument("--ferplus", type=Path)
    parser.add_argument("--london", type=Path)
    parser.add_argument("--affectfaces", action="store_true")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    sets: dict[str, dict] = {}
    if arguments.ferplus:
        sets["FER+ PublicTest"] = {"dataset": "ferplus", "root": arguments.ferplus}
    if arguments.london:
        sets["London faces"] = {"dataset": "folder", "root": arguments.london}
    if arguments.affectfaces:
        sets["AffectFaces test"] = {"dataset": "affectfaces"}
    results = evaluate(arguments.name, sets, arguments.output)
    votes = load_table("ferplus", arguments.ferplus, "test") if arguments.ferplus else None
    tables = report(results, arguments.name, arguments.output, votes)
    print(tables)
    card = FOLDER / f"{arguments.name}.md"
    before, _, rest = card.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    card.write_text(f"{before}{BEGIN}\n{tables}{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
