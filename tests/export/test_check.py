"""How an exported network is compared with its source: values worked out by hand."""

import numpy as np
import pytest

from affectkit.export.check import (
    EXACT,
    TOLERANCES,
    Tolerance,
    check_comparison,
    compare_networks,
    faces_of_pictures,
)
from affectkit.preprocess import Preprocessing

FACES = np.zeros((4, 32, 32, 3), np.float32)


class Answers:
    """A network with given answers, shape (4, units), for the first faces it is shown."""

    image_size = 32

    def __init__(self, **answers):
        self.answers = {name: np.array(one, np.float32) for name, one in answers.items()}
        self.outputs = {name: one.shape[1] for name, one in self.answers.items()}

    def __call__(self, faces):
        return {name: one[: len(faces)] for name, one in self.answers.items()}


def same_for_all(row):
    return [row] * 4


def test_differences_are_measured():
    source = Answers(
        expression=same_for_all([0.5, 0.25, 0.25]), valence_arousal=same_for_all([0.5, -0.5])
    )
    other = Answers(
        expression=[[0.5, 0.25, 0.25]] * 3 + [[0.25, 0.5, 0.25]],
        valence_arousal=[[0.5, -0.5]] * 3 + [[0.5, 0.0]],
    )
    result = compare_networks(other, source, FACES)
    assert result["faces"] == 4
    assert result["agreement"] == 0.75
    expression, affect = result["outputs"]["expression"], result["outputs"]["valence_arousal"]
    assert expression["maximum_difference"] == 0.25
    assert expression["mean_difference"] == pytest.approx(0.5 / 12)
    assert (affect["maximum_difference"], affect["mean_difference"]) == (0.5, 0.0625)
    assert result["neighbour_difference"] == 0
    equal = compare_networks(source, source, FACES)
    check_comparison(equal, EXACT, "it")
    with pytest.raises(ValueError, match="it is not what .*maximum difference of valence_arousal"):
        check_comparison(result, EXACT, "it")
    # one face of a few may change its expression, two may not
    loose = Tolerance(1.0, 1.0, 0.95)
    check_comparison(result, loose, "it")
    with pytest.raises(ValueError, match=r"same expression for 50.0% of the faces, needed 95%"):
        check_comparison(result | {"agreement": 0.5}, loose, "it")


def test_answers_that_depend_on_neighbours_are_refused():
    class Leaky(Answers):
        def __call__(self, faces):
            return {name: one + 0.01 * len(faces) for name, one in super().__call__(faces).items()}

    given = same_for_all([0.5, -0.5])
    result = compare_networks(Leaky(valence_arousal=given), Answers(valence_arousal=given), FACES)
    assert result["agreement"] is None
    assert result["neighbour_difference"] == pytest.approx(0.03, abs=1e-6)
    with pytest.raises(ValueError, match=r"depend on the other faces of a batch .0.03, allowed"):
        check_comparison(result, TOLERANCES["tflite-int8"], "it")


@pytest.mark.parametrize("format", TOLERANCES)
def test_answers_that_are_no_numbers_are_refused(format):
    source = Answers(valence_arousal=same_for_all([0.5, -0.5]))
    broken = Answers(valence_arousal=same_for_all([0.5, np.nan]))
    with pytest.raises(ValueError, match="difference of valence_arousal nan"):
        check_comparison(compare_networks(broken, source, FACES), TOLERANCES[format], "it")


@pytest.mark.needs_shared
def test_faces_of_photographs_are_found(shared):
    faces = faces_of_pictures(shared / "data/london_faces", Preprocessing(48, grey=True))
    assert faces.shape == (40, 48, 48, 3)
    assert faces.dtype == np.float32
    assert (faces.min(), faces.max()) >= (-1.0, 0.5)
    assert np.abs(faces[..., 0] - faces[..., 2]).max() == 0
