"""Notebook 09 on the portraits of a folder, and without any."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "09_read_real_faces.ipynb"
NETWORKS = ("student", "affectkit-real")


@pytest.fixture(scope="module")
def run(short, tmp_path_factory):
    """Runs the notebook in one run folder; gives what it records."""
    folder = tmp_path_factory.mktemp("faces")

    def run(portraits):
        given = short | {"output": str(folder / "run"), "portraits": str(portraits)}
        papermill.execute_notebook(NOTEBOOK, folder / "09.ipynb", given, progress_bar=False)
        return read_records(folder / "09.ipynb")

    return run


@pytest.mark.slow
@pytest.mark.notebooks
@pytest.mark.needs_shared
def test_photographs_part_the_networks(run, shared):
    records = run(shared / "data" / "london_faces")
    assert records["source"] == "real"
    assert records["affectkit-real on real"] >= 0.75
    assert records["affectkit-real on real"] > records["student on real"]
    assert records["rises"]["affectkit-real"] >= 5
    overlap = records["overlap"]
    assert overlap.keys() == {
        "blob in the middle",
        *NETWORKS,
        *(f"{network}, wrong class" for network in NETWORKS),
    }
    assert 1 < overlap["blob in the middle"] < 2
    assert overlap["affectkit-real"] > 0.5


@pytest.mark.slow
@pytest.mark.notebooks
def test_drawn_people_stand_in_and_it_says_so(run):
    records = run("drawn")
    assert records["source"] == "drawn"
    assert not any(name.endswith(" on real") for name in records)
