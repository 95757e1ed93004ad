"""Named random streams."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random stream of one parameter of one face.

    Streams of different names are independent, so that fixing one parameter leaves the others as
    they were.
    """
    return np.random.default_rng([int(seed), zlib.crc32(name.encode())])
