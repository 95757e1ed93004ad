"""Executed notebooks as pages: pictures and words stay, live widgets and folded code do not."""

import base64
import os
import re

import nbformat

from affectkit.course.pages import write_pages

PNG = base64.b64encode(b"\x89PNG a still").decode()


def write_notebook(path):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "image/png": PNG}
    shown = nbformat.v4.new_code_cell(
        "camera", outputs=[nbformat.v4.new_output("display_data", widget)]
    )
    folded = nbformat.v4.new_code_cell(
        "secret = 7", outputs=[nbformat.v4.new_output("stream", text="told")]
    )
    folded.metadata["jupyter"] = {"source_hidden": True}
    cells = [nbformat.v4.new_markdown_cell("# 06 Watch\n\n[next](07_read.ipynb)"), shown, folded]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    nbformat.write(notebook, path)
    return path


def test_a_page_shows_stills_and_answers_and_asks_the_network_for_formulas_only(tmp_path):
    path = write_notebook(tmp_path / "06_watch.ipynb")
    write_pages([path])
    html = path.with_suffix(".html").read_text("utf-8")
    assert f"data:image/png;base64,{PNG}" in html
    assert "told" in html
    assert "secret" not in html
    assert "widget-view" not in html
    assert "<title>06_watch</title>" in html
    scripts = re.findall(r'<script[^>]* src="([^"]*)"', html)
    assert len(scripts) == 1
    assert "mathjax" in scripts[0]


def test_only_pages_of_newer_notebooks_are_written(tmp_path):
    path = write_notebook(tmp_path / "06_watch.ipynb")
    page = path.with_suffix(".html")
    page.write_text("before")
    os.utime(page, (2e9, 2e9))
    write_pages([path])
    assert page.read_text() == "before"
    os.utime(page, (1e9, 1e9))
    write_pages([path])
    assert "told" in page.read_text("utf-8")
