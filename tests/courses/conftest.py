"""What the tests that run whole courses share."""

import pytest

from affectkit.record import read_records


@pytest.fixture
def records():
    """Reads what a notebook of a course's run folder has recorded."""

    def read(folder, number):
        (path,) = (folder / "notebooks").glob(f"{number}_*.ipynb")
        return read_records(path)

    return read


@pytest.fixture(scope="session")
def short():
    """Parameters of a course on few faces and for one epoch."""
    return {"limit": 240, "epochs": 1, "seed": 3}
