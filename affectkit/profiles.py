"""The profiles: how large and how long. Notebooks, CLI and course all read them here."""

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
    augmentation : {"none", "light", "geometric", "strong", "heavy"}
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


RECIPES = ("classifier", "regressor", "direct_regressor")


@dataclass(frozen=True)
class Profile:
    """Size of the networks and their training recipes.

    Attributes
    ----------
    name : str
        quick, standard, full or seed.
    image_size : int
        Side of the input in pixels.
    alpha : float
        Width multiplier of MobileNetV2.
    weights : str or None
        Where the classifier starts, or the regressor without one: None (random), "affectfaces"
        (bundled), "imagenet" or a path.
    dropout : float
        Before the softmax.
    classifier, regressor : TrainingSettings
        The recipes; the regressor goes on from the classifier's features.
    direct_regressor : TrainingSettings or None
        The recipe of a regressor that starts without a classifier; None for that of `regressor`.
    regressor_dropout : float
        Before the tanh units.
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
    direct_regressor: TrainingSettings | None = None
    regressor_dropout: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Give all settings as a JSON-able dict."""
        return asdict(self)

    def with_settings(self, **changes: object) -> Profile:
        """Change these `TrainingSettings` of every recipe."""
        recipes = {name: getattr(self, name) for name in RECIPES}
        return replace(
            self, **{name: replace(one, **changes) for name, one in recipes.items() if one}
        )


NAMED_WEIGHTS = ("none", "affectfaces", "imagenet")
"""What the start of a network may be besides a file."""

_SEED_REGRESSOR = {
    "batch_size": 16,
    "learning_rate": 3e-5,
    "weight_decay": 0.0,
    "balance": 0.0,
    "augmentation": "geometric",
    "patience": 15,
}

PROFILES: dict[str, Profile] = {
    "quick": Profile(
        name="quick",
        image_size=64,
        alpha=0.35,
        weights="affectfaces",
        dropout=0.2,
        classifier=TrainingSettings(epochs=4),
        regressor=TrainingSettings(epochs=1, balance=0.5),
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
    "seed": Profile(
        name="seed",
        image_size=224,
        alpha=1.0,
        weights="imagenet",
        dropout=0.5,
        classifier=TrainingSettings(
            epochs=10,
            batch_size=64,
            learning_rate=1e-5,
            weight_decay=0.0,
            label_smoothing=0.0,
            augmentation="geometric",
            patience=10,
        ),
        regressor=TrainingSettings(epochs=10, **_SEED_REGRESSOR),
        direct_regressor=TrainingSettings(epochs=15, **_SEED_REGRESSOR),
        regressor_dropout=0.5,
    ),
}
"""quick: minutes on a CPU; standard: larger and longer; full: meant for AffectNet on a GPU.

seed: the recipe of the system that this kit began with, to compare with. On AffectNet that system
reached an accuracy of .599 on 4,000 faces, and CCC .582 for valence and .463 for arousal. Known of
it are size, start, epochs, batch sizes, Adam's rates, augmentation, class weights and the
classifier's dropout. Guessed are the regressors' dropout, that their loss is not weighted, no label
smoothing and no early stopping. Other than there, the rate rises and falls (a cosine with this
peak), no layer of 1,024 units stands before the softmax, and the regressor stands on the features.
"""


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
        Epochs of every network instead of the profile's own.
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
        profile = profile.with_settings(epochs=epochs)
    if image_size:
        profile = replace(profile, image_size=image_size)
    return profile
