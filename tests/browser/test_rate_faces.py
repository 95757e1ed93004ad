"""Notebook 04 in JupyterLab, in Chromium: a rater moves the sliders and keeps a rating."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pandas as pd
import pytest
from playwright.sync_api import expect

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "04_evaluate_models.ipynb"
LONG = 120_000  # milliseconds
SETUP = """
from types import SimpleNamespace
from affectkit.preprocess import Preprocessing
ratings, seed, folder = "", 0, SimpleNamespace(path=Path.cwd())
regressor = SimpleNamespace(preprocessing=Preprocessing(image_size=64))
test_va = load_splits("affectfaces", limit=40)["test"]
"""


@pytest.mark.slow
def test_a_click_keeps_a_rating_and_shows_the_next_face(tools, tmp_path):
    cells = {cell.id: cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells}
    sources = [cells["cell-03"], SETUP, cells["circumplex-code"]]
    tools.write_notebook(tmp_path / "notebook.ipynb", sources)
    with tools.lab_server(tmp_path) as server, tools.chromium() as browser:
        page = tools.new_context(browser, ()).new_page()
        page.set_default_timeout(LONG)
        notebook = tools.LabNotebook(page, server, "notebook.ipynb")
        for number in range(len(sources)):
            notebook.run_cell(number)
        rater = page.get_by_role("textbox", name="rater")
        rater.fill("anna")
        rater.press("Tab")
        slider = page.locator(".widget-slider", has_text="valence")
        for shown in ("0.05", "0.10"):
            slider.get_by_role("slider").press("ArrowRight")
            expect(slider.locator(".widget-readout")).to_have_text(shown)
            while notebook.execute("print(f'{pleasant.value:.2f}')").strip() != shown:
                page.wait_for_timeout(100)  # a slider's next change waits for the picture
        for number in (0, 1):
            page.get_by_role("button", name="Keep this rating").click()
            expect(page.get_by_text(f"face {number} of anna is in ratings.csv")).to_be_visible()
        assert notebook.execute("print(number.value)").strip() == "2"
        shown = notebook.execute("print(*sample['image_id'][:2])").split()
    kept = pd.read_csv(tmp_path / "ratings.csv")
    assert list(kept["rater"]) == ["anna", "anna"]
    assert list(kept["image_id"]) == shown
    assert kept["valence"].tolist() == pytest.approx([0.1, 0.1])
    assert kept["arousal"].tolist() == [0, 0]
