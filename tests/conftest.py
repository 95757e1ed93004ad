"""Fixtures that several test modules use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of data that is not in the repository; skips where it is absent, fails in CI."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("AFFECTKIT_SHARED", beside))
    if not (folder / "data").is_dir():
        message = "needs the shared data (AFFECTKIT_SHARED, or ../shared beside the repository)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder
