"""report.html of a course run: one file with every number and figure, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from affectkit.course.summary import REPORT_FILE
from affectkit.evaluation.tables import BASELINE_NAMES, metric_name, metric_table, number
from affectkit.files.atomic import write_atomically
from affectkit.record import read_notebook

TEMPLATE = Path(__file__).parent.parent / "assets" / "report.html.j2"
LEADING_METRICS = ("accuracy", "macro_f1", "valence_ccc", "arousal_ccc")
_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$", re.MULTILINE)
_MISFITS = (jinja2.TemplateError, ValueError, TypeError, ArithmeticError)
"""What rendering a summary raises that holds other things than a run's."""

_ERROR_TAG = "papermill-error-cell-tag"


@dataclass(frozen=True)
class ReportFigure:
    """A picture from a notebook (base64), and what a screen reader says instead of it.

    The caption is the heading that it stands under.
    """

    caption: str
    alternative: str
    png: str


@dataclass(frozen=True)
class NotebookFigures:
    """The pictures of one notebook in its order; the title is its first heading."""

    name: str
    title: str
    figures: tuple[ReportFigure, ...]


def write_report(
    run_folder: str | Path, summary: dict, paths: Iterable[Path] | None = None
) -> Path:
    """Write `report.html` of a run: self-contained, nothing is loaded from elsewhere.

    With the figures of the notebooks at `paths`, else of those that the summary says have run, and
    links to the pages of these. ValueError if one can't be read, or the summary is not one of a
    run.
    """
    folder = Path(run_folder)
    if paths is None:
        paths = executed_notebooks(folder, summary)
    notebooks = [read_figures(path) for path in paths]
    pages = {page.stem for page in (folder / "notebooks").glob("*.html")}
    results = [_result(name, result) for name, result in summary["metrics"].items() if result]
    try:
        html = _template().render(
            summary=summary, results=results, notebooks=notebooks, pages=pages
        )
    except _MISFITS as error:
        raise ValueError(
            f"the summary of the run in {folder} is damaged ({error!r:.200}); run the course again "
            "with another output"
        ) from error
    return write_atomically(folder / REPORT_FILE, html)


def executed_notebooks(run_folder: Path, summary: dict) -> list[Path]:
    """List the notebooks in a run's folder that its summary says have run."""
    ran = [entry["name"] for entry in summary["notebooks"] if entry["status"] != "not run"]
    paths = [run_folder / "notebooks" / f"{name}.ipynb" for name in ran]
    return [path for path in paths if path.is_file()]


def read_figures(notebook_path: str | Path) -> NotebookFigures:
    """Collect the PNG pictures of an executed notebook with the headings that they stand under."""
    path = Path(notebook_path)
    title, heading, figures = "", "", []
    for cell in read_notebook(path)["cells"]:
        if cell["cell_type"] == "markdown" and _ERROR_TAG not in cell["metadata"].get("tags", []):
            for marks, text in _HEADING.findall("".join(cell["source"])):
                heading = _plain_text(text)
                title = title or (heading if marks == "#" else "")
        for output in cell.get("outputs", []):
            png = "".join("".join(output.get("data", {}).get("image/png", "")).split())
            figures += [(heading or path.stem, png)] if png else []
    title = title or path.stem
    return NotebookFigures(
        path.stem,
        title,
        tuple(
            ReportFigure(caption, f"Figure {count} of notebook {title}: {caption}", png)
            for count, (caption, png) in enumerate(figures, start=1)
        ),
    )


def _plain_text(markdown: str) -> str:
    """Drop the marks of emphasis, code and links."""
    return re.sub(r"[*`]|\[(.*?)\]\(.*?\)", r"\1", markdown)


def _result(name: str, result: dict) -> dict[str, object]:
    """Prepare one result for the template."""
    header, rows = metric_table(result)
    lead = [key for key in LEADING_METRICS if key in result["metrics"]]
    baseline, guess = next(iter(result.get("baselines", {}).items()), ("no baseline", {}))
    return {
        "name": name,
        "result": result,
        "header": header,
        "rows": rows,
        "lead": lead,
        "baseline": BASELINE_NAMES.get(baseline, baseline),
        "guess": {key: guess.get(key) for key in lead},
        "weak": [
            metric_name(key) for key in lead if not _beats(result["metrics"][key], guess.get(key))
        ],
        "small_groups": sum(
            group["small"] for groups in result.get("slices", {}).values() for group in groups
        ),
    }


def _beats(entry: dict[str, float | None], guess: float | None) -> bool:
    """Tell whether a metric, with its interval if there is one, lies above a baseline."""
    lowest = entry["value"] if entry["low"] is None else entry["low"]
    return lowest is not None and (guess is None or lowest > guess)


def _seconds(value: float | None) -> str:
    """Write a duration: 12 s, 3 min 05 s, 2 h 10 min."""
    if value is None:
        return "–"
    minutes, seconds = divmod(round(value), 60)
    if not minutes:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def _gigabytes(value: int | None) -> str:
    return "not measured" if value is None else f"{value / 1e9:.1f} GB"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"seconds": _seconds, "gigabytes": _gigabytes, "number": number}
    environment.filters["metric_name"] = metric_name
    return environment.from_string(TEMPLATE.read_text("utf-8"))
