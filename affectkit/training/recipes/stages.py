"""How `affectkit-real` is trained: four stages on photographs of faces."""

from __future__ import annotations

from dataclasses import replace

from affectkit.profiles import Profile, TrainingSettings

PROFILE = Profile(
    name="checkpoint",
    image_size=96,
    alpha=1.0,
    weights="imagenet",
    dropout=0.3,
    classifier=TrainingSettings(
        epochs=16,
        batch_size=32,
        learning_rate=5e-4,
        weight_decay=1e-3,
        label_smoothing=0.0,
        balance=0.0,
        augmentation="heavy",
        mixup=0.2,
        ema_momentum=0.999,
        head_epochs=1,
    ),
    regressor=TrainingSettings(
        epochs=4, learning_rate=1e-3, balance=0.0, augmentation="strong", freeze_backbone=True
    ),
)
"""The first stage of `affectkit-real`: from ImageNet, on faces whose raters agreed."""

LARGER = replace(
    PROFILE,
    name="checkpoint-larger",
    image_size=112,
    classifier=replace(PROFILE.classifier, epochs=8, learning_rate=2.5e-4, head_epochs=0),
)
"""The second stage: the first one's network goes on with larger faces, undecided ones among them.

Most of the training is so done at three quarters of the cost (progressive resizing, as in Tan, Le,
2021, arXiv:2104.00298).
"""

AGAIN = replace(
    LARGER,
    name="checkpoint-again",
    classifier=replace(LARGER.classifier, epochs=6),
    regressor=replace(LARGER.regressor, epochs=2),
)
"""The third stage: the second once more, from where it ended, with its rate raised again.

The mean of both ends' weights is often better than either (Izmailov et al., 2018,
arXiv:1803.05407); held-out faces decide.
"""

SETTLING = replace(
    AGAIN,
    name="checkpoint-settling",
    classifier=replace(
        AGAIN.classifier, epochs=3, learning_rate=1e-4, augmentation="strong", mixup=0.0
    ),
)
"""The last stage: faces as they are, mixed and erased no more, and faint smiles among them.

A network sharpens its boundaries when heavy changes are taken away at the end of its training (He
et al., 2019, arXiv:1909.09148). See `affectkit.training.recipes.faint_smiles` for the smiles.
"""


def real_profiles(weights: str = "", epochs: int = 0) -> tuple[Profile, ...]:
    """Give the four stages of affectkit-real with another file to start from or other epochs."""
    stages = (
        replace(PROFILE, weights=weights or PROFILE.weights),
        replace(LARGER, weights=None),
        replace(AGAIN, weights=None),
        replace(SETTLING, weights=None),
    )
    if not epochs:
        return stages
    return tuple(
        replace(
            stage,
            classifier=replace(stage.classifier, epochs=epochs),
            regressor=replace(stage.regressor, epochs=epochs),
        )
        for stage in stages
    )
