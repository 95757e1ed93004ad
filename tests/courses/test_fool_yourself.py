"""Each trick of notebook 08 gives its jump, and the undoing takes it back."""

from pathlib import Path

import papermill
import pytest

from affectkit.record import read_records

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08_fool_yourself.ipynb"


@pytest.fixture(scope="module")
def on_affectfaces(tmp_path_factory):
    """What the notebook records as it is committed."""
    executed = tmp_path_factory.mktemp("fool") / "08.ipynb"
    papermill.execute_notebook(NOTEBOOK, executed, progress_bar=False)
    return read_records(executed)


@pytest.mark.slow
@pytest.mark.notebooks
@pytest.mark.parametrize(
    ("trick", "least"),
    [
        ("people in both splits", 0.1),
        ("copies, nearest neighbour", 0.1),
        ("copies, linear probe", 0.002),
        ("choosing on the test set", 0.02),
        ("batches sorted by class", 0.2),
        ("thresholds tuned on test", 0.02),
        ("reporting the best seed", 0.01),
    ],
)
def test_a_trick_jumps_and_its_undoing_takes_it_back(on_affectfaces, trick, least):
    entry = on_affectfaces[trick]
    assert entry["jump"] == pytest.approx(entry["with"] - entry["undone"], abs=1e-6)
    assert entry["jump"] > least
    assert 0 < entry["low"] < entry["jump"] < entry["high"]


@pytest.mark.slow
@pytest.mark.notebooks
def test_batches_sorted_by_class_give_an_impossible_number(on_affectfaces):
    perfect = on_affectfaces["reached"]["a perfect model"]
    assert on_affectfaces["probe"] < perfect < on_affectfaces["batches sorted by class"]["with"]
    assert on_affectfaces["real_copies"] == 0


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
