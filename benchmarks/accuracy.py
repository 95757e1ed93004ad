"""Measure networks on real faces: a checkpoint and its exports, its confidence, its training.

Usage::

    python benchmarks/accuracy.py card affectkit-real --ferplus FERPLUS --london LONDON_FACES \\
        --output FOLDER
    python benchmarks/accuracy.py confidence affectkit-real --ferplus FERPLUS --press PRESS_FACES \\
        --london LONDON_FACES --output FOLDER
    python benchmarks/accuracy.py exports affectkit-real --ferplus FERPLUS --output FOLDER
    python benchmarks/accuracy.py ledger --ferplus FERPLUS --peer-python VENV/bin/python \\
        --output FOLDER
    python benchmarks/accuracy.py stages runs/real runs/real_without_smiles --ferplus FERPLUS \\
        --london LONDON_FACES --output FOLDER
    python benchmarks/accuracy.py recipe --root FERPLUS --weights imagenet --output FOLDER

`card` runs what `affectkit evaluate` runs: float32, float16 and int8 on FER+'s test rows
(PublicTest) and on London's 40 portraits. The folder gets every metrics.json, predictions.csv and
plot. The tables replace what stands between the two `measured` marks of
affectkit/assets/checkpoints/NAME.md; the hours of training are not measured here, and are told by
the prose above. With both sets there are also tables of where smiles begin, one with thresholds
from the votes of FER+'s raters. With --affectfaces the bundled drawings are measured too.

`confidence` fits the temperature of all pictures, FER+'s own one, the share of plausible
expressions and the balanced prior on faces held out (`affectkit.training.recipes.shift`), writes
them into the card, and what they are worth on other faces between the two `confidence` marks: of
float16, whose answers are float32's within .02, and of int8. ECE is reported with the temperature
of all pictures, with one for which the whole source was unseen, and with FER+'s. London's portraits
and PublicTest are only reported on.

`exports` writes the ONNX files of `affectkit export` into the folder and asks them, in ONNX Runtime
on the CPU, and Keras about the same faces: FER+'s PublicTest and the bundled drawings. How far
apart the answers are stands between the two `exports` marks of the card.

`ledger` sets beside one another what papers claim, what others found, what is measured here, and
what raters reach, into affectkit-real's card; and counts FER+'s test faces whose pixels are those
of a Training face, into FER+'s card, with all of that without them. A new panel is ten raters drawn
from the votes that a face got, which takes these for all that people would say, and flatters it.

`stages`: each stage of `affectkit train checkpoint` leaves a network in models/. This tests them
all on both sets, and writes FOLDER/stages.md. A network that several runs share (the same weights)
is measured once.

`recipe` trains the first stage of `affectkit.training.recipes.train` on a part of FER+ at 64 px,
then once more without each part, with several seeds, and tests on FER+'s PublicTest images. Writes
one JSON file a run to the output folder and the table to its ablation.md; finished runs are not
repeated, so that the folder can be filled over several sessions (benchmarks/ablation is such a
folder). Two processes with one thread each (TF_NUM_INTRAOP_THREADS=1) and seeds of their own
(--first-seed) are faster than one with two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from peers import PEERS, ask_checkpoint, ask_peer
from report import (
    ROOT,
    add_data,
    choose,
    data_sets,
    markdown_grid,
    model_file,
    new_parser,
    write_between,
)
from sklearn.metrics import roc_curve

from affectkit.data import SOFT_LABEL_COLUMNS, SkippedRows, load_faces, load_table
from affectkit.data.sets.ferplus import load_ferplus
from affectkit.data.table import STANDARD_COLUMNS
from affectkit.evaluation import (
    EvaluationSettings,
    evaluate_classification,
    evaluate_run,
    expected_calibration_error,
    fit_plausible_share,
)
from affectkit.evaluation.results import LEDGER
from affectkit.export import export_model
from affectkit.files import write_atomically, write_json
from affectkit.labels import EXPRESSIONS
from affectkit.models import (
    Model,
    apply_temperature,
    build_classifier,
    checkpoint_names,
    open_model,
    plausible_expressions,
    predict_faces,
)
from affectkit.models.cards import FOLDER, Confidence, read_card, write_card
from affectkit.pipeline.detect.boxes import add_face_boxes
from affectkit.preprocess import Preprocessing, scale_pixels
from affectkit.training import train_model
from affectkit.training.recipes.calibration import class_frequencies
from affectkit.training.recipes.rows import drop_copies, mixed_splits
from affectkit.training.recipes.shift import (
    AS_IS,
    WORSENED,
    Answers,
    Faces,
    balanced_accuracy,
    fit_confidence,
    fit_shared_temperature,
    shifted_faces,
    worsen,
)
from affectkit.training.recipes.stages import PROFILE

ONNX_FORMS = ("onnx", "onnx-float16", "onnx-int8")
ADDED = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
SHARES = (0.5, 0.2, 0.1)
Results = dict[tuple[str, str, str], dict]

STAGES_PAGE = """# What each stage gives

The networks that the stages of `affectkit train checkpoint affectkit-real` leave behind, measured
by `benchmarks/accuracy.py stages` on {ferplus:,} PublicTest faces of FER+ and {london} London
portraits, where a face is {face:.1f} points. One training of each; the standard error of an
accuracy is .006 on FER+ and about .05 on London. The name `mean` is of the mean of two ends'
weights, which was not gone on with; `classifier` is the last network with its logits shifted
towards rare expressions: what ships, if its run is the one of the checkpoint.

"""

VARIANTS: dict[str, dict[str, object]] = {
    "the whole recipe": {},
    "without ImageNet weights": {"weights": None},
    "without unfolding batch normalisation": {"folded": True},
    "without epochs of the head alone": {"head_epochs": 0},
    "hard labels instead of votes": {"hard": True},
    "without mixup": {"mixup": 0.0},
    "without erasing, milder changes": {"augmentation": "strong"},
    "flips and shifts only": {"augmentation": "light"},
    "without the average of weights": {"ema_momentum": 0.0},
    "without AffectFaces": {"drawn": False},
    "class weights (balance 0.5)": {"balance": 0.5},
    "label smoothing 0.1": {"label_smoothing": 0.1},
}
"""What differs from the recipe: fields of TrainingSettings, or a switch that `train` knows."""

SWITCHES = ("weights", "folded", "hard", "drawn")


def evaluate(name: str, sets: dict[str, dict], output: Path) -> Results:
    """Evaluate every form of a checkpoint on every set: {(set, form, task): result}."""
    results = {}
    forms = [form for form in checkpoint_names() if form == name or form.startswith(f"{name}-")]
    for form in forms:
        opened = open_model(form)
        for task in opened.tasks:
            for title, source in sets.items():
                if task == "regression" and source["dataset"] == "folder":
                    source = source | {"root": labelled_copy(source["root"], output)}
                for flip in (False, True) if task == "classification" else (False,):
                    key = (title, form + (", mirrored too" if flip else ""), task)
                    folder = folder_of(output, key)
                    results[key] = evaluate_run(
                        opened.for_task(task),
                        form,
                        folder,
                        EvaluationSettings(flip=flip, **source),
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


def grid(columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    """Write a Markdown table, the numbers aligned to the right."""
    return "\n".join(markdown_grid(columns, rows))


def with_interval(entry: dict) -> str:
    """Write a metric with its 95 % interval."""
    text = f"{entry['value']:.3f}"
    return text if entry["low"] is None else f"{text} ({entry['low']:.3f} to {entry['high']:.3f})"


def forms_table(results: Results, title: str) -> str:
    """Accuracy, macro F1, calibration and size of each form on one set."""
    rows = []
    for (dataset, form, task), result in results.items():
        if dataset != title or task != "classification":
            continue
        size = model_file(form.partition(",")[0])["bytes"]
        after = result["calibration"]["after"] or result["calibration"]["before"]
        rows.append([
            form, f"{size / 1e6:.2f}",
            with_interval(result["metrics"]["accuracy"]), result["metrics"]["macro_f1"]["value"],
            result["calibration"]["before"]["ece"]["value"], after["ece"]["value"],
        ])  # fmt: skip
    header = ("form", "MB", "accuracy (95 %)", "macro F1", "ECE as it is", "with temperature")
    return grid(header, rows)


def slices_table(result: dict) -> str:
    """Accuracy of every group of every slice column."""
    rows = [
        [f"{column}: {entry['group']}", entry["rows"], with_interval(entry["accuracy"])]
        for column, entries in result["slices"].items()
        for entry in entries
    ]
    return grid(("slice", "faces", "accuracy (95 %)"), rows)


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
    return grid(header, rows)


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
    return grid(header, zip(map("{:g}".format, ADDED), *columns, strict=True))


def raters_table(answers: dict[str, pd.DataFrame], votes: pd.DataFrame) -> str:
    """Accuracy of "is it a smile?" on all sets but the first, where a part of its raters saw one.

    The least of Happy against Neutral that counts as a smile is fitted on the first set: the
    greatest sum of sensitivity and specificity (Youden, 1950), for each share of raters. `answers`
    are as in predictions.csv; of the first one's votes, those who said something else than Happy or
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
    return grid(header, table)


def card_tables(
    results: Results, name: str, output: Path, votes: pd.DataFrame | None = None
) -> str:
    """Write all tables; that of the raters' shares if their votes on the first set are given."""
    parts = []
    for title in dict.fromkeys(dataset for dataset, _, _ in results):
        result = results[title, name, "classification"]
        dummy = result["baselines"]["dummy_most_frequent"]
        parts += [
            f"### {title}\n",
            f"{result['rows']:,} faces, protocol `{result['protocol']}`. Always the most frequent "
            f"class: accuracy {dummy['accuracy']:.3f}, macro F1 {dummy['macro_f1']:.3f}.\n",
            forms_table(results, title) + "\n",
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
            parts.append(grid(header, rows) + "\n")
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


def find_networks(runs: list[Path]) -> list[Path]:
    """Give the runs' classifiers, oldest training first, each set of weights once."""
    seen, found = set(), []
    for run in runs:
        paths = (run / "models").glob("classifier*.keras")
        for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
            digest = weights_digest(open_model(path))
            if digest not in seen:
                seen.add(digest)
                found.append(path)
    return found


def weights_digest(loaded: Model) -> str:
    """Give the SHA-256 of a network's weights."""
    digest = hashlib.sha256()
    for weight in loaded.model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def measure_stage(path: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Test one network on both sets."""
    loaded = open_model(path)
    training = loaded.training
    settings = training["profile"]["classifier"]
    row: dict[str, object] = {
        "network": f"{path.parents[1].name}/{path.stem}",
        "stage": training["profile"]["name"],
        "epochs": settings["epochs"],
        "mixup": settings["mixup"],
        "changes": settings["augmentation"],
        "faint smiles": training.get("faint_smiles", 0),
    }
    for title, source in data_sets(arguments).items():
        name = title.split()[0]
        settings = EvaluationSettings(limit=arguments.limit, bootstrap=0, **source)
        with tempfile.TemporaryDirectory() as folder:
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


def write_stages(rows: list[dict[str, object]], folder: Path) -> Path:
    """Write stages.md."""
    table = pd.DataFrame(rows)
    counts = {name.split("+")[0].lower(): table[f"{name} faces"].iloc[0]
              for name in ("FER+", "London")}  # fmt: skip
    text = STAGES_PAGE.format(
        ferplus=counts["fer"], london=counts["london"], face=100 / counts["london"]
    )
    table = table.drop(columns=["FER+ faces", "London faces"]).astype({"mixup": str})
    lines = markdown_grid(list(table), table.to_dict("split")["data"], left=2)
    return write_atomically(folder / "stages.md", text + "\n".join(lines) + "\n")


def train_variant(
    change: dict[str, object], splits: dict[str, pd.DataFrame], arguments: argparse.Namespace,
    seed: int,
) -> tuple[Model, tuple[pd.DataFrame, np.ndarray]]:  # fmt: skip
    """Train one variant and give it with the test rows and faces."""
    keras.utils.set_random_seed(seed)
    preprocessing = Preprocessing(arguments.size, grey=True)
    table = splits["train"]
    if not change.get("drawn", True):
        table = table[~table["image_id"].str.endswith(".webp")].reset_index(drop=True)
    if change.get("hard"):
        table = table.assign(**dict.fromkeys(SOFT_LABEL_COLUMNS, np.nan))
    test_faces, test = load_faces(splits["test"], preprocessing)
    train_faces, table = load_faces(table, preprocessing)
    train_pair = drop_copies(table, train_faces, test_faces)
    validation_faces, validation = load_faces(splits["validation"], preprocessing)
    weights = change.get("weights", arguments.weights)
    model = build_classifier(arguments.size, PROFILE.alpha, PROFILE.dropout, weights)
    fields = {name: value for name, value in change.items() if name not in SWITCHES}
    settings = replace(PROFILE.classifier, epochs=arguments.epochs, **fields)
    keep_folded = mock.patch("affectkit.training.fit.is_folded", return_value=False)
    with ExitStack() as stack:
        logs = stack.enter_context(tempfile.TemporaryDirectory())
        if change.get("folded"):
            stack.enter_context(keep_folded)
        train_model(
            model, train_pair, (validation, validation_faces), preprocessing, settings, logs, seed
        )
    return Model.of_keras(model, preprocessing), (test, test_faces)


def measure_variant(loaded: Model, test: tuple[pd.DataFrame, np.ndarray]) -> dict[str, float]:
    """Accuracy and macro F1 on the test rows, and accuracy with mirrored answers averaged in."""
    found = {}
    for name, flip in (("", False), ("_flip", True)):
        answers = predict_faces(loaded, *test, flip=flip)
        metrics = evaluate_classification(answers, test[0], bootstrap=0)["metrics"]
        found |= {f"{key}{name}": metrics[key]["value"] for key in ("accuracy", "macro_f1")}
    return found


def write_parts(folder: Path) -> Path:
    """Write ablation.md from all finished runs: means over seeds, and the change by each part."""
    runs = pd.DataFrame([json.loads(path.read_text()) for path in folder.glob("*.json")])
    means = runs.groupby("variant")[["accuracy", "macro_f1", "accuracy_flip"]].agg(["mean", "std"])
    whole = means.loc["the whole recipe"]
    (setting,) = {tuple(row) for row in runs[["size", "rows", "epochs"]].to_numpy().tolist()}
    steps = setting[2] * setting[1] * 7 / 6 / PROFILE.classifier.batch_size
    lines = [
        "# What each part of the recipe gives",
        "",
        f"`benchmarks/accuracy.py recipe` at {setting[0]} px, {setting[1]:,} of FER+'s Training",
        f"faces and a sixth as many drawn ones, {setting[2]} epochs ({steps:.0f} steps); tested on",
        "3,199 PublicTest faces with a majority. The standard error of one accuracy is 0.008: with",
        "few seeds, read changes below 0.02 as nothing. Each variant is the whole recipe but for",
        "what its name says.",
        "",
        "These trainings are short. What keeps a network from learning its faces by heart (mixup,",
        "erasing, strong changes) can only hold such a training back, and an average over about",
        "1,000 steps has not forgotten the first ones by the end. That these cost accuracy here",
        "says nothing about the shipped networks: they train for more than 20,000 steps, on larger",
        "faces.",
        "",
    ]
    columns = ("variant", "seeds", "accuracy (sd)", "change", "macro F1", "with mirror images")
    rows = []
    for variant in [name for name in VARIANTS if name in means.index]:
        row, seeds = means.loc[variant], int((runs["variant"] == variant).sum())
        mean, spread = row["accuracy"]["mean"], row["accuracy"]["std"]
        told = f"{mean:.3f} ({'one' if np.isnan(spread) else f'{spread:.3f}'})"
        change = f"{mean - whole['accuracy']['mean']:+.3f}"
        means_of = (row["macro_f1"]["mean"], row["accuracy_flip"]["mean"])
        rows.append((variant, seeds, told, change, *map(float, means_of)))
    lines += markdown_grid(columns, rows)
    return write_atomically(folder / "ablation.md", "\n".join(lines) + "\n")


def card(command: list[str]) -> None:
    """Measure a shipped checkpoint and write the tables of its card, unless `--limit` is given."""
    parser = new_parser("accuracy.py card", card.__doc__, threads=None)
    parser.add_argument("name", choices=checkpoint_names()[::3])
    add_data(parser)
    parser.add_argument("--affectfaces", action="store_true")
    arguments = parser.parse_args(command)
    sets = data_sets(arguments)
    if arguments.affectfaces:
        sets["AffectFaces test"] = {"dataset": "affectfaces"}
    if not sets:
        parser.error("name a data set: --ferplus, --london or --affectfaces")
    sets = {title: source | {"limit": arguments.limit} for title, source in sets.items()}
    results = evaluate(arguments.name, sets, arguments.output)
    votes = load_table("ferplus", arguments.ferplus, "test") if arguments.ferplus else None
    tables = card_tables(results, arguments.name, arguments.output, votes)
    print(tables)
    if arguments.limit is None:
        write_between(FOLDER / f"{arguments.name}.md", "measured", tables.rstrip("\n"))


def ask(loaded: Model, faces: dict[str, Faces], worsened: int) -> Answers:
    """Ask a classifier about faces as they are, and about so many of each source worsened."""
    answers: Answers = {}
    for source, (table, pixels) in faces.items():
        labels = table["expression"].to_numpy(int)
        chosen = np.random.default_rng(0).permutation(len(labels))[:worsened]
        answers[source, AS_IS] = labels, probabilities(loaded, pixels)
        for kind in WORSENED if worsened else ():
            changed = worsen(pixels[chosen], kind)
            answers[source, kind] = labels[chosen], probabilities(loaded, changed)
    if "press" in faces:
        answers["press", "evened"] = evened(*answers["press", AS_IS])
    return answers


def evened(labels: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take all rare expressions, and as many Neutral and Happy faces each: press has few others."""
    order = np.random.default_rng(0).permutation(len(labels))
    rare = order[labels[order] > 1]
    often = [order[labels[order] == code][: len(rare)] for code in (0, 1)]
    rows = np.concatenate([rare, *often])
    return labels[rows], given[rows]


def probabilities(loaded: Model, pixels: np.ndarray) -> np.ndarray:
    """Ask about faces, uint8 (n, size, size, 3): before temperature scaling, (n, 8)."""
    return answers_of(loaded, pixels)["expression"]


def confidence_row(
    name: str,
    answer: tuple[np.ndarray, np.ndarray],
    temperatures: dict[str, float | None],
    found: Confidence,
) -> dict[str, object]:
    """Give accuracy, ECE with each temperature, coverage, and what the balanced prior does."""
    labels, given = answer
    firsts = given.argmax(axis=1)
    shifted = (given * np.exp(found["balanced_prior"])).argmax(axis=1)
    sets = plausible_expressions(given, found["plausible_share"])
    row: dict[str, object] = {"faces": name, "rows": len(labels)}
    row["accuracy"] = float((firsts == labels).mean())
    for title, temperature in temperatures.items():
        scaled = None if temperature is None else apply_temperature(given, temperature)
        row[title] = "" if scaled is None else expected_calibration_error(labels, scaled)
    row["coverage"] = float(sets[np.arange(len(labels)), labels].mean())
    row["plausible a face"] = float(sets.sum(axis=1).mean())
    row["balanced accuracy"] = balanced_accuracy(labels, firsts)
    row["balanced prior: accuracy"] = float((shifted == labels).mean())
    row["and balanced accuracy"] = balanced_accuracy(labels, shifted)
    return row


def confidence_rows(
    chosen: Answers, reported: dict[str, Answers], temperature: float, found: Confidence
) -> list[dict[str, object]]:
    """Give a row for the faces of each source, kind and form ("" for the one that was fitted)."""
    own = found.get("protocol_temperatures", {}).get("ferplus-majority")
    rows = []
    for form, answers in reported.items():
        for (source, kind), answer in answers.items():
            others = {key: one for key, one in chosen.items() if key[0] != source}
            unseen = fit_shared_temperature(others) if others else None
            temperatures = {
                "ECE as it is": 1.0,
                f"all pictures ({temperature:.2f})": temperature,
                "source unseen": unseen,
                f"FER+'s ({own:.2f})" if own else "FER+'s": own,
            }
            name = ", ".join(part for part in (source, kind, form) if part not in ("", AS_IS))
            rows.append(confidence_row(name, answer, temperatures, found))
    return rows


def confidence(command: list[str]) -> None:
    """Fit confidence on faces held out, and write it and what it is worth into the card."""
    parser = new_parser("accuracy.py confidence", confidence.__doc__, threads=None)
    parser.add_argument("name", choices=checkpoint_names()[::3])
    add_data(parser)
    parser.add_argument("--press", type=Path, help="folder of press photographs")
    parser.add_argument("--worsened", type=int, default=600, help="faces of each source")
    arguments = parser.parse_args(command)
    forms = {end: open_model(f"{arguments.name}-{end}").for_task("classification")
             for end in ("float16", "int8")}  # fmt: skip
    exact = forms["float16"]
    if arguments.ferplus and arguments.press:
        places = arguments.ferplus, arguments.press
        faces = {part: shifted_faces(*places, part, exact.preprocessing, arguments.limit)
                 for part in ("choose", "report")}  # fmt: skip
        chosen = ask(exact, faces["choose"], arguments.worsened)
        photographs = load_table("ferplus", arguments.ferplus, "train")
        frequencies = class_frequencies(photographs["expression"].to_numpy(int))
        temperature, found = fit_confidence(chosen, frequencies)
    else:  # the drawn faces with the labels that it learned from: one source, equally frequent
        faces = {}
        for part, split in (("choose", "validation"), ("report", "test")):
            table = load_table("affectfaces", split=split, limit=arguments.limit)
            faces[part] = {"drawn": load_faces(table, exact.preprocessing)[::-1]}
        chosen = ask(exact, faces["choose"], 0)
        temperature = exact.temperature
        share = fit_plausible_share(*chosen["drawn", AS_IS])
        found = {"plausible_share": share, "balanced_prior": [0.0] * len(EXPRESSIONS)}
    if arguments.london:
        table = add_face_boxes(load_table("folder", arguments.london, limit=arguments.limit))
        faces["report"]["London"] = load_faces(table, exact.preprocessing)[::-1]
    worsened = arguments.worsened if arguments.press else 0
    reported = {"": ask(exact, faces["report"], worsened)}
    reported["int8"] = ask(forms["int8"], faces["report"], 0)
    rows = confidence_rows(chosen, reported, temperature, found)
    tables = grid(list(rows[0]), [list(row.values()) for row in rows])
    print(tables)
    write_json({"temperature": temperature, "confidence": found, "rows": rows},
               arguments.output / "confidence.json")  # fmt: skip
    if arguments.limit is None:
        path = FOLDER / f"{arguments.name}.json"
        write_card(read_card(path) | {"temperature": temperature, "confidence": found}, path)
        write_between(path.with_suffix(".md"), "confidence", tables)


def exports(command: list[str]) -> None:
    """Compare the ONNX files of a checkpoint with Keras, for its card unless `--limit` is given."""
    parser = new_parser("accuracy.py exports", exports.__doc__, threads=None)
    parser.add_argument("name", choices=checkpoint_names()[::3])
    add_data(parser)
    arguments = parser.parse_args(command)
    sets = data_sets(arguments) | {"AffectFaces test": {"dataset": "affectfaces"}}
    sets.pop("London faces", None)  # too few to tell shares of a hundred
    source = open_model(arguments.name)
    faces = {}
    for title, place in sets.items():
        table = load_table(**place, split="test", limit=arguments.limit)
        pixels, _ = load_faces(table, source.preprocessing)
        faces[title] = pixels, answers_of(source, pixels)
    rows = []
    for form in ONNX_FORMS:
        manifest = export_model(arguments.name, form, arguments.output)
        exported = open_model(manifest)
        size = model_file(str(manifest))["bytes"]
        for title, (pixels, expected) in faces.items():
            found = answers_of(exported, pixels)
            rows.append(parity_row(title, expected, found) | {"file": form, "MB": size})
    columns = ["file", "MB", *(name for name in rows[0] if name not in ("file", "MB"))]
    table = pd.DataFrame(rows)[columns]
    table["MB"] = (table["MB"] / 1e6).map("{:.2f}".format)
    text = grid(columns, table.to_dict("split")["data"])
    print(text)
    if arguments.limit is None and arguments.ferplus:
        write_between(FOLDER / f"{arguments.name}.md", "exports", text)


def answers_of(loaded: Model, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Ask about faces, uint8 (n, size, size, 3), 256 at a time."""
    parts = np.split(pixels, range(256, len(pixels), 256))
    answers = [loaded(scale_pixels(part.astype(np.float32))) for part in parts]
    return {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}


def parity_row(
    title: str, expected: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> dict[str, object]:
    """Tell how far answers for faces are from those of Keras."""
    firsts, others = (one["expression"].argmax(axis=1) for one in (expected, found))
    row: dict[str, object] = {
        "faces": title,
        "rows": len(firsts),
        "same expression": f"{(firsts == others).mean():.4f}",
    }
    for output, name in (("expression", "probabilities"), ("valence_arousal", "valence, arousal")):
        apart = np.abs(found[output] - expected[output])
        row[f"{name}: greatest difference"] = f"{apart.max():.1e}"
        row[f"{name}: mean"] = f"{apart.mean():.1e}"
    return row


def are_copies(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell of each face (n, side, side) whether one of the others has the same pixels."""
    known = {face.tobytes() for face in others}
    return np.array([face.tobytes() in known for face in faces], bool)


def raters_reach(shares: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Give for each face how often raters, drawn from the shares of its votes, say its label."""
    rows = np.arange(len(labels))
    panels = np.random.default_rng(0).multinomial(10, shares / shares.sum(axis=1, keepdims=True))
    return {
        "one rater": shares[rows, labels],
        "a new panel of ten, its favourite": (panels.argmax(axis=1) == labels).astype(float),
        "a new panel of ten, its majority": (panels[rows, labels] > 5).astype(float),
    }


def ledger_table(measured: dict[str, tuple[float, float]]) -> str:
    """Write the ledger: what is claimed, then what is measured on all faces and without copies."""
    header = ("set", "who", "claimed", "found by others", "here", "here, without copies")
    rows = [
        (data, system, f"{claimed:g}", found, "", "") for _, data, system, claimed, found in LEDGER
    ]
    rows += [("FER+ PublicTest", name, "", "", *values) for name, values in measured.items()]
    return "\n".join(markdown_grid(header, rows, left=4))


def ledger(command: list[str]) -> None:
    """Set claims, what others found, ours and what raters reach side by side; count copies."""
    parser = new_parser("accuracy.py ledger", ledger.__doc__, threads=None)
    add_data(parser)
    parser.add_argument("--peer-python", type=Path, help="Python with fer and facex")
    arguments = parser.parse_args(command)
    table = load_ferplus(arguments.ferplus, SkippedRows())
    table = table.reindex(columns=[*dict.fromkeys([*table, *STANDARD_COLUMNS])])
    table = table.groupby("split").head(arguments.limit or len(table))
    faces, table = load_faces(table.reset_index(drop=True), Preprocessing(48))
    tested = {"validation": "PublicTest", "test": "PrivateTest"}
    if "validation" not in set(table["split"]):
        tested = {"test": "PublicTest"}
    counts, known = [], faces[(table["split"] == "train").to_numpy()]
    for split, name in tested.items():
        rows = (table["split"] == split).to_numpy()
        copied = are_copies(faces[rows], known)
        labels = table.loc[rows, "expression"].to_numpy(int)
        clear = labels < len(EXPRESSIONS)
        numbers = len(copied), copied.sum(), clear.sum(), (copied & clear).sum()
        counts.append([name, *map(int, numbers)])
        if name == "PublicTest":
            shown, labels, kept = faces[rows][clear], labels[clear], ~copied[clear]
            shares = table.loc[rows, list(SOFT_LABEL_COLUMNS)].to_numpy(float)[clear]
    right = {
        f"{form}, ours": ask_checkpoint(form, shown).argmax(axis=1) == labels
        for form in ("affectkit-real", "affectkit-real-int8")
    }
    for peer in PEERS if arguments.peer_python else ():
        answers = ask_peer(arguments.peer_python, peer, np.ascontiguousarray(shown[..., 0]))
        trained = {"fer": "learnt from FER2013's Training", "facex": "learnt from an unnamed set"}
        right[f"{peer}, {trained[peer]}"] = answers.argmax(axis=1) == labels
    right |= raters_reach(shares, labels)
    measured = {name: (float(one.mean()), float(one[kept].mean())) for name, one in right.items()}
    columns = ("FER+ split", "faces", "copies of a Training face", "with a majority", "copies")
    tables = ledger_table(measured), grid(columns, counts)
    print(*tables, sep="\n\n")
    found = {
        "measured": measured,
        "copies": [dict(zip(columns, row, strict=True)) for row in counts],
    }
    write_json(found, arguments.output / "ledger.json")
    if arguments.limit is None:
        write_between(FOLDER / "affectkit-real.md", "ledger", tables[0])
        write_between(ROOT / "data_cards" / "ferplus.md", "copies", tables[1])


def stages(command: list[str]) -> None:
    """Measure every classifier that trainings of affectkit-real left in their run folders."""
    parser = new_parser("accuracy.py stages", stages.__doc__, threads=None)
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    add_data(parser, required=True)
    arguments = parser.parse_args(command)
    rows = []
    for path in find_networks(arguments.runs):
        rows.append(measure_stage(path, arguments))
        print(rows[-1], flush=True)
    print(write_stages(rows, arguments.output).read_text("utf-8"))


def recipe(command: list[str]) -> None:
    """Measure what each part of the recipe for real faces gives: leave it out and train again."""
    parser = new_parser("accuracy.py recipe", recipe.__doc__, threads=None)
    parser.add_argument("--root", type=Path, required=True, help="FER+'s folder")
    parser.add_argument("--weights", default="imagenet", help="imagenet or a .weights.h5 file")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--rows", type=int, default=6000, help="FER+ rows to train on")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    arguments = parser.parse_args(command)
    arguments.output.mkdir(parents=True, exist_ok=True)
    splits = mixed_splits(arguments.root, limit=arguments.rows)
    setting = {name: getattr(arguments, name) for name in ("size", "rows", "epochs")}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for number, variant in enumerate(VARIANTS):
            file = arguments.output / f"{number:02d}_seed{seed}.json"
            if variant not in arguments.variants or file.is_file():
                continue
            found = measure_variant(*train_variant(VARIANTS[variant], splits, arguments, seed))
            write_json({"variant": variant, "seed": seed, **setting, **found}, file)
            print(variant, seed, found, flush=True)
    print(write_parts(arguments.output).read_text())


def main(command: list[str]) -> None:
    """Answer one of the questions."""
    choose(
        "accuracy.py",
        __doc__,
        {
            "card": card,
            "confidence": confidence,
            "exports": exports,
            "ledger": ledger,
            "stages": stages,
            "recipe": recipe,
        },
        command,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
