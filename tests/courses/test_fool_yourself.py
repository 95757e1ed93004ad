"""Each trick of notebook 08 gives its jump, and the undoing takes it back."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08_fool_yourself.ipynb"


@pytest.mark.slow
@pytest.mark.notebooks
@pytest.mark.needs_shared
def test_tricks_on_ferplus(shared, tmp_path):
    """Real photographs: sorted batches help there, too, and one rater is below a new panel."""
    parameters = {"dataset": "ferplus", "root": str(shared / "data" / "ferplus"), "limit": 1500}
    papermill.execute_notebook(NOTEBOOK, tmp_path / "08.ipynb", parameters, progress_bar=False)
    records = read_records(tmp_path / "08.ipynb")
    for trick in ("copies, nearest neighbour", "batches sorted by class"):
        assert records[trick]["low"] > 0
    assert 0.75 < records["reached"]["one rater drawn from the votes"] < 0.9
    assert records["reached"]["a new panel of ten, drawn from the votes"] > 0.9
