import base64
import re
from html.parser import HTMLParser

import nbformat
import numpy as np
import pytest

from affectkit.course.report import read_figures, write_report
from affectkit.course.summary import CourseSettings, new_summary
from affectkit.data import make_table
from affectkit.evaluation import evaluate_classification, evaluate_regression

PNG = base64.b64encode(b"\x89PNG first").decode()
SECOND_PNG = base64.b64encode(b"\x89PNG second").decode()


class Page(HTMLParser):
    """Collects tags with attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def picture(png):
    # as nbformat keeps it: base64 in lines
    return nbformat.v4.new_output("display_data", {"image/png": png[:8] + "\n" + png[8:]})


def write_notebook(path, *cells):
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def make_summary(**changes):
    entries = [
        {"name": "01_explore", "seconds": 75.2, "status": "completed"},
        {"name": "02_train", "seconds": None, "status": "not run"},
    ]
    return new_summary(CourseSettings("folder"), entries) | changes


def results(derived=False):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, 60)
    table = make_table(
        {
            "image_id": [str(k) for k in range(60)],
            "split": "test",
            "expression": codes,
            "valence": rng.uniform(-1, 1, 60),
            "arousal": rng.uniform(-1, 1, 60),
            "derived_valence_arousal": derived,
            "expression_clean": codes,
            "expression_second": codes,
        },
        "folder",
        "folder",
    )
    probabilities = rng.dirichlet(np.ones(8), 60)
    return {
        "classifier": evaluate_classification(probabilities, table, bootstrap=20, temperature=2.0),
        "regressor": evaluate_regression(rng.uniform(-1, 1, (60, 2)), table, bootstrap=20),
    }


def test_figures_are_found_with_the_heading_that_they_stand_under(tmp_path):
    cell = nbformat.v4.new_code_cell("plot()", outputs=[picture(PNG)])
    two = nbformat.v4.new_code_cell("plot()", outputs=[picture(SECOND_PNG), picture(PNG)])
    text = nbformat.v4.new_markdown_cell("# 01 *Explore* data\n\n## Class [balance](x.html)\nText.")
    marker = nbformat.v4.new_markdown_cell("# An error")
    marker.metadata["tags"] = ["papermill-error-cell-tag"]
    heading = nbformat.v4.new_markdown_cell("Text.\n\n### The `worst` ones ###")
    path = write_notebook(tmp_path / "01_explore.ipynb", marker, text, cell, heading, two)
    found = read_figures(path)
    assert (found.name, found.title) == ("01_explore", "01 Explore data")
    assert [figure.caption for figure in found.figures] == [
        "Class balance",
        "The worst ones",
        "The worst ones",
    ]
    assert [figure.png for figure in found.figures] == [PNG, SECOND_PNG, PNG]
    assert found.figures[1].alternative == "Figure 2 of notebook 01 Explore data: The worst ones"


def test_a_notebook_without_headings_is_called_by_its_file(tmp_path):
    cell = nbformat.v4.new_code_cell("plot()", outputs=[picture(PNG)])
    found = read_figures(write_notebook(tmp_path / "07_more.ipynb", cell))
    assert (found.title, found.figures[0].caption) == ("07_more", "07_more")


def test_a_broken_notebook_is_named(tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text("no notebook")
    with pytest.raises(ValueError, match=r"broken\.ipynb"):
        read_figures(path)


def test_the_report_holds_numbers_figures_and_limits_and_loads_nothing(tmp_path):
    (tmp_path / "notebooks").mkdir()
    heading = nbformat.v4.new_markdown_cell("# Explore\n## Faces & <people>")
    cell = nbformat.v4.new_code_cell("plot()", outputs=[picture(PNG)])
    write_notebook(tmp_path / "notebooks" / "01_explore.ipynb", heading, cell)
    unused = nbformat.v4.new_code_cell("plot()", outputs=[picture(SECOND_PNG)])
    write_notebook(tmp_path / "notebooks" / "02_train.ipynb", unused)  # left by an earlier run
    summary = make_summary(metrics=results(), status="completed", protocol="folder")
    (tmp_path / "notebooks" / "01_explore.html").touch()
    path = write_report(tmp_path, summary)
    html = path.read_text()
    page = Page(html)

    assert [image["src"] for image in page.all("img")] == [f"data:image/png;base64,{PNG}"]
    assert page.all("img")[0]["alt"] == "Figure 1 of notebook Explore: Faces & <people>"
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        assert not attributes.get("href", "#").startswith("http")
    assert "url(" not in html
    assert "@import" not in html
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("meta")[1]["name"] == "viewport"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) <= 1  # no level is left out
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = {link["href"] for link in page.all("a")}
    pages = {"notebooks/01_explore.html"}
    assert pages <= targets <= {f"#{identifier}" for identifier in identifiers} | pages

    accuracy = summary["metrics"]["classifier"]["metrics"]["accuracy"]
    assert f"{accuracy['low']:.3f} to {accuracy['high']:.3f}" in page.text
    for text in (
        "valence CCC",
        "Cohen's kappa",
        "temperature of 2.00",
        "1 min 15 s",
        "Out of scope",
    ):
        assert text in page.text, text
    assert "Do not pass this report on" in page.text
    assert "computed from expression labels" not in page.text


def test_the_report_says_where_valence_and_arousal_were_derived(tmp_path):
    summary = make_summary(metrics=results(derived=True), status="completed")
    text = Page(write_report(tmp_path, summary, []).read_text()).text
    assert "60 of\n60 faces were computed from expression labels" in text


def test_a_model_that_does_not_beat_a_guess_is_called_so(tmp_path):
    metrics = results()
    metrics["classifier"]["metrics"]["accuracy"] = {"value": 0.9, "low": 0.8, "high": 0.95}
    metrics["classifier"]["metrics"]["macro_f1"] = {"value": 0.9, "low": 0.8, "high": 0.95}
    metrics["regressor"]["metrics"]["valence_ccc"] = {"value": 0.1, "low": -0.1, "high": 0.3}
    metrics["regressor"]["metrics"]["arousal_ccc"] = {"value": 0.1, "low": 0.05, "high": 0.3}
    text = Page(write_report(tmp_path, make_summary(metrics=metrics), []).read_text()).text
    assert text.count("not clearly better") == 1
    assert "By valence CCC this model is not clearly better" in text


def test_a_failed_run_is_reported_and_its_text_is_escaped(tmp_path):
    failed = {"notebook": "02_train", "cell": 5, "error": "ValueError: <script>alert(1)</script>"}
    summary = make_summary(status="failed", failed=failed)
    html = write_report(tmp_path, summary, []).read_text()
    assert "<script>" not in html
    text = Page(html).text
    assert "Notebook 02_train failed in cell [5]" in " ".join(text.split())
    assert "<script>alert(1)</script>" in text
    assert "There are none" in text
