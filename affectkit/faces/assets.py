"""The reduced head: geometry, morph targets and baked visibility from ``head.npz``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

POSITION_STEP = 1 / 500
SKIN, MOUTH_LINING, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE, LASHES = range(8)
HAIR = 8


@dataclass(frozen=True)
class Head:
    """The template head; lengths in centimetres, origin between the eyes, +x subject's left.

    Positions (V, 3) float32; triangles (T, 3) int32 with material (T,); targets as matrices (K, 3
    V) that add to the flattened positions at weight 1.
    """

    positions: np.ndarray
    quads: np.ndarray
    triangles: np.ndarray
    material: np.ndarray
    landmarks: np.ndarray
    macros: np.ndarray
    macro_names: tuple[str, ...]
    details: np.ndarray
    detail_names: tuple[str, ...]
    units: np.ndarray
    unit_names: tuple[str, ...]
    visible: np.ndarray
    visibility_directions: np.ndarray
    lips: np.ndarray
    ears: np.ndarray
    eyelids: np.ndarray
    eye_vertices: tuple[np.ndarray, np.ndarray]


def _targets(codes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return (codes.astype(np.float32) * scale[:, None, None]).reshape(len(codes), -1)


@lru_cache(maxsize=1)
def load_head() -> Head:
    """Load the packaged head; a FileNotFoundError if the package lacks its data files."""
    path = Path(__file__).with_name("head.npz")
    if not path.is_file():
        raise FileNotFoundError(f"expected the head asset at {path}; reinstall affectkit")
    with np.load(path, allow_pickle=False) as archive:
        data = {name: archive[name] for name in archive.files}
    quads = data["quads"].astype(np.int32)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    material = np.concatenate([data["material"]] * 2)
    directions = data["visibility_directions"]
    visible = np.unpackbits(data["visibility"], axis=0)[: len(directions)].astype(np.float32)
    eyes = tuple(np.unique(triangles[material == eye]) for eye in (LEFT_EYE, RIGHT_EYE))
    return Head(
        positions=(data["positions"] * POSITION_STEP).astype(np.float32),
        quads=quads,
        triangles=triangles,
        material=material,
        landmarks=data["landmarks"].astype(np.int32),
        macros=_targets(data["macro_codes"], data["macro_scale"]),
        macro_names=tuple(str(name) for name in data["macro_names"]),
        details=_targets(data["detail_codes"], data["detail_scale"]),
        detail_names=tuple(str(name) for name in data["detail_names"]),
        units=_targets(data["unit_codes"], data["unit_scale"]),
        unit_names=tuple(str(name) for name in data["unit_names"]),
        visible=visible,
        visibility_directions=directions,
        lips=data["mask_lips"].astype(np.float32) / 255,
        ears=data["mask_ears"].astype(np.float32) / 255,
        eyelids=data["mask_eyelids"].astype(np.float32) / 255,
        eye_vertices=eyes,
    )
