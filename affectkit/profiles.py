"""The three profiles: how large and how long. Notebooks, CLI and course all read them here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class TrainingSettings:
    """How one network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training split.
    batch_size : int
        Faces a step.
    learning_rate : float
        Peak of the cosine schedule (linear warm-up over the first tenth of the steps).
    weight_decay : float
        Of AdamW (decoupled).
    label_smoothing : float
        Share of every classification target that is spread evenly over the 8 expressions.
    balance : float
        How strongly rare expressions count more: 0 not at all, 1 fully balanced class weights.
        The regressors use half: where one expression is 70 times as rare as another (FER+), full
        weights leave them no better than a constant.
    augmentation : {"none", "light", "strong", "heavy"}
        See `affectkit.training.augmentation`.
    mixup : float
        Parameter of the Beta distribution of `keras.layers.MixUp` (Zhang et al., 2018,
        arXiv:1710.09412); 0 mixes nothing.
    ema_momentum : float
        Of the exponential moving average of the weights that is kept in place of the best epoch's
        weights; 0 keeps no average and stops early.
    head_epochs : int
        Passes with a frozen backbone before the `epochs` that train every layer.
    patience : int
        Stop after so many epochs without a better validation loss; the best weights are kept.
    freeze_backbone : bool
        Train the head alone.
    """

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    balance: float = 1.0
    augmentation: str = "light"
    patience: int = 5
    freeze_backbone: bool = False
    mixup: float = 0.0
    ema_momentum: float = 0.0
    head_epochs: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"expected a learning_rate above 0, got {self.learning_rate}")
        for name in ("label_smoothing", "balance", "mixup", "ema_momentum"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"expected {name} of 0..1, got {getattr(self, name)}")
        if self.head_epochs < 0:
            raise ValueError(f"expected head_epochs of at least 0, got {self.head_epochs}")


@dataclass(frozen=True)
class Profile:
    """Size of the networks and the two training recipes.

    Attributes
    ----------
    name : str
        quick, standard or full.
    image_size : int
        Side of the input in pixels.
    alpha : float
        Width multiplier of MobileNetV2.
    weights : str or None
        Where the classifier starts: None (random), "affectfaces" (bundled), "imagenet" or a path.
    dropout : float
        Before the softmax.
    classifier, regressor : TrainingSettings
        The recipes.
    bootstrap_samples : int
        Resamples behind every 95 % interval.
    """

    name: str
    image_size: int
    alpha: float
    weights: str | None
    dropout: float
    classifier: TrainingSettings
    regressor: TrainingSettings
    bootstrap_samples: int = 1000

    def to_dict(self) -> dict[str, object]:
        """Give all settings as a JSON-able dict."""
        return asdict(self)


NAMED_WEIGHTS = ("none", "affectfaces", "imagenet")
"""What the start of a classifier may be besides a file."""

PROFILES: dict[str, Profile] = {
    "quick": Profile(
        name="quick",
        image_size=64,
        alpha=0.35,
        weights="affectfaces",
        dropout=0.2,
        classifier=TrainingSettings(epochs=4),
        regressor=TrainingSettings(epochs=2, balance=0.5),
        bootstrap_samples=500,
    ),
    "standard": Profile(
        name="standard",
        image_size=96,
        alpha=0.35,
        weights="affectfaces",
        dropout=0.3,
        classifier=TrainingSettings(
            epochs=30, label_smoothing=0.2, augmentation="strong", patience=8
        ),
        regressor=TrainingSettings(
            epochs=8, learning_rate=5e-4, balance=0.5, augmentation="strong"
        ),
    ),
    "full": Profile(
        name="full",
        image_size=224,
        alpha=1.0,
        weights="imagenet",
        dropout=0.5,
        classifier=TrainingSettings(
            epochs=12,
            learning_rate=3e-4,
            weight_decay=1e-3,
            augmentation="heavy",
            mixup=0.2,
            ema_momentum=0.999,
            head_epochs=1,
        ),
        regressor=TrainingSettings(
            epochs=8, learning_rate=1e-4, balance=0.5, augmentation="strong"
        ),
    ),
}
"""quick: minutes on a CPU; standard: larger and longer; full: meant for AffectNet on a GPU."""


def get_profile(
    name: str, weights: str | None = None, epochs: int | None = None, image_size: int | None = None
) -> Profile:
    """Give a profile by name, with single settings replaced.

    Parameters
    ----------
    name : str
        A key of `PROFILES`.
    weights : str, optional
        "affectfaces", "imagenet" or a path instead of the profile's own start; "none" for random
        weights.
    epochs : int, optional
        Epochs of both networks instead of the profile's own.
    image_size : int, optional
        Side of the input in pixels instead of the profile's own.

    Returns
    -------
    Profile
        The profile.

    Raises
    ------
    ValueError
        If there is no such profile.
    """
    if name not in PROFILES:
        raise ValueError(f"expected a profile of {', '.join(PROFILES)}, got {name!r}")
    profile = PROFILES[name]
    if weights:
        profile = replace(profile, weights=None if weights == "none" else weights)
    if epochs:
        profile = replace(
            profile,
            classifier=replace(profile.classifier, epochs=epochs),
            regressor=replace(profile.regressor, epochs=epochs),
        )
    if image_size:
        profile = replace(profile, image_size=image_size)
    return profile
