"""What the tests of the camera widget share: Chromium, and the folder of tools that runs it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def tools():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        module = importlib.import_module("lab_browser")
    finally:
        sys.path.remove(str(BENCHMARKS))
    if module.find_chromium() is None:
        message = "needs Chromium: apt-get install chromium, or name it in the variable CHROMIUM"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    return module
