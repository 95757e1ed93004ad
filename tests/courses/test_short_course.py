"""A notebook alone, and as the last of a chain."""

from pathlib import Path

import papermill
import pytest

from affectkit.course import CourseSettings, read_summary, run_course
from affectkit.course.summary import summary_metrics
from affectkit.evaluation import read_metrics

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_evaluate_models.ipynb"


@pytest.mark.slow
@pytest.mark.notebooks
def test_a_notebook_alone_equals_the_chain_from_any_folder(short, tmp_path, monkeypatch):
    """04 alone trains what it lacks; with one seed its metrics are the chain's to the last bit."""
    monkeypatch.chdir(tmp_path)
    parameters = short | {"output": str(tmp_path / "alone")}
    papermill.execute_notebook(NOTEBOOK, tmp_path / "04.ipynb", parameters, progress_bar=False)
    chained = run_course(CourseSettings(**short), tmp_path / "chain")
    chain = read_summary(chained.folder / "summary.json")
    alone = {
        task: read_metrics(tmp_path / "alone" / "metrics" / f"{task}.json")
        for task in ("classifier", "regressor")
    }
    assert len(summary_metrics(chain)) > 20
    assert summary_metrics(chain | {"metrics": alone}) == summary_metrics(chain)
