"""Faint smiles drawn on neutral photographs."""

import numpy as np
import pandas as pd
import pytest

from affectkit.data import SOFT_LABEL_COLUMNS, make_table, soft_labels
from affectkit.training.recipes.faint_smiles import (
    SMILE_SHARE,
    STRENGTHS,
    add_faint_smiles,
    draw_smile,
    move_about,
)

LANDMARKS = np.array([[34, 44], [78, 44], [56, 66], [40, 84], [72, 84]], float)
"""Of a face of 112 pixels: eyes 44 pixels apart, the mouth's corners below them."""


def spotted_face(spots: np.ndarray) -> np.ndarray:
    """A grey face with a soft bright spot at each of the places."""
    rows, columns = np.mgrid[:112, :112]
    light = sum(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) for x, y in spots)
    return np.repeat((60 + 150 * light).clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def brightest_near(face: np.ndarray, place: np.ndarray, reach: int = 14) -> np.ndarray:
    """The centre of light (x, y) within a square round a place."""
    x, y = place.astype(int)
    part = face[y - reach : y + reach + 1, x - reach : x + reach + 1, 0].astype(float) - 60
    rows, columns = np.mgrid[y - reach : y + reach + 1, x - reach : x + reach + 1]
    return np.array([(part * columns).sum(), (part * rows).sum()]) / part.sum()


def photographs(neutral: list[float]) -> pd.DataFrame:
    columns = {
        "image_id": [f"{number}.png" for number in range(len(neutral))],
        "split": ["train"] * len(neutral),
        "expression": [0] * len(neutral),
        "valence": [-0.1] * len(neutral),
        "arousal": [0.0] * len(neutral),
    }
    votes = {name: [0.0] * len(neutral) for name in SOFT_LABEL_COLUMNS}
    votes |= {"soft_neutral": neutral, "soft_sad": [1 - share for share in neutral]}
    return make_table(columns | votes, "photographs", "votes")


@pytest.mark.parametrize("seed", range(5))
def test_a_smile_moves_the_corners_up_and_out(seed):
    face = spotted_face(LANDMARKS[3:])
    smile = draw_smile(face, LANDMARKS, np.random.default_rng(seed))
    assert smile.shape == face.shape
    assert smile.dtype == np.uint8
    for corner, outwards in zip(LANDMARKS[3:], (-1, 1), strict=True):
        way = brightest_near(smile, corner) - brightest_near(face, corner)
        assert -way[1] > 0.4 * STRENGTHS[0] * 44
        assert outwards * way[0] > 0.2 * STRENGTHS[0] * 44
        assert np.linalg.norm(way) < 1.6 * STRENGTHS[1] * 44


def test_a_smile_follows_a_tilted_head():
    turn = np.array([[0, -1], [1, 0]])  # a quarter to the right: up is to the right
    tilted = (LANDMARKS - 56) @ turn.T + 56
    face = spotted_face(tilted[3:])
    smile = draw_smile(face, tilted, np.random.default_rng(0))
    for corner in tilted[3:]:
        assert (brightest_near(smile, corner) - brightest_near(face, corner))[0] > 0.5


def test_a_face_far_from_the_moves_stays_as_it_is():
    face = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    for change in (draw_smile, move_about):
        changed = change(face, LANDMARKS, np.random.default_rng(1))
        assert (changed != face).any()
        np.testing.assert_array_equal(changed[:20], face[:20])
        np.testing.assert_array_equal(changed[:, 110:], face[:, 110:])


@pytest.mark.parametrize("seed", range(8))
def test_what_is_moved_about_is_no_smile(seed):
    face = spotted_face(LANDMARKS[3:])
    moved = move_about(face, LANDMARKS, np.random.default_rng(seed))
    ways = [brightest_near(moved, place) - brightest_near(face, place) for place in LANDMARKS[3:]]
    rises = [-way[1] for way in ways]
    outwards = ways[1][0] - ways[0][0]
    assert not (min(rises) > 1 and outwards > 1)


def test_neutral_photographs_that_look_at_the_camera_get_a_smile_each():
    table = photographs([1.0, 0.5, 0.8, 0.9, 1.0])
    table.attrs["dataset"] = "photographs"
    faces = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3)).astype(np.uint8)
    turned = LANDMARKS + np.array([[0, 0], [0, 0], [12, 0], [0, 0], [0, 0]])
    small = 56 + 0.5 * (LANDMARKS - 56)
    answers = iter([LANDMARKS, turned, small, None])  # of rows 0, 2, 3 and 4
    asked = []

    def find(image: np.ndarray) -> np.ndarray | None:
        asked.append(image.shape)
        answer = next(answers)
        return None if answer is None else answer * image.shape[0] / 112

    joined, more = add_faint_smiles(table, faces, find, seed=3)
    assert len(asked) == 4  # the raters of row 1 did not agree
    assert joined["image_id"].tolist()[5:] == ["0.png+smile", "0.png+moved"]
    assert joined.attrs == table.attrs
    pd.testing.assert_frame_equal(joined[:5], table, check_flags=False)
    np.testing.assert_array_equal(more[:5], faces)
    labels = soft_labels(joined)[5:]
    np.testing.assert_allclose(labels[0], [1 - SMILE_SHARE, SMILE_SHARE, *[0] * 6], atol=1e-6)
    np.testing.assert_allclose(labels[1], [1, *[0] * 7], atol=1e-6)
    assert joined["expression"].tolist()[5:] == [1, 0]
    assert joined[["valence", "arousal"]][5:].isna().all(axis=None)

    generator = np.random.default_rng([3, 0])
    np.testing.assert_array_equal(more[5], draw_smile(faces[0], LANDMARKS, generator))
    np.testing.assert_array_equal(more[6], move_about(faces[0], LANDMARKS, generator))


def test_without_a_neutral_photograph_nothing_is_added():
    table = photographs([0.5])
    faces = np.zeros((1, 64, 64, 3), np.uint8)
    joined, same = add_faint_smiles(table, faces, lambda image: LANDMARKS)
    assert len(joined) == len(same) == 1
