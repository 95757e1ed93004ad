"""Profiles: known names, replaced settings, refused values."""

import json

import pytest

from affectkit.profiles import PROFILES, TrainingSettings, get_profile


def test_profiles_grow_from_quick_to_full():
    sizes = [PROFILES[name].image_size for name in ("quick", "standard", "full")]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    assert PROFILES["quick"].weights == "affectfaces"  # must run offline


def test_replaced_settings():
    profile = get_profile("full", weights="none", epochs=2, image_size=128)
    assert profile.weights is None
    assert (profile.classifier.epochs, profile.regressor.epochs) == (2, 2)
    assert profile.image_size == 128
    assert get_profile("full").weights == "imagenet"
    assert json.loads(json.dumps(profile.to_dict()))["classifier"]["epochs"] == 2


def test_the_older_systems_recipe():
    """Its figures stand in shared/reference/affectnet.md; 15 epochs are the direct regressor's."""
    profile = get_profile("seed")
    assert (profile.image_size, profile.alpha, profile.weights) == (224, 1.0, "imagenet")
    recipes = (profile.classifier, profile.regressor, profile.direct_regressor)
    assert [(one.epochs, one.batch_size, one.learning_rate) for one in recipes] == [
        *((10, 64, 1e-5), (10, 16, 3e-5), (15, 16, 3e-5))
    ]
    assert all(one.patience >= one.epochs for one in recipes)
    shorter = get_profile("seed", epochs=2)
    assert shorter.direct_regressor.epochs == 2
    assert get_profile("quick", epochs=2).direct_regressor is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs of at least 1, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate above 0"),
        ({"balance": 1.5}, "balance of 0..1"),
        ({"label_smoothing": -0.1}, "label_smoothing of 0..1"),
    ],
)
def test_values_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**settings)


def test_unknown_profile():
    with pytest.raises(ValueError, match=r"quick, standard, full, seed, got 'fast'"):
        get_profile("fast")
