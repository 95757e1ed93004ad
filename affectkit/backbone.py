"""MobileNetV2, and the weights that it starts from: checked before they are loaded."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import keras

from affectkit.keras_files import DAMAGED, check_weights_file

BACKBONE = "backbone"
"""Name of the layer that turns faces into features in both networks."""

BUNDLED_ALPHA = 0.35
BUNDLED_WEIGHTS = Path(__file__).parent / "assets" / "affectfaces_backbone.weights.h5"
"""The bundled start, and the width that it is for. Made by `affectkit train start`."""

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""Width multipliers for which Keras has ImageNet weights."""


def build_backbone(
    image_size: int, alpha: float, weights: str | Path | None, batch_norm_momentum: float
) -> keras.Model:
    """Build MobileNetV2 without its top, pooled to (batch, features).

    Parameters and errors are those of `affectkit.models.build_classifier`.
    """
    if image_size < 32:
        raise ValueError(f"MobileNetV2 needs an image_size of at least 32 pixels, got {image_size}")
    file = None if weights in (None, "", "imagenet") else Path(weights)
    if weights == "affectfaces":
        if alpha != BUNDLED_ALPHA:
            raise ValueError(
                f"the bundled weights 'affectfaces' are of alpha {BUNDLED_ALPHA}, got {alpha}; use "
                "that alpha, or weights=None, 'imagenet' or a file"
            )
        file = BUNDLED_WEIGHTS
    if weights == "imagenet" and alpha not in ALPHAS:
        raise ValueError(f"ImageNet weights exist for alpha {ALPHAS}, not for {alpha}")
    if file is not None and not file.is_file():
        raise ValueError(
            f"weights {str(file)!r} is not a file; pass None, 'affectfaces', 'imagenet' or a "
            ".weights.h5 file of MobileNetV2(include_top=False)"
        )
    if file is not None:
        check_weights_file(file)
    if weights == "affectfaces":
        _check_bundled(file)
    if weights == "imagenet":
        _remove_broken_downloads()
    try:
        backbone = keras.applications.MobileNetV2(
            input_shape=(image_size, image_size, 3),
            alpha=alpha,
            include_top=False,
            pooling="avg",
            weights="imagenet" if weights == "imagenet" else None,
            name=BACKBONE,
        )
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if weights != "imagenet":
            raise
        raise ValueError(
            "the ImageNet weights could not be downloaded (are you offline?). Use weights=None to "
            "start from scratch, or weights=PATH with a .weights.h5 file that you fetched before. "
            f"The cause: {error}"
        ) from error
    if file is not None:
        try:
            with warnings.catch_warnings():
                # of containers without weights, one for each list inside the model
                warnings.filterwarnings("ignore", "Skipping nested container")
                backbone.load_weights(file)
        except DAMAGED as error:
            raise ValueError(
                f"the weights in {str(file)!r} do not fit MobileNetV2 with alpha {alpha} without "
                f"its top; use the file made for this alpha. The cause: {error}"
            ) from error
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batch_norm_momentum
    return backbone


def _check_bundled(file: Path) -> None:
    expected = file.with_name(file.name.replace(".weights.h5", ".sha256")).read_text("utf-8")
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found not in expected:
        raise ValueError(f"{file} is damaged (SHA-256 differs): reinstall affectkit")


def _remove_broken_downloads() -> None:
    """Remove ImageNet weights that a killed download left half done; Keras takes them for whole."""
    import h5py  # which Keras reads them with

    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    for path in (Path(home) / "models").glob("mobilenet_v2_weights_*_no_top.h5"):
        try:
            h5py.File(path).close()
        except OSError:
            path.unlink(missing_ok=True)
