"""Two replicas draw the two halves of what one process draws for the whole batch."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from affectkit.training.layers import WholeBatchDropout, with_whole_batch_dropout


def test_dropout_drops_its_share_and_keeps_the_sum():
    layer = WholeBatchDropout(0.25, seed=0)
    ones = np.ones((100, 100), np.float32)
    np.testing.assert_array_equal(layer(ones), ones)
    dropped = layer(ones, training=True).numpy()
    np.testing.assert_allclose(np.unique(dropped), [0, 4 / 3], rtol=1e-6)
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert (layer(ones, training=True).numpy() != dropped).any()


def test_only_dropout_is_replaced():
    inputs = keras.Input((3,))
    features = keras.layers.Dropout(0.1, name="first")(keras.layers.Dense(4)(inputs))
    model = keras.Model(inputs, keras.layers.Dropout(0.2)(keras.layers.Dense(2)(features)))
    other = with_whole_batch_dropout(model, seed=7)
    kinds = [type(layer).__name__ for layer in other.layers[1:]]
    assert kinds == ["Dense", "WholeBatchDropout", "Dense", "WholeBatchDropout"]
    assert [layer.seed for layer in (other.layers[2], other.layers[4])] == [7, 8]
    assert [layer.rate for layer in (other.layers[2], other.layers[4])] == [0.1, 0.2]
    for mine, yours in zip(other.weights, model.weights, strict=True):
        assert mine is yours
    plain = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    assert with_whole_batch_dropout(plain) is plain


SCRIPT = """
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    import numpy as np
    from affectkit.training.augmentation import build_augmentation
    from affectkit.training.layers import WholeBatchDropout

    faces = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype(np.float32)

    def change(strategy):
        with strategy.scope():
            layers = [*build_augmentation("heavy", seed=4), WholeBatchDropout(0.5, seed=9)]
            for layer in layers:
                layer.build(faces.shape)

        @tf.function
        def augment(batch):
            for layer in layers:
                batch = layer(batch, training=True)
            return batch

        each = 8 // strategy.num_replicas_in_sync
        parts = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                faces[context.replica_id_in_sync_group * each:][:each]
            )
        )
        steps = [strategy.run(augment, args=(parts,)) for _ in range(2)]
        return [
            np.concatenate(strategy.experimental_local_results(step)) for step in steps
        ]

    one = change(tf.distribute.get_strategy())
    two = change(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    np.testing.assert_allclose(one, two, atol=0.01)
    assert np.abs(one[0] - one[1]).max() > 1  # another draw each step
    print("equal")
"""


def test_two_devices_draw_the_halves_of_one_batch():
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.split() == ["equal"]
