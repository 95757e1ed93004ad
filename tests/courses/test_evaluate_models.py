"""Notebook 04: written out it equals the helpers, alone the chain; a class of raters is read."""

import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest

from affectkit.course import CourseSettings, run_course
from affectkit.course.summary import summary_metrics
from affectkit.data import load_splits
from affectkit.evaluation import read_metrics
from affectkit.record import read_records

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_evaluate_models.ipynb"


@pytest.fixture(scope="module")
def run(short, tmp_path_factory):
    """Runs the notebook in one run folder, outside any checkout; gives the executed file."""
    folder = tmp_path_factory.mktemp("evaluate")

    def run(name, **parameters):
        given = short | {"output": str(folder / "run")} | parameters
        papermill.execute_notebook(NOTEBOOK, folder / name, given, progress_bar=False, cwd=folder)
        return folder / name

    return run


@pytest.fixture(scope="module")
def executed(run):
    return run("04.ipynb")


@pytest.mark.slow
@pytest.mark.notebooks
def test_metrics_written_out_equal_the_helpers(executed):
    records = read_records(executed)
    for name, written in (
        ("accuracy", "accuracy_written_out"),
        ("ece_before", "ece_written_out"),
        ("valence_ccc", "valence_ccc_written_out"),
        ("arousal_ccc", "arousal_ccc_written_out"),
    ):
        assert records[written] == pytest.approx(records[name], abs=1e-4), name
    coverage, names, nameless = records["prediction_sets"]["1 - p / first"]
    assert coverage == pytest.approx(0.9, abs=0.1)
    assert 1 <= names <= 8
    assert nameless == 0
    assert records["dummy_alpha"] < -0.2
    assert records["class_is_simulated"] is True
    assert len(records["slice_columns_drawn"]) == 6


@pytest.mark.slow
@pytest.mark.notebooks
def test_each_widget_has_a_still(executed):
    notebook = nbformat.read(executed, as_version=4)
    cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "live_figure(" in cell.source
    ]
    assert len(cells) == 4
    for cell in cells:
        kinds = [set(output.get("data", {})) for output in cell.outputs]
        assert any("image/png" in kind for kind in kinds)
        assert any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds)


@pytest.mark.slow
@pytest.mark.notebooks
def test_alone_it_equals_the_chain(executed, short, tmp_path):
    """It trains what it lacks; with one seed its metrics are the chain's to the last bit."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name in ("02_train_classifier", "03_transfer_regressor", NOTEBOOK.stem):
        shutil.copy(NOTEBOOK.with_name(f"{name}.ipynb"), notebooks)
    chain = run_course(CourseSettings(**short), tmp_path / "chain", notebooks=notebooks).summary
    alone = {
        task: read_metrics(executed.parent / "run" / "metrics" / f"{task}.json")
        for task in ("classifier", "regressor")
    }
    assert len(summary_metrics(chain)) > 20
    assert summary_metrics(chain | {"metrics": alone}) == summary_metrics(chain)


@pytest.mark.slow
@pytest.mark.notebooks
def test_a_class_of_raters_is_read_from_its_file(executed, run, short, tmp_path):
    """Three raters with little noise agree well; a fourth who rated one face does not count."""
    test = load_splits("affectfaces", limit=short["limit"], seed=short["seed"])["test"]
    rng = np.random.default_rng(0)
    ratings = [
        test[["image_id"]].assign(
            rater=rater,
            valence=test["valence"] + rng.normal(0, 0.1, len(test)),
            arousal=test["arousal"] + rng.normal(0, 0.1, len(test)),
        )
        for rater in ("anna", "ben", "cem")
    ]
    ratings.append(ratings[0].head(1).assign(rater="dora"))
    pd.concat(ratings).to_csv(tmp_path / "class.csv", index=False)
    records = read_records(run("class.ipynb", ratings=str(tmp_path / "class.csv")))
    assert records["class_is_simulated"] is False
    for single, mean in records["icc"].values():
        assert 0.8 < single < mean < 1
