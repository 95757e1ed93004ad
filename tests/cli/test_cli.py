import csv
import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from affectkit import __version__
from affectkit.cli import app
from affectkit.cli.faces import parse_value, parse_variation
from affectkit.data import DATASETS
from affectkit.faces import render_face
from affectkit.labels import EXPRESSIONS
from affectkit.models.cards import SUFFIXES, checkpoint_names
from affectkit.pipeline.detect.detectors import DETECTORS
from affectkit.profiles import PROFILES

FORMATS = [*SUFFIXES, "nano", "page"]


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def make_folder(root, count=48, valence_arousal=True):
    """Images whose brightness tells the expression (0..7), a third of them in each split."""
    root.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for index in range(count):
        code = index % 8
        pixels = rng.normal(30 * code + 20, 5, (40, 40, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{index}.png")
        row = {"file": f"{index}.png", "expression": EXPRESSIONS[code]}
        if valence_arousal:
            row |= {"valence": round(code / 4 - 1, 2), "arousal": round(1 - code / 4, 2)}
        rows.append(row | {"split": ("train", "validation", "test")[index // 8 % 3]})
    write_labels(root, rows)
    return root


def write_labels(root, rows):
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def save_tiny_classifier(path):
    """A classifier of the form that affectkit expects, small enough to be traced in a moment."""
    import keras

    from affectkit.models import save_model
    from affectkit.preprocess import Preprocessing

    inputs = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    backbone = keras.Model(inputs, features, name="backbone")
    faces = keras.Input((32, 32, 3), name="face")
    outputs = keras.layers.Dense(8, activation="softmax")(backbone(faces))
    return save_model(keras.Model(faces, outputs), path, Preprocessing(image_size=32))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A data folder, and a run folder with both models, trained on it by the command line."""
    home = tmp_path_factory.mktemp("trained")
    data = make_folder(home / "data")
    (data / "3.png").write_bytes(b"no image")  # in the training split
    output = home / "run"
    common = ["--dataset", "folder", "--root", data, "--output", output, "--epochs", 1]
    tiny = save_tiny_classifier(home / "tiny.keras")
    texts = [
        run("train", "classifier", *common),
        run("train", "regressor", *common, "--classifier", tiny),
    ]
    return data, output, texts


@pytest.mark.slow
def test_train_writes_models_with_their_facts(trained):
    data, output, texts = trained
    assert "Best of 1 epochs: 1, validation accuracy" in texts[0]
    assert "validation rmse" in texts[1]
    assert "Left out: 1 " in texts[0]
    assert "3.png" in (output / "skipped_rows.csv").read_text()
    paths = {
        "classifier": output / "models" / "classifier.json",
        "regressor": output / "models" / "regressor.json",
        "tiny": output.parent / "tiny.json",
    }
    cards = {name: json.loads(path.read_text()) for name, path in paths.items()}
    training = cards["classifier"]["training"]
    assert (training["dataset"], training["epochs"], training["rows"]) == ("folder", 1, 15)
    assert training["profile"]["name"] == "quick"
    assert cards["classifier"]["temperature"] != 1.0
    (tiny_file,) = cards["tiny"]["files"]["keras"]
    assert cards["regressor"]["training"]["classifier_sha256"] == tiny_file["sha256"]
    again = ["--dataset", "folder", "--root", data, "--output", output]
    assert "already holds a classifier" in run("train", "classifier", *again, exit_code=2)
    wrong = ["--classifier", output / "models" / "regressor.keras", "--output", output / "other"]
    assert "is for regression, not for classification" in run(
        "train", "regressor", *wrong, exit_code=2
    )


TRAIN = """
import json, sys
import tensorflow as tf
from affectkit.cli import app
tf.config.run_functions_eagerly(True)  # to trace a network takes longer than its one step
for command in json.loads(sys.argv[1]):
    assert not app(["train", *command], standalone_mode=False), command
"""


def train_with(*commands):
    """Train on a few bundled faces for an epoch each, and give what the cards say about it.

    A command is a network's name, a folder and options. They run in a process of their own: the
    older system's batches take 6 GB, which a test runner would keep.
    """
    few = ["--limit", 16, "--epochs", 1, "--output"]
    words = [[str(word) for word in (name, *few, *more)] for name, *more in commands]
    command = [sys.executable, "-c", TRAIN, json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    cards = [folder / "models" / f"{name}.json" for name, folder, *_ in commands]
    return [json.loads(card.read_text())["training"] for card in cards]


@pytest.mark.slow
def test_a_regressor_is_trained_directly_from_each_start(tmp_path):
    """Backbones of one form, from three starts: named, from a file, and from random weights."""
    from affectkit.models import open_model
    from affectkit.models.build import BUNDLED_WEIGHTS

    starts = {"affectfaces": "affectfaces", "none": "none", str(BUNDLED_WEIGHTS): "SHA-256"}
    folders = [tmp_path / str(number) for number in range(3)]
    pairs = zip(folders, starts, strict=True)
    trained = train_with(*(("regressor", folder, "--start", start) for folder, start in pairs))
    kernels = []
    for folder, facts, told in zip(folders, trained, starts.values(), strict=True):
        assert told in facts["weights"]
        assert "classifier_sha256" not in facts
        model = open_model(folder / "models" / "regressor.keras").model
        kernels.append(model.get_layer("backbone").layers[1].get_weights()[0])
    np.testing.assert_array_equal(kernels[0], kernels[2])
    assert not np.allclose(kernels[0], kernels[1], atol=0.05)


@pytest.mark.slow
def test_a_start_that_does_not_fit_is_refused(trained, tmp_path, shared):
    path = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    for start, message in (
        (path, "do not fit MobileNetV2 with alpha 0.35"),
        (trained[1] / "models" / "classifier.keras", "is a whole model; pass"),
        (tmp_path / "absent.h5", "is not a file; pass"),
    ):
        options = ["--start", start, "--limit", 16, "--output", tmp_path / "run"]
        assert message in run("train", "regressor", *options, exit_code=2)


@pytest.mark.slow
def test_the_older_systems_three_trainings_run_by_commands(tmp_path, shared):
    """Classifier, regressor from its features, direct regressor, each by its own recipe."""
    start = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    seed = ["--profile", "seed"]
    classifier, transferred, direct = train_with(
        ("classifier", tmp_path / "two", *seed, "--weights", start),
        ("regressor", tmp_path / "two", *seed),
        ("regressor", tmp_path / "one", *seed, "--start", start),
    )
    assert classifier["profile"]["classifier"]["batch_size"] == 64
    assert "classifier_sha256" in transferred
    assert start.name in direct["weights"]
    for facts in (classifier, transferred, direct):
        assert (facts["profile"]["name"], facts["epochs"]) == ("seed", 1)
    assert direct["profile"]["regressor"]["batch_size"] == 16


@pytest.mark.slow
def test_evaluate_writes_results_of_both_models(trained, tmp_path):
    data, output, _ = trained
    arguments = ["--dataset", "folder", "--root", data, "--bootstrap", 20]
    for name, metric, plots in (
        ("classifier", "accuracy", {"metrics", "confusion_matrix", "reliability"}),
        ("regressor", "valence_ccc", {"metrics", "slices", "valence_arousal"}),
    ):
        folder = tmp_path / name
        model = output / "models" / f"{name}.keras"
        text = run("evaluate", model, *arguments, "--split", "test", "--output", folder)
        result = json.loads((folder / "metrics.json").read_text())
        assert (result["name"], result["rows"], result["split"]) == (name, 16, "test")
        assert result["baselines_fitted_on"] == "train"
        assert metric in result["metrics"]
        assert "95 %" in text
        assert "may have seen" not in text
        predictions = pd.read_csv(folder / "predictions.csv")
        assert len(predictions) == 16
        assert {path.stem for path in (folder / "plots").glob("*.png")} == plots
    result = json.loads((tmp_path / "classifier" / "metrics.json").read_text())
    predictions = pd.read_csv(tmp_path / "classifier" / "predictions.csv")
    accuracy = (predictions["expression"] == predictions["predicted"]).mean()
    assert result["metrics"]["accuracy"]["value"] == pytest.approx(accuracy)
    columns = [f"probability_{name.lower()}" for name in EXPRESSIONS]
    np.testing.assert_allclose(predictions[columns].sum(axis=1), 1, atol=1e-5)

    text = run("evaluate", output / "models" / "classifier.keras", *arguments, "--output",
               tmp_path / "all")  # fmt: skip
    result = json.loads((tmp_path / "all" / "metrics.json").read_text())
    assert result["rows"] == 47  # a folder is evaluated whole, without the unreadable image
    assert "Note: the model was trained on 'folder', so it may have seen" in text
    assert "3.png" in (tmp_path / "all" / "skipped_rows.csv").read_text()


@pytest.mark.slow
def test_a_regressor_needs_valence_and_arousal(trained, tmp_path):
    data = make_folder(tmp_path / "data", 16, valence_arousal=False)
    text = run("evaluate", trained[1] / "models" / "regressor.keras", "--dataset", "folder",
               "--root", data, "--output", tmp_path / "out", exit_code=2)  # fmt: skip
    assert "none of the 16 rows of 'folder' has valence and arousal" in text
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_help_is_quick_and_version_is_told():
    start = time.monotonic()
    code = (
        "import sys, affectkit.cli\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'numpy', 'matplotlib', 'papermill'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == ""
    assert time.monotonic() - start < 5  # generous: machines are shared
    assert run("--version") == f"affectkit {__version__}"
    text = run("--help")
    for command in ("course", "train", "evaluate", "doctor", "datasets", "faces"):
        assert command in text
    for command in (["course"], ["train", "classifier"], ["evaluate"], ["faces", "render"]):
        assert "Usage" in run(*command, "--help")


def test_datasets_are_listed_counted_and_written_to_a_card(tmp_path):
    text = run("datasets")
    for name in ("affectfaces", "affectnet", "ferplus", "folder"):
        assert name in text
    data = make_folder(tmp_path / "data")
    card = tmp_path / "card.md"
    card.write_text("Before\n<!-- snapshot -->\n<!-- /snapshot -->\nAfter\n")
    text = run("datasets", "folder", "--root", data, "--card", card)
    assert "Contempt" in text
    assert "12.5 %" in text
    assert "| train | 2 | 2 |" in card.read_text()
    assert card.read_text().startswith("Before\n")
    card.write_text("no markers")
    assert "card.md" in run("datasets", "folder", "--root", data, "--card", card, exit_code=2)


def test_rows_that_can_not_be_used_are_noted_and_the_rest_is_kept(tmp_path):
    data = make_folder(tmp_path / "data", 16)
    with (data / "labels.csv").open("a") as file:
        file.write("0.png,Hungry,0,0,train\n")
    text = run("datasets", "folder", "--root", data)
    assert "Note: skipped 1 of 17 rows" in text
    assert "Hungry" in text


def test_what_is_there_is_told_to_programs_too(tmp_path):
    sets = json.loads(run("datasets", "--json"))
    assert {one["name"] for one in sets} == set(DATASETS)
    assert [one["name"] for one in sets if one["bundled"]] == ["affectfaces"]
    data = make_folder(tmp_path / "data", valence_arousal=False)
    counted = json.loads(run("datasets", "folder", "--root", data, "--json"))
    assert counted["left_out"] == 0
    assert sum(row["rows"] for row in counted["counts"] if row["expression"] != "all") == 48
    result = CliRunner().invoke(app, ["doctor", "--json"])
    told = json.loads(result.stdout)
    assert told["ok"] == (result.exit_code == 0)
    assert "TensorFlow computes" in {check["name"] for check in told["checks"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["datasets", "affectnet"], "needs a root folder"),
        (["datasets", "ferplus", "--root", "absent"], "absent"),
        (["datasets", "--root", "absent"], "name the data set"),
        (["course", "--root", "absent"], "absent"),
        (["course", "--from", "3"], "earlier run"),
        (["train", "regressor"], "--classifier"),
        (["train", "regressor", "--start", "none", "--classifier", "a.keras"], "give one of them"),
        (["evaluate", "model.h5", "--output", "out"], "model.h5"),
        (["evaluate", "absent.keras", "--output", "out"], "absent.keras"),
        (["faces", "render", "--output", "out", "--vary", "yaw"], "NAME=VALUE"),
        (["faces", "render", "--output", "out", "--vary", "yaw=1:x"], "LOW:HIGH"),
        (["faces", "render", "--output", "out", "--fix", "yaw=1", "--vary", "yaw=1,2"], "both"),
    ],
)
def test_an_error_is_one_message_and_exit_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    text = run(*arguments, exit_code=2)
    assert "Error: " in text
    assert message in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "option", "choices"),
    [
        (["datasets", "affectnot"], "name", DATASETS),
        (["course", "--dataset", "affectnot"], "--dataset", DATASETS),
        (["train", "classifier", "--profile", "huge"], "--profile", PROFILES),
        (["export", "affectkit-real", "-o", "out", "--format", "h5"], "--format", FORMATS),
        (["evaluate", "affectkit-rael", "-o", "out"], "model", checkpoint_names()),
        (["predict", "a.jpg", "--model", "affectkit"], "--model", checkpoint_names()),
    ],
)
def test_another_name_is_refused_as_typer_does(tmp_path, monkeypatch, arguments, option, choices):
    monkeypatch.chdir(tmp_path)
    text = run(*arguments, exit_code=2).replace("│ ", "")
    assert "Usage: " in text
    assert f"Invalid value for '{option}': " in text
    assert f"not one of {', '.join(map(repr, choices))}." in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("datasets ", DATASETS),
        ("course --dataset ", DATASETS),
        ("train regressor --profile ", PROFILES),
        ("export affectkit-real --format ", FORMATS),
        ("evaluate ", checkpoint_names()),
        ("camera --model ", checkpoint_names()),
        ("predict --detector ", DETECTORS),
    ],
)
def test_shells_complete_names(words, names):
    words = f"affectkit {words}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    answer = CliRunner().invoke(app, env={"_AFFECTKIT_COMPLETE": "complete_bash"} | asked,
                                prog_name="affectkit")  # fmt: skip
    assert sorted(answer.output.split()) == sorted(names)


def test_every_command_takes_the_same_short_options():
    def commands_below(group):
        for command in group.commands.values():
            yield from commands_below(command) if hasattr(command, "commands") else [command]

    commands = list(commands_below(typer.main.get_command(app)))
    assert len(commands) > 12
    for command in commands:
        flags = {parameter.name: set(parameter.opts) for parameter in command.params}
        assert flags["verbose"] == {"--verbose", "-v"}, command.name
        assert flags["quiet"] == {"--quiet", "-q"}, command.name
        assert flags.get("output", {"--output", "-o"}) == {"--output", "-o"}, command.name


def test_verbose_shows_where_an_error_arose(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # put back after the test
    for words in (["--verbose", "datasets", "affectnet"], ["datasets", "affectnet", "-v"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2
        assert "Traceback" in result.output
        assert "Error: " in result.output
        assert "needs a root folder" in result.output
    both = run("doctor", "-v", "-q", exit_code=2)
    assert "expected --verbose or --quiet, got both" in both


def test_what_native_code_says_is_shown_if_asked_for(tmp_path):
    face = tmp_path / "face.png"
    Image.fromarray(render_face(3, 96)[0]).save(face)
    texts = {}
    for flag in ("--verbose", "--quiet"):
        command = [sys.executable, "-c", "from affectkit.cli import app; app()", "predict", face]
        command += [flag, "--model", "affectkit-synthetic-int8", "--output", tmp_path / "rows.csv"]
        done = subprocess.run([*command, "--overwrite"], capture_output=True, text=True, check=True)
        texts[flag] = done.stdout + done.stderr
    assert "TensorFlow Lite" in texts["--verbose"]
    assert texts["--quiet"] == ""


def test_faces_are_rendered_with_varied_and_fixed_parameters(tmp_path):
    out = tmp_path / "faces"
    run("faces", "render", "--output", out, "--count", 1, "--size", 32, "--workers", 1,
        "--vary", "yaw=-30:30:2", "--fix", "light_strength=1")  # fmt: skip
    extras = pd.read_csv(out / "extras.csv")
    assert sorted(extras["yaw"]) == [-30, 30]
    assert (extras["light_strength"] == 1).all()


def test_faces_of_a_folder_are_found_and_its_course_says_so_before(tmp_path):
    course = ("course", "--dataset", "folder", "--root", tmp_path, "--from", "3")
    canvas = np.full((150, 200, 3), 90, np.uint8)
    canvas[30:126, 60:156] = render_face(3, 96)[0]
    (tmp_path / "Happy").mkdir()
    Image.fromarray(canvas).save(tmp_path / "Happy/a.png")
    assert f"affectkit faces find --root {tmp_path}" in run(*course, exit_code=2)
    text = run("faces", "find", "--root", tmp_path)
    assert f"1 of 1 pictures have a face box: {tmp_path / 'labels.csv'}" in text
    assert "faces find" not in run(*course, exit_code=2)


def test_variations_are_read():
    assert parse_variation("yaw=-30:30") == ("yaw", [-30, -15, 0, 15, 30])
    assert parse_variation("yaw = 0:1:3") == ("yaw", [0, 0.5, 1])
    assert parse_variation("hair=long, bald") == ("hair", ["long", "bald"])
    assert parse_variation("age=0.5") == ("age", [0.5])
    for text in ("yaw", "=1", "yaw=", "yaw=1:2:1", "yaw=1:2:3:4", "yaw=a:b"):
        with pytest.raises(ValueError, match="expected"):
            parse_variation(text)
    assert [parse_value(text) for text in ("1", "1.5", "True", "long")] == [1, 1.5, True, "long"]
