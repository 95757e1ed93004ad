"""What the tests that run whole courses share: records, and what figures must have.

`watch_figures` puts `note_figures` into the start of every kernel: whenever a figure is made into a
picture, a line with what it lacks is written to a file. `tall_pictures` reads the notebooks.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import nbformat
import numpy as np
import pytest

from affectkit.record import read_records

LARGEST_HEIGHT = 1200
"""Pixels; what still fits on a screen with a little scrolling."""


@pytest.fixture
def records():
    """Reads what a notebook of a course's run folder has recorded."""

    def read(folder, number):
        (path,) = (folder / "notebooks").glob(f"{number}_*.ipynb")
        return read_records(path)

    return read


@pytest.fixture(scope="session")
def timed_course(pytestconfig, wheel):
    """Where the run folder of the timed course of this very wheel is kept for later tests."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return pytestconfig.cache.mkdir("timed_course") / digest[:16]


@pytest.fixture(scope="session")
def short():
    """Parameters of a course on few faces and for one epoch."""
    return {"limit": 240, "epochs": 1, "seed": 3}


@pytest.fixture
def shortest(short, untraced):
    """The same of a course about data: what its networks learn is no matter."""
    return short | {"limit": 64}


def note_figures(path: str) -> None:
    """Write down what each figure lacks; runs inside the kernel, without this module."""
    import json
    import pathlib

    from matplotlib.backend_bases import FigureCanvasBase
    from matplotlib.ticker import FixedFormatter, FuncFormatter, NullFormatter

    def lacks_label(axes: object, which: str) -> bool:
        """Names at the ticks say what they are; shared axes are labelled once."""
        axis = getattr(axes, f"{which}axis")
        shared = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
        if any(getattr(one, f"{which}axis").get_label_text() for one in shared):
            return False
        if not axis.get_visible() or isinstance(axis.get_major_formatter(), NullFormatter):
            return False
        texts = [tick.get_text() for tick in axis.get_ticklabels() if tick.get_visible()]
        named = type(axis.get_major_formatter()).__name__ == "StrCategoryFormatter"
        named |= isinstance(axis.get_major_formatter(), (FixedFormatter, FuncFormatter))
        return any(texts) and not named

    def missing(figure: object) -> list[str]:
        found = []
        title = figure.get_suptitle()
        for axes in figure.axes:
            colour_bar = hasattr(axes, "_colorbar")
            titled = title or axes.get_title() or axes.get_title("left")
            if not (axes.axison or axes.images) or not axes.get_visible():
                continue
            shares = axes.get_shared_x_axes().get_siblings(axes)
            titled = titled or any(one.get_title() or one.get_title("left") for one in shares)
            if not (titled or colour_bar):
                found.append("title")
            if axes.axison and not colour_bar:
                found += [f"{which} label" for which in "xy" if lacks_label(axes, which)]
            if colour_bar and not (axes.get_ylabel() or axes.get_xlabel()):
                found.append("label of the colour bar")
        return found

    draw = FigureCanvasBase.print_figure

    def print_and_note(self: object, *arguments: object, **options: object) -> object:
        with pathlib.Path(path).open("a", encoding="utf-8") as file:
            texts = [axes.get_title() for axes in self.figure.axes]
            noted = {"titles": texts, "missing": missing(self.figure)}
            file.write(json.dumps(noted) + "\n")
        return draw(self, *arguments, **options)

    FigureCanvasBase.print_figure = print_and_note


def watch_figures(folder: Path) -> tuple[dict[str, str], Path]:
    """Give variables for the environment of kernels, and the file that they will write to."""
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True)
    notes = folder / "figures.jsonl"
    code = inspect.getsource(note_figures)
    script = f"from __future__ import annotations\n\n{code}\n\nnote_figures({str(notes)!r})\n"
    (startup / "00_figures.py").write_text(script, "utf-8")
    return {"IPYTHONDIR": str(folder)}, notes


def read_notes(notes: Path) -> list[dict]:
    """Give what was noted: titles and what is missing, a dict a figure."""
    return [json.loads(line) for line in notes.read_text("utf-8").splitlines()]


def tall_pictures(executed: Path) -> list[tuple[str, int]]:
    """List pictures of an executed notebook that are too high: cell and height in pixels."""
    found = []
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                pixels = np.frombuffer(base64.b64decode(png), np.uint8)
                height = cv2.imdecode(pixels, cv2.IMREAD_COLOR).shape[0]
                if height > LARGEST_HEIGHT:
                    found.append((cell.id, height))
    return found


def check_figures(run_folder: Path, notes: Path) -> None:
    """Check that the figures of a course have what they need, and fit a screen."""
    noted = read_notes(notes)
    assert len(noted) > 10
    assert [note for note in noted if note["missing"]] == []
    for path in sorted((run_folder / "notebooks").glob("*.ipynb")):
        assert tall_pictures(path) == [], path.name


@pytest.fixture(scope="session")
def figures():
    """What watches the figures of kernels, and what reads and checks the notes and pictures."""
    return SimpleNamespace(
        watch=watch_figures,
        read_notes=read_notes,
        tall_pictures=tall_pictures,
        check=check_figures,
    )


@pytest.fixture(scope="module")
def figure_notes(figures, tmp_path_factory):
    """Where the kernels of a module's course note what its figures lack."""
    environment, notes = figures.watch(tmp_path_factory.mktemp("ipython") / "watch")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield notes
