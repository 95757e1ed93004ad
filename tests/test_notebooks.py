"""The committed notebooks: their form, and what they give when they are run by papermill."""

import ast
import json
import re
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest

from affectkit.course import run_course
from affectkit.course.summary import read_summary, summary_metrics
from affectkit.data.affectfaces import bundled_faces
from affectkit.evaluation import read_metrics
from affectkit.record import read_records

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
COMMON = ["dataset", "root", "profile", "output", "seed", "limit", "epochs", "weights"]
SHORT = {"limit": 240, "epochs": 1, "seed": 3}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def test_the_course_is_complete():
    assert [path.name for path in NOTEBOOKS] == [
        "00_check_setup.ipynb",
        "01_explore_data.ipynb",
        "02_train_classifier.ipynb",
        "03_transfer_regressor.ipynb",
        "04_evaluate_models.ipynb",
    ]


def test_form(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert 25 <= len(notebook.cells) <= 40
    code = code_cells(notebook)
    lines = [sum(1 for line in cell.source.splitlines() if line.strip()) for cell in code]
    assert len(notebook.cells) - len(code) > len(code)
    assert max(lines) <= 30
    assert sum(lines) <= 120


def test_first_cells(notebook):
    first, second = notebook.cells[0], code_cells(notebook)[0]
    assert re.match(r"# \d\d [A-Z][a-z]+ ", first.source)
    for part in ("What you'll do", "What you'll learn", "What you need", "Time", "CPU", "GPU"):
        assert part in first.source
    assert all(
        isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.parse(second.source).body
    )


def test_every_code_cell_stands_between_words(notebook):
    """A sentence before each cell, and one after it that says what should be seen."""
    cells = notebook.cells
    for position, cell in enumerate(cells):
        if cell.cell_type == "code" and "solution" not in tags(cell):
            assert cells[position - 1].cell_type == "markdown"
            assert re.search(r"\bsee\b", cells[position + 1].source), cell.source


def test_parameters_are_plain_commented_literals(notebook):
    (parameters,) = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    names = []
    for line, node in zip(
        parameters.source.splitlines(), ast.parse(parameters.source).body, strict=True
    ):
        assert isinstance(node, ast.AnnAssign)
        assert type(ast.literal_eval(node.value)).__name__ == node.annotation.id
        assert "  # " in line
        names.append(node.target.id)
    assert names[: len(COMMON)] == COMMON


def test_endings(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for heading in ("## Recap", "## Exercises", "## Further reading"):
        assert heading in text
    solutions = [cell for cell in code_cells(notebook) if "solution" in tags(cell)]
    assert solutions
    assert all(cell.metadata.jupyter.source_hidden for cell in solutions)


def test_outputs_are_stripped_unless_kept(notebook):
    for cell in code_cells(notebook):
        if "keep_output" in tags(cell):
            assert cell.outputs
        else:
            assert not cell.outputs
            assert cell.execution_count is None


def test_no_placeholder_was_left(notebook):
    text = json.dumps(notebook)
    assert not re.search(r"\b(TIME|RESULT)\d\d|TODO|FIXME", text)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The course as `affectkit course` runs it, on the bundled set with the quick profile."""
    return run_course(output=tmp_path_factory.mktemp("quick") / "run")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The same chain on few faces and for one epoch."""
    return run_course(output=tmp_path_factory.mktemp("short") / "run", **SHORT)


def records(result, number):
    (path,) = (result.folder / "notebooks").glob(f"{number}_*.ipynb")
    return read_records(path)


@pytest.mark.slow
@pytest.mark.notebooks
def test_quick_course_beats_the_bar(quick):
    summary = read_summary(quick.folder / "summary.json")
    assert summary["status"] == "completed"
    assert summary["seconds"] <= 600
    assert summary["peak_memory_bytes"] < 4e9
    classifier, regressor = summary["metrics"]["classifier"], summary["metrics"]["regressor"]
    assert classifier["protocol"] == "affectfaces"
    assert classifier["split"] == "test"
    accuracy = classifier["metrics"]["accuracy"]
    assert accuracy["value"] >= 0.55
    assert accuracy["low"] > 2 * classifier["baselines"]["dummy_most_frequent"]["accuracy"]
    for axis in ("valence", "arousal"):
        assert regressor["metrics"][f"{axis}_ccc"]["value"] >= 0.60
        constant = regressor["baselines"]["constant_mean"]
        assert regressor["metrics"][f"{axis}_rmse"]["high"] < constant[f"{axis}_rmse"]
    assert (quick.folder / "report.html").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.notebooks
def test_quick_course_records_what_its_prose_promises(quick):
    setup, data, training, transfer, evaluation = (
        records(quick, number) for number in ("00", "01", "02", "03", "04")
    )
    assert setup["failed_checks"] == []
    assert data["dummy_accuracy"] == pytest.approx(0.125)
    assert data["agreement"] == pytest.approx(0.61, abs=0.03)
    assert data["subjects"] > 500
    assert data["subjects_in_two_splits"] == 0
    assert training["validation_accuracy"] > 3 * training["dummy_validation_accuracy"]
    assert 0.3 < training["calibration"]["temperature"] < 3
    assert training["calibration"]["after"] < training["calibration"]["before"] + 0.02
    assert transfer["features"] == transfer["head_inputs"] == 1280
    assert transfer["derived_share"] == 0
    assert transfer["constant"]["valence_ccc"] == 0
    assert transfer["classifier_unchanged"] is True
    ceiling = evaluation["noise_ceiling"]
    assert ceiling["accuracy_against_clean"] > evaluation["accuracy"]
    assert ceiling["label_accuracy"] > evaluation["accuracy"]


@pytest.mark.slow
@pytest.mark.notebooks
def test_a_notebook_alone_equals_the_chain_from_any_folder(short, tmp_path, monkeypatch):
    """04 alone trains what it lacks; with one seed its metrics are the chain's to the last bit."""
    monkeypatch.chdir(tmp_path)
    parameters = SHORT | {"output": str(tmp_path / "alone")}
    papermill.execute_notebook(NOTEBOOKS[4], tmp_path / "04.ipynb", parameters, progress_bar=False)
    chain = read_summary(short.folder / "summary.json")
    alone = {
        task: read_metrics(tmp_path / "alone" / "metrics" / f"{task}.json")
        for task in ("classifier", "regressor")
    }
    assert len(summary_metrics(chain)) > 20
    assert summary_metrics(chain | {"metrics": alone}) == summary_metrics(chain)


@pytest.mark.slow
@pytest.mark.notebooks
def test_course_on_ferplus(shared, tmp_path):
    root = shared / "data" / "ferplus"
    result = run_course(dataset="ferplus", root=str(root), output=tmp_path / "run", **SHORT)
    summary = read_summary(result.folder / "summary.json")
    assert summary["status"] == "completed"
    assert summary["metrics"]["classifier"]["protocol"] == "ferplus-majority (subset of 240)"
    assert records(result, "03")["derived_share"] == 1.0
    assert 0.7 < records(result, "01")["agreement"] < 0.95


@pytest.mark.slow
@pytest.mark.notebooks
def test_full_profile_on_affectnets_layout(shared, tmp_path):
    """The recipe for AffectNet at its full size, on a small tree of that layout.

    The bundled faces without their extra tables are such a tree.
    """
    root = tmp_path / "affectnet"
    root.mkdir()
    for name in ("training.csv", "validation.csv"):
        shutil.copy(bundled_faces() / name, root)
    (root / "Manually_Annotated_Images").symlink_to(bundled_faces() / "Manually_Annotated_Images")
    weights = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    settings = SHORT | {"limit": 48, "profile": "full", "weights": weights}
    result = run_course(dataset="affectnet", root=str(root), output=tmp_path / "run", **settings)
    summary = read_summary(result.folder / "summary.json")
    assert summary["status"] == "completed", summary["failed"]
    assert summary["weights"] == str(weights.resolve())
    assert summary["metrics"]["classifier"]["protocol"] == "affectnet-4000 (subset of 48)"
    card = json.loads((result.folder / "models" / "classifier.json").read_text())
    assert card["preprocessing"]["image_size"] == 224
    assert (result.folder / "logs" / "head" / "classification_log.csv").is_file()


@pytest.mark.slow
@pytest.mark.notebooks
def test_course_on_a_users_folder_with_a_bad_row(shared, tmp_path):
    """Real portraits, no valence and arousal, one truncated picture."""
    root = tmp_path / "mine"
    shutil.copytree(shared / "data" / "london_faces", root)
    first = next(iter(sorted(root.glob("*.jpg"))))
    first.write_bytes(first.read_bytes()[:5000])
    result = run_course(dataset="folder", root=str(root), output=tmp_path / "run", **SHORT)
    summary = read_summary(result.folder / "summary.json")
    assert summary["status"] == "completed"
    assert summary["metrics"]["regressor"]["derived_rows"] > 0
    assert first.name in (result.folder / "skipped_rows.csv").read_text()
