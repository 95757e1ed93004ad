"""What every runtime's network must take and answer, checked when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from affectkit.networks import Network

OUTPUTS = {"classification": "expression", "regression": "valence_arousal"}
"""The output that answers each task."""

UNITS = {"expression": 8, "valence_arousal": 2}

LARGEST_SIDE = 1024
"""Pixels; see `affectkit.preprocess.Preprocessing`."""

DAMAGED = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError),
    *(MemoryError, AssertionError),
)
"""What runtimes raise, as a spoilt file happens to meet them."""


def check_outputs(shapes: dict[str, object], source: str | Path) -> dict[str, int]:
    """Give the units of each output, in the order of `OUTPUTS`.

    Raises
    ------
    ValueError
        If there are others, or they have other units.
    """
    known = list(OUTPUTS.values())
    if not shapes or set(shapes) - set(known):
        raise ValueError(
            f"expected outputs of {', '.join(known)}, {source} has "
            f"{', '.join(map(str, shapes))[:200] or 'none'}; use a file that `affectkit export` "
            "wrote"
        )
    for name, shape in shapes.items():
        sizes = _sizes(shape)
        if len(sizes) != 2 or sizes[1] != UNITS[name]:
            raise ValueError(f"expected {UNITS[name]} units of {name}, {source} has {shape}")
    return {name: UNITS[name] for name in known if name in shapes}


def check_input(shape: object, source: str | Path) -> int:
    """Give the side of the square pictures that a network takes.

    Raises
    ------
    ValueError
        If it takes something else.
    """
    sizes = _sizes(shape)
    side = sizes[1] if len(sizes) == 4 else None
    if isinstance(side, int) and 1 <= side <= LARGEST_SIDE and sizes[2:] == [side, 3]:
        return side
    raise ValueError(f"expected an input of (batch, size, size, 3), {source} takes {shape}")


def try_out(network: Network, source: str | Path, *problems: type[Exception]) -> None:
    """Run a network once, so that a damaged one is told when it is loaded.

    Raises
    ------
    ValueError
        If it fails.
    """
    face = np.zeros((1, network.image_size, network.image_size, 3), np.float32)
    try:
        shapes = {name: answer.shape for name, answer in network(face).items()}
    except (*DAMAGED, *problems) as error:
        raise ValueError(f"{source} can't be run ({str(error)[:300]}); get it anew") from error
    if shapes != {name: (1, units) for name, units in network.outputs.items()}:
        raise ValueError(f"{source} gives answers of shape {shapes}; get it anew")


def _sizes(shape: object) -> list[object]:
    """Give a shape of any runtime as a list of int, or else of what stands there."""
    if shape is None or getattr(shape, "rank", 0) is None:
        return []
    return [int(size) if isinstance(size, (int, np.integer)) else size for size in shape]
