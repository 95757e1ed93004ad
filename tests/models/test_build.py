"""The networks: shapes, ranges, transfer from features, weights and clear refusals."""

import os
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

from affectkit.models import build_classifier, build_regressor, get_backbone, join_models
from affectkit.models.build import task_of


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    return build_classifier(image_size=32)


@pytest.fixture
def faces():
    return np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)


def test_classifier_gives_distributions(classifier, faces):
    output = classifier(faces).numpy()
    assert output.shape == (3, 8)
    np.testing.assert_allclose(output.sum(axis=1), 1, rtol=1e-5)
    assert task_of(classifier) == "classification"


def test_parameter_count_is_mobilenets_plus_the_head(classifier):
    # Keras' documented MobileNetV2 alpha .35 without top, and 1280 * 8 weights + 8 biases
    assert classifier.count_params() == 410_208 + 1280 * 8 + 8


def test_every_batch_norm_has_a_momentum_that_short_runs_can_use(classifier):
    layers = [
        layer
        for layer in get_backbone(classifier).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(layers) == 52
    assert {layer.momentum for layer in layers} == {0.9}


def test_regressor_starts_from_the_features_and_shares_nothing(classifier, faces):
    regressor = build_regressor(classifier)
    features = get_backbone(classifier)(faces, training=False).numpy()
    np.testing.assert_array_equal(get_backbone(regressor)(faces, training=False), features)
    kernel, bias = regressor.get_layer("valence_arousal").get_weights()
    np.testing.assert_allclose(regressor(faces), np.tanh(features @ kernel + bias), atol=1e-5)
    assert kernel.shape == (1280, 2)
    assert task_of(regressor) == "regression"
    before = [weight.copy() for weight in classifier.get_weights()]
    regressor.set_weights([weight + 1 for weight in regressor.get_weights()])
    for old, new in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert "expression" not in [layer.name for layer in regressor.layers]


def test_regressor_stays_within_bounds(classifier, faces):
    regressor = build_regressor(classifier)
    kernel, bias = regressor.get_layer("valence_arousal").get_weights()
    regressor.get_layer("valence_arousal").set_weights([kernel * 1000, bias])
    assert np.abs(regressor(faces * 10).numpy()).max() <= 1


def test_weights_from_a_file(tmp_path, faces):
    donor = build_classifier(image_size=32)
    path = tmp_path / "backbone.weights.h5"
    get_backbone(donor).save_weights(path)
    heir = build_classifier(image_size=32, weights=path)
    np.testing.assert_array_equal(get_backbone(heir)(faces), get_backbone(donor)(faces))
    with pytest.raises(ValueError, match=r"do not fit MobileNetV2 with alpha 0\.5"):
        build_classifier(image_size=32, alpha=0.5, weights=path)


def test_shared_imagenet_weights_load(shared):
    path = shared / "models" / "mobilenet_v2_1.0_imagenet_notop.weights.h5"
    model = build_classifier(image_size=32, alpha=1.0, weights=path)
    fresh = build_classifier(image_size=32, alpha=1.0)
    first = get_backbone(model).layers[1].get_weights()[0]
    assert not np.allclose(first, get_backbone(fresh).layers[1].get_weights()[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 1.0}, "dropout of 0 up to"),
        ({"image_size": 16}, "at least 32 pixels, got 16"),
        ({"weights": "nowhere.h5"}, "'nowhere.h5' is not a file"),
        ({"weights": "affectfaces", "alpha": 0.5}, "of alpha 0.35, got 0.5"),
        ({"weights": "imagenet", "alpha": 0.4}, "ImageNet weights exist for alpha"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    with pytest.raises(ValueError, match=message):
        build_classifier(**{"image_size": 32} | settings)


def test_offline_imagenet_says_what_to_do(tmp_path):
    """A real failing download: a proxy at a closed port of this machine, and in the cache what a
    killed download has left."""
    left = tmp_path / "models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"
    left.parent.mkdir()
    with h5py.File(left, "w") as file:
        file["kernel"] = np.zeros(1000)
    left.write_bytes(left.read_bytes()[:3000])
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    script = """
from affectkit.models.build import build_classifier
try:
    build_classifier(image_size=96, weights="imagenet")
except ValueError as error:
    print("refused:", error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | proxies | {"KERAS_HOME": str(tmp_path)},
    )
    assert "refused: the ImageNet weights could not be downloaded" in run.stdout, run.stderr
    assert "weights=None" in run.stdout
    assert not left.exists()


def test_foreign_models_are_refused():
    inputs = keras.Input((4,))
    foreign = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    with pytest.raises(ValueError, match="a layer named 'backbone'"):
        build_regressor(foreign)
    with pytest.raises(ValueError, match="8 .expressions. or 2"):
        task_of(foreign)


def test_equal_backbones_become_one_and_others_stay_two(classifier, faces):
    regressor, other = build_regressor(classifier), build_regressor(classifier)
    backbone = get_backbone(other)
    backbone.set_weights([weight * 1.01 for weight in backbone.get_weights()])
    shared, both = join_models(classifier, regressor), join_models(classifier, other)
    assert shared.count_params() < 1.1 * classifier.count_params()
    assert both.count_params() > 1.9 * classifier.count_params()
    for joined, second in ((shared, regressor), (both, other)):
        answers = joined(faces, training=False)
        np.testing.assert_allclose(answers["expression"], classifier(faces), atol=1e-5)
        np.testing.assert_allclose(answers["valence_arousal"], second(faces), atol=1e-5)
    with pytest.raises(ValueError, match="one input size, got 32 and 64 px"):
        join_models(classifier, build_regressor(build_classifier(64)))
