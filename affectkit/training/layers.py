"""Random layers that cost a fraction of Keras' own, and draw from the same distributions.

Keras has a layer for each change, and resamples the face in each; here flip, shift, rotation and
zoom are one resampling, which also blurs less. `benchmarks/scale.py input` measures both.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

PIXEL_RANGE = 255.0
_GREY = (0.2989, 0.587, 0.114)
"""Luminance (ITU-R BT.601) of red, green and blue, as Keras and TensorFlow round it."""


def replica_part(draw: Callable[[tuple], tf.Tensor], shape: tuple) -> tf.Tensor:
    """Draw for the batch of all replicas, and give the rows of this one: a tensor of this shape.

    Replicas of `tf.distribute` have generators in the same state. What each draws for its own part
    (all have as many rows) would be the same for the first, second ... face of all parts.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    if replicas == 1:
        return draw(shape)
    rows, *others = shape
    first = rows * context.replica_id_in_sync_group
    return draw((rows * replicas, *others))[first : first + rows]


class _RandomLayer(keras.layers.Layer):
    """Changes float32 faces (batch, size, size, 3), 0..255, while training only."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = keras.random.SeedGenerator(seed)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Give the input's shape."""
        return input_shape

    def call(self, faces: object, training: bool = False) -> object:
        """Change the faces if training."""
        return self.change(faces) if training else faces

    def change(self, faces: object) -> object:
        """Change the faces."""
        raise NotImplementedError

    def draw(self, shape: tuple, low: float, high: float) -> object:
        """Draw uniformly from low..high."""

        def uniform(whole: tuple) -> object:
            return keras.random.uniform(whole, low, high, seed=self.generator)

        return replica_part(uniform, shape)


class RandomAffine(_RandomLayer):
    """Flip, shift, rotate and zoom in one bilinear resampling; edge pixels are repeated.

    What `RandomFlip`, `RandomTranslation`, `RandomRotation` and `RandomZoom` of Keras do one after
    the other. `shift` is a share of the side, `angle` in degrees, both at most and either way;
    `zoom` is the least and greatest change of the visible side: -0.1 shows 0.9 of it.
    """

    def __init__(
        self,
        shift: float = 0.0,
        angle: float = 0.0,
        zoom: tuple[float, float] = (0.0, 0.0),
        flip: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self._shift, self._angle, self._zoom, self._flip = shift, angle, zoom, flip

    def change(self, faces: object) -> object:
        """Resample the faces."""
        count, height, width = ops.shape(faces)[0], faces.shape[1], faces.shape[2]
        angle = self.draw((count,), -self._angle, self._angle) * (3.141592653589793 / 180)
        zoom = self.draw((count,), 1 + self._zoom[0], 1 + self._zoom[1])
        right = self.draw((count,), -self._shift, self._shift) * width
        down = self.draw((count,), -self._shift, self._shift) * height
        mirrored = ops.cast(self.draw((count,), 0, 1) < (0.5 if self._flip else 0), "float32")
        matrix = affine_matrix(mirrored, right, down, angle, zoom, height, width)
        return ops.image.affine_transform(faces, matrix, "bilinear", "nearest")


def affine_matrix(
    mirrored: object, right: object, down: object, angle: object, zoom: object, height: int,
    width: int,
) -> object:  # fmt: skip
    """Say for each place of the result where it is in the face: flip, shift, rotate, then zoom.

    float32 (n,) each: 1 for mirrored faces, else 0; pixels; pixels; radians; shown share. Gives
    (n, 8): rows of `ImageProjectiveTransformV3`.
    """
    x, y = (width - 1) / 2, (height - 1) / 2
    cosine, sine = zoom * ops.cos(angle), zoom * ops.sin(angle)
    left = x - x * cosine + y * sine - right
    top = y - x * sine - y * cosine - down
    sign = 1 - 2 * mirrored
    zero = ops.zeros_like(angle)
    rows = [sign * cosine, -sign * sine, sign * left + mirrored * (width - 1),
            sine, cosine, top, zero, zero]  # fmt: skip
    return ops.stack(rows, axis=1)


class RandomLight(_RandomLayer):
    """Change brightness and contrast, and take the colour from some faces.

    What `RandomBrightness`, `RandomContrast` and `RandomGrayscale` of Keras do one after the other,
    but for pixels that leave the range between the last two. `brightness` is a share of the range,
    either way; the factor of contrast 1 - contrast to 1 + contrast; `grey` a share of the faces.
    """

    def __init__(
        self, brightness: float, contrast: float, grey: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__(seed)
        self._brightness, self._contrast, self._grey = brightness, contrast, grey

    def change(self, faces: object) -> object:
        """Change light and colour."""
        count = ops.shape(faces)[0]
        added = self.draw((count, 1, 1), -self._brightness, self._brightness) * PIXEL_RANGE
        factor = self.draw((count, 1, 1), 1 - self._contrast, 1 + self._contrast)
        is_grey = self.draw((count, 1, 1), 0, 1) < self._grey
        return change_light(faces, added, factor, is_grey)


def change_light(faces: object, added: object, factor: object, is_grey: object) -> object:
    """Add, scale about the mean, and make grey; each of shape (n, 1, 1). See `RandomLight`."""
    size = ops.shape(faces)
    pixels = ops.reshape(faces, (size[0], -1, 3))
    pixels = ops.clip(pixels + added, 0, PIXEL_RANGE)
    mean = ops.mean(pixels, axis=1, keepdims=True)
    colours = ops.where(is_grey, ops.tile(ops.array(_GREY)[:, None], (1, 3)), ops.eye(3))
    changed = ops.matmul(pixels, factor * colours) + ops.matmul(mean * (1 - factor), colours)
    return ops.reshape(ops.clip(changed, 0, PIXEL_RANGE), size)


class RandomPatch(_RandomLayer):
    """Put noise in place of a rectangle of some faces (Zhong et al., 2020, arXiv:1708.04896).

    What `RandomErasing` of Keras does, but the noise of a batch is drawn for one face. `scale` is
    the least and greatest share of a side, squared; drawn for width and height.
    """

    def __init__(self, share: float, scale: tuple[float, float], seed: int = 0) -> None:
        super().__init__(seed)
        self._share, self._scale = share, scale

    def change(self, faces: object) -> object:
        """Erase a rectangle."""
        count, height, width = ops.shape(faces)[0], faces.shape[1], faces.shape[2]
        chosen = self.draw((count, 1, 1, 1), 0, 1) < self._share
        inside = ops.logical_and(
            ops.reshape(self._range(count, height), (count, height, 1, 1)),
            ops.reshape(self._range(count, width), (count, 1, width, 1)),
        )
        noise = keras.random.normal((1, height, width, 3), seed=self.generator) * PIXEL_RANGE
        noise = ops.clip(noise, 0, PIXEL_RANGE)
        return ops.where(ops.logical_and(chosen, inside), noise, faces)

    def _range(self, count: object, side: int) -> object:
        """Draw a part of each side: bool, shape (n, side)."""
        length = ops.sqrt(self.draw((count, 1), *self._scale)) * side
        start = self.draw((count, 1), 0, 1) * (side - length)
        place = ops.cast(ops.arange(side), "float32")[None]
        return ops.logical_and(place >= start, place < start + length)
