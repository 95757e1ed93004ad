"""Notebook 01 in JupyterLab, in Chromium: rater three presses buttons, sliders draw a face."""

from __future__ import annotations

from pathlib import Path

import nbconvert
import nbformat
import pytest
from playwright.sync_api import expect

from affectkit.labels import EXPRESSIONS

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_explore_data.ipynb"
LAST = "sliders"
LONG = 120_000  # milliseconds
CLEAN = "print(*raters['clean label'])"
RATERS = ["annotator one", "annotator two", "clean label", "network"]


@pytest.fixture(scope="module")
def lab(tools, tmp_path_factory):
    """The notebook's code cells up to the sliders, open in Lab, and which is where."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    places = {cell.id: number for number, cell in enumerate(cells)}
    folder = tmp_path_factory.mktemp("lab")
    sources = [cell.source for cell in cells[: places[LAST] + 1]]
    sources[places["parameters"]] += f"\nlimit, output = 60, {str(folder / 'run')!r}"
    tools.write_notebook(folder / "notebook.ipynb", sources)
    with tools.lab_server(folder) as server, tools.chromium() as browser:
        page = tools.new_context(browser, ()).new_page()
        page.set_default_timeout(LONG)
        notebook = tools.LabNotebook(page, server, "notebook.ipynb")
        for number in range(len(sources)):
            notebook.run_cell(number)
        yield notebook, places, folder


def scores(notebook):
    """Give the table below the buttons as lists of texts."""
    rows = notebook.page.locator(".widget-html table tbody tr")
    return [row.locator("td, th").all_inner_texts() for row in rows.all()]


@pytest.mark.slow
def test_a_pressed_button_changes_kappa_and_the_class_becomes_rater_three(lab):
    notebook, places, _ = lab
    assert scores(notebook) == []
    table = notebook.page.locator(".widget-html table")
    clean = [EXPRESSIONS[int(code)] for code in notebook.execute(CLEAN).split()]
    others = ["Happy" if name == "Sad" else "Sad" for name in clean[:2]]
    for count, name in enumerate([*others, *clean[2:]], start=1):
        notebook.page.get_by_role("button", name=name, exact=True).click()
        expect(table).to_contain_text(f"same name, of {count}")
        if count in (2, 6):
            assert [row[0] for row in scores(notebook)] == RATERS
            agreed, kappa = scores(notebook)[2][1:]
            assert int(agreed) == count - 2
            assert float(kappa) <= 0 if count == 2 else float(kappa) > 0.3
    expect(notebook.page.get_by_role("button", name="Happy", exact=True)).to_be_disabled()
    notebook.run_cell(places["rater-three"])
    assert "True" in notebook.execute("print(labelled)")
    kappa = float(notebook.execute("print(kappa(rater_three, raters['clean label']))"))
    assert 0.8 < kappa < 1
    assert float(scores(notebook)[2][2]) == pytest.approx(kappa, abs=0.0051)


@pytest.mark.slow
def test_a_slider_draws_the_face_anew(lab):
    notebook, _, _ = lab
    picture = notebook.page.locator(".widget-image").last
    before = picture.get_attribute("src")
    slider = notebook.page.get_by_role("slider").first
    slider.focus()
    slider.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", before, timeout=LONG)


@pytest.mark.slow
def test_a_static_page_shows_the_faces_and_the_table(lab):
    notebook, places, folder = lab
    notebook.command("docmanager:save")
    saved = nbformat.read(folder / "notebook.ipynb", as_version=4)
    for name in ("twenty", "rater-three", "knobs-figure"):
        page = nbformat.from_dict(saved)
        page.cells = [saved.cells[places[name]]]
        html, _ = nbconvert.HTMLExporter().from_notebook_node(page)
        assert ("annotator two" if name == "rater-three" else "data:image/png") in html
