import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import nbformat
import pytest

import affectkit
from affectkit.course import CourseSettings, read_summary, run_course
from affectkit.course.summary import collect_metrics, new_summary, summary_metrics

PARAMETERS = """
dataset: str = ""
root: str = ""
profile: str = ""
output: str = ""
seed: int = 0
limit: int = 0
epochs: int = 0
weights: str = ""
"""
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
WRITE_METRICS = """
import json
from pathlib import Path
folder = Path(output) / "metrics"
folder.mkdir(exist_ok=True)
metric = {"value": 0.5 + seed, "low": 0.4, "high": 0.6}
result = {"schema_version": 1, "name": "model", "task": "classification", "dataset": dataset,
    "protocol": "tiny", "split": "test", "rows": 10, "rows_ignored": 0, "rows_digest": "ab",
    "metrics": {"accuracy": metric}, "baselines": {"dummy": {"accuracy": 0.125}},
    "baselines_fitted_on": "train", "slices": {},
    "bootstrap": {"resamples": 5, "clusters": 10, "unit": "row"}}
(folder / "classifier.json").write_text(json.dumps(result))
"""


def write_notebook(folder, name, *cells, parameters=PARAMETERS):
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# Notebook {name}")]
    tagged = nbformat.v4.new_code_cell(parameters)
    tagged.metadata["tags"] = ["parameters"]
    notebook.cells += [tagged, *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


def text_of(path):
    """Everything that the cells of an executed notebook printed."""
    outputs = [out for cell in nbformat.read(path, 4).cells for out in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def check_schema(folder):
    schema = json.loads(
        (Path(affectkit.__file__).parent / "assets" / "summary.schema.json").read_text()
    )
    summary = json.loads((folder / "summary.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(summary, schema)
    return summary


@pytest.fixture
def chain(tmp_path):
    """Three notebooks; the second fails unless a file `mended` lies beside them."""
    folder = tmp_path / "chain"
    skip = "from affectkit.data.skipped import SkippedRows\nskipped = SkippedRows()\n"
    write_skipped = "skipped.to_csv(output + '/skipped_rows.csv')"
    write_notebook(
        folder,
        "00_first",
        "import os, sys\nprint(sys.executable, os.getcwd(), os.environ['TF_CPP_MIN_LOG_LEVEL'])",
        f"print(repr((dataset, root, profile, output, seed, limit, epochs, weights)))\n{skip}"
        f"skipped.add('a.csv', 1, 'bad', 'mend it')\n{write_skipped}",
    )
    write_notebook(
        folder,
        "02_second",
        f"{skip}skipped.add('b.csv', 2, 'worse', 'mend it')\n{write_skipped}",
        "",
        "from pathlib import Path\n"
        f"if not Path({str(folder / 'mended')!r}).exists():\n"
        "    raise ValueError('no row is left')\nprint('mended')",
        "print('never reached before')",
    )
    write_notebook(folder, "04_third", WRITE_METRICS)
    return folder


def test_a_failing_cell_stops_the_chain_and_from_goes_on(chain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "start.weights.h5").touch()
    settings = CourseSettings("folder", "data", seed=7, limit=3, weights="start.weights.h5")
    common = {"output": "run", "notebooks": chain, "progress": False}
    result = run_course(settings, **common)

    folder = tmp_path / "run"
    assert result.folder == folder
    assert result.exit_code == 1
    summary = check_schema(folder)
    assert summary == result.summary
    assert summary["status"] == "failed"
    # the parameters cell is [1], papermill's own [2], then the rows, then the one that raises
    assert summary["failed"] == {
        "notebook": "02_second",
        "cell": 4,
        "error": "ValueError: no row is left",
    }
    assert [entry["status"] for entry in summary["notebooks"]] == ["completed", "failed", "not run"]
    assert summary["metrics"] == {"classifier": None, "regressor": None}
    assert summary["skipped_rows"] == 2
    assert (folder / "skipped_rows.csv").read_text().splitlines()[1:] == [
        "a.csv,1,bad,mend it",
        "b.csv,2,worse,mend it",
    ]
    assert summary["peak_memory_bytes"] > 10e6
    report = (folder / "report.html").read_text()
    assert "02_second" in report
    assert 'href="notebooks/02_second.html"' in report
    assert 'href="notebooks/04_third.html"' not in report
    assert "no row is left" in (folder / "notebooks" / "02_second.html").read_text()
    assert "no row is left" in report
    first = text_of(folder / "notebooks" / "00_first.ipynb")
    executable, working_folder, level = first.splitlines()[0].split()
    assert Path(executable).resolve() == Path(os.sys.executable).resolve()
    assert (Path(working_folder), level) == (folder, "3")
    root = str(tmp_path / "data")
    weights = str(tmp_path / "start.weights.h5")
    assert repr(("folder", root, "quick", str(folder), 7, 3, 0, weights)) in first
    assert "no row is left" in (folder / "notebooks" / "02_second.ipynb").read_text()
    assert not (folder / "notebooks" / "04_third.ipynb").exists()
    log = (folder / "logs" / "course.log").read_text()
    assert "02_second" in log
    assert log.startswith("The course's log: ")
    assert log.count("The course's log: ") == 1

    with pytest.raises(FileNotFoundError, match="no file absent.h5; give none, affectfaces"):
        run_course(replace(settings, weights="absent.h5"), start=2, **common)
    with pytest.raises(ValueError, match=r"seed 7, got 8"):
        run_course(replace(settings, seed=8), start=2, **common)
    with pytest.raises(ValueError, match="already holds a run"):
        run_course(settings, **common)

    (chain / "mended").touch()
    result = run_course(settings, start=2, **common)
    assert result.exit_code == 0
    summary = check_schema(folder)
    assert summary["failed"] is None
    assert [entry["status"] for entry in summary["notebooks"]] == [
        "earlier",
        "completed",
        "completed",
    ]
    assert summary["notebooks"][0]["seconds"] > 0
    assert summary["protocol"] == "tiny"
    assert summary["skipped_rows"] == 2
    assert summary_metrics(summary) == {
        "classifier.rows_digest": "ab",
        "classifier.accuracy": 7.5,
        "classifier.accuracy.low": 0.4,
        "classifier.accuracy.high": 0.6,
    }
    assert "7.500" in (folder / "report.html").read_text()
    assert (folder / "notebooks" / "04_third.html").is_file()
    assert "mended" in (folder / "notebooks" / "02_second.html").read_text()


def test_a_notebook_gets_the_parameters_that_it_has(tmp_path):
    chain = tmp_path / "chain"
    write_notebook(chain, "00_first")
    own = "seed: int = 0\nlimit: int = 40"
    write_notebook(chain, "01_small", "assert (seed, limit) == (3, 40)", parameters=own)
    result = run_course(
        CourseSettings(seed=3), output=tmp_path / "run", notebooks=chain, progress=False
    )
    assert result.summary["failed"] is None


def test_a_setting_that_no_notebook_takes_is_refused_before_anything_runs(tmp_path):
    chain = tmp_path / "chain"
    write_notebook(chain, "01_small", parameters="seed: int = 0")
    with pytest.raises(ValueError, match="no notebook of 01_small has the parameter limit"):
        run_course(CourseSettings(limit=3), tmp_path / "run", notebooks=chain, progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "options", "error", "message"),
    [
        ({"profile": "huge"}, {}, ValueError, "profile"),
        ({"limit": -1}, {}, ValueError, "limit"),
        ({"root": "absent"}, {}, FileNotFoundError, "absent"),
        ({"dataset": "affectnot"}, {}, ValueError, "affectnot"),
        ({}, {"start": 9}, ValueError, "09"),
        ({}, {"start": 4}, FileNotFoundError, "earlier run"),
        ({}, {"start": 4, "output": "absent"}, FileNotFoundError, "earlier run"),
        ({}, {"notebooks": "absent"}, FileNotFoundError, "absent"),
        ({}, {"cell_timeout": -1}, ValueError, "cell_timeout"),
    ],
)
def test_impossible_settings_are_refused_before_anything_runs(
    chain, tmp_path, monkeypatch, settings, options, error, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        run_course(CourseSettings(**settings), **{"notebooks": chain, "progress": False} | options)
    assert not (tmp_path / "runs").exists()


def test_the_course_ends_with_the_evaluation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"no notebook from number 05 on: .*04_.*; with .*--all"):
        run_course(start=5, progress=False)
    with pytest.raises(FileNotFoundError, match="starting at 05_convert_for_nano needs"):
        run_course(start=5, progress=False, everything=True)


def test_a_broken_summary_is_named(tmp_path):
    path = tmp_path / "summary.json"
    for text in ("", "[]", '{"schema_version": 99}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"summary\.json"):
            read_summary(path)


def test_a_summary_without_results_fits_the_schema(tmp_path):
    settings = CourseSettings("x", "x", "x", weights="x")
    summary = new_summary(settings, [{"name": "00_a", "seconds": None, "status": "not run"}])
    collect_metrics(summary, tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert check_schema(tmp_path)["versions"]["numpy"]
    assert summary_metrics(summary) == {}


def test_an_extra_that_is_not_installed_is_named_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    remedy = r'05_convert_for_nano.ipynb needs onnxruntime: pip install "affectkit\[onnx\]"'
    with pytest.raises(ImportError, match=remedy):
        run_course(output=tmp_path / "run", everything=True)
    assert not (tmp_path / "run").exists()
