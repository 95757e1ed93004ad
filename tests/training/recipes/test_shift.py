"""Faces of other sources and worsened ones, and what is fitted on them."""

import numpy as np
import pytest
from scipy.special import softmax

from affectkit.evaluation import fit_temperature
from affectkit.preprocess import Preprocessing
from affectkit.training.recipes.shift import (
    AS_IS,
    PRESS_PARTS,
    WORSENED,
    balanced_accuracy,
    fit_balanced_prior,
    fit_confidence,
    fit_shared_temperature,
    press_rows,
    shifted_faces,
    worsen,
)


def answers(rows, scale, seed=0):
    """Labels drawn from softmax(logits); the model claims softmax(scale * logits)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (rows, 8))
    cumulative = softmax(logits, axis=1).cumsum(axis=1)
    labels = (generator.random((rows, 1)) > cumulative).sum(axis=1).clip(max=7)
    return labels, softmax(scale * logits, axis=1)


def test_sources_count_alike_however_many_faces_they_have():
    many, few = answers(30_000, 0.5), answers(3_000, 2.0, seed=1)
    both = {("a", AS_IS): many, ("b", AS_IS): few}
    again = {("a", AS_IS): many, **{("b", kind): few for kind in (AS_IS, "blur", "dark")}}
    shared = fit_shared_temperature(both)
    assert fit_temperature(*many) == pytest.approx(0.5, rel=0.05)
    pooled = (np.concatenate(parts) for parts in zip(many, few, strict=True))
    assert fit_temperature(*pooled) < shared < fit_shared_temperature(again) < 2


def test_the_balanced_prior_is_the_strength_of_the_greatest_balanced_accuracy():
    """By hand: ln .9 / .1 is 2.2; the rare face leads once .7 of it is added, the others stay."""
    frequencies = np.array([0.9, 0.1])
    leads = np.array([3.0, 2.5, 1.5])
    probabilities = softmax(np.stack([leads, np.zeros(3)], axis=1), axis=1)
    found = fit_balanced_prior(np.array([0, 0, 1]), probabilities, frequencies)
    np.testing.assert_allclose(found, -0.7 * np.log(frequencies))
    assert balanced_accuracy(np.array([0, 0, 1]), np.array([0, 1, 1])) == 0.75


def test_a_card_gets_the_temperatures_and_the_share():
    own, other = answers(5_000, 0.6), answers(5_000, 1.5, seed=1)
    temperature, found = fit_confidence(
        {("FER+", AS_IS): own, ("press", AS_IS): other}, np.full(8, 1 / 8)
    )
    protocol = found["protocol_temperatures"]["ferplus-majority"]
    assert protocol == pytest.approx(0.6, rel=0.1)
    assert protocol < temperature < 1.5
    assert found["balanced_prior"] == pytest.approx(np.zeros(8), abs=1.0)
    assert 0 < found["plausible_share"] < 1


@pytest.mark.parametrize("kind", WORSENED)
def test_worsened_faces_are_others_of_the_same_form_each_time_the_same(kind):
    faces = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    changed = worsen(faces, kind)
    assert (changed.shape, changed.dtype) == (faces.shape, np.uint8)
    assert (changed != faces).mean() > 0.5
    np.testing.assert_array_equal(worsen(faces, kind), changed)
    if kind == "dark":
        assert changed.mean() == pytest.approx(0.3 * faces.mean(), rel=0.1)
    if kind == "crop":  # sixteen rows of the top are gone, and eight of the bottom
        rows = np.arange(112, dtype=np.uint8)[None, :, None, None].repeat(112, 2).repeat(3, 3)
        assert worsen(rows, kind)[0, [0, -1], 0, 0].tolist() == [16, 103]


@pytest.mark.needs_shared
def test_no_person_of_the_press_is_in_two_parts(shared):
    people = [
        set(press_rows(shared / "data" / "press_faces", part)["subject"]) for part in PRESS_PARTS
    ]
    assert len(set.union(*people)) == sum(map(len, people)) == 4898


@pytest.mark.slow
@pytest.mark.needs_shared
def test_nothing_is_both_chosen_with_and_reported_on(shared):
    places = shared / "data" / "ferplus", shared / "data" / "press_faces"
    read = {
        part: shifted_faces(*places, part, Preprocessing(48, grey=True))
        for part in ("choose", "report")
    }
    for source in ("FER+", "press", "drawn"):
        (chosen, chosen_faces), (reported, _) = (read[part][source] for part in read)
        assert len(chosen) == len(chosen_faces) > 1000
        assert not set(chosen["image_id"]) & set(reported["image_id"])
    seen, unseen = (read[part]["FER+"][1] for part in read)
    assert not {face.tobytes() for face in seen} & {face.tobytes() for face in unseen}
