"""What all images of one subject share, computed once and kept in a small cache."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from affectkit.faces.assets import load_head
from affectkit.faces.geometry import identity_vertices, macro_weights
from affectkit.faces.hair import curtain, curtain_coordinates, grow_hair, paint_hair, strand_pattern
from affectkit.faces.randomness import stream
from affectkit.faces.skin import skin_texture
from affectkit.faces.texture_space import HEIGHT, WIDTH, texture_coordinates
from affectkit.faces.wrinkles import NAMES

_KEYS = ("subject", "age", "femininity", "ethnicity", "details", "skin_tone_ita", "hair",
         "hair_colour", "beard", "makeup")  # fmt: skip
_CACHED = 4
_cache: OrderedDict[bytes, Subject] = OrderedDict()


class Subject:
    """Neutral geometry, texture and hair of one subject; lengths in centimetres.

    neutral (V, 3): the head without expression. growth (V, 3): offsets of the scalp by the hair's
    thickness. curtain (C, 3), curtain_quads (Q, 4): surface of long hair, its own vertex numbers.
    texture (2 * HEIGHT, WIDTH, 4): linear RGB and shine; the lower half is the hair of the curtain.
    coordinates (V + C, 2): texture pixels of all vertices. wrinkle_variation (9,): how deep each
    wrinkle is. skin_level, skin (3,): median linear reflectance of the face.
    """

    def __init__(self, face: dict) -> None:
        head = load_head()
        macro = macro_weights(face["ethnicity"], face["femininity"], face["age"])
        self.neutral = identity_vertices(head, macro, face["details"])
        self.growth = grow_hair(head, self.neutral, face)
        self.curtain, self.curtain_quads = curtain(self.neutral, face)
        texture, _ = paint_hair(skin_texture(face), face)
        strands = face["hair_colour"] * np.clip(1 + 0.35 * strand_pattern(), 0.2, 2)[..., None]
        strands = np.dstack([strands, np.full(strands.shape[:2], 0.2)])
        self.texture = np.concatenate([texture, strands]).astype(np.float32)
        coordinates = texture_coordinates(head.positions)
        # The shoulders below the texture get its last rows.
        coordinates[:, 1] = np.clip(coordinates[:, 1], 1, HEIGHT - 3)
        if len(self.curtain):
            coordinates = np.concatenate([coordinates, curtain_coordinates(HEIGHT)])
        self.coordinates = coordinates.astype(np.float32)
        rng = stream(face["subject"], "wrinkles")
        self.wrinkle_variation = rng.uniform(0.6, 1.4, len(NAMES)).astype(np.float32)
        middle = texture[HEIGHT // 4 : 3 * HEIGHT // 4, WIDTH // 3 : -WIDTH // 3]
        self.skin_level = float(np.median(middle[..., :3].mean(-1)))
        self.skin = np.median(middle[..., :3].reshape(-1, 3), axis=0)


def load_subject(face: dict) -> Subject:
    """Return the subject of a face, from the cache if it was one of the last four."""
    key = b"|".join(np.asarray(face[name]).tobytes() for name in _KEYS)
    if key not in _cache:
        _cache[key] = Subject(face)
        while len(_cache) > _CACHED:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]
