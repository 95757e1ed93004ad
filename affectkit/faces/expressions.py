"""Expressions as facial action units, and action units as morph targets of the head.

The prototypes follow EMFACS-style lists (Ekman, Friesen & Hager, 2002, "FACS investigator's
guide"; Du, Tao & Martinez, 2014, doi:10.1073/pnas.1322355111) with common variants. Contempt is
one-sided (Matsumoto & Ekman, 2004, doi:10.1037/0022-3514.87.4.529).
"""

from __future__ import annotations

import numpy as np

from affectkit.labels import EXPRESSIONS

# Each class: (probability, {action unit: intensity or (stronger side, other side)}).
PROTOTYPES = {
    "Neutral": [(1.0, {})],
    "Happy": [
        (0.45, {"AU6": 0.8, "AU12": 1.05, "AU25": 0.9}),
        (0.30, {"AU6": 0.9, "AU12": 1.1, "AU25": 1.1, "AU26": 0.35}),
        (0.25, {"AU6": 0.6, "AU12": 0.95}),
    ],
    "Sad": [
        (0.4, {"AU1": 1.1, "AU4": 0.5, "AU15": 1.0, "AU43": 0.25}),
        (0.3, {"AU1": 1.0, "AU4": 0.6, "AU15": 1.1, "AU17": 0.7, "AU43": 0.2}),
        (0.15, {"AU1": 1.1, "AU4": 0.4, "AU15": 0.8, "AU7": 0.3, "AU43": 0.4}),
        (0.15, {"AU1": 1.0, "AU4": 0.8, "AU15": 0.8, "AU20": 0.4, "AU25": 0.6, "AU7": 0.6}),
    ],
    "Surprise": [
        (0.7, {"AU1": 1.0, "AU2": 1.0, "AU5": 1.0, "AU26": 0.8, "AU25": 0.3}),
        (0.3, {"AU1": 1.0, "AU2": 1.0, "AU5": 0.9, "AU26": 0.4, "AU25": 0.2}),
    ],
    "Fear": [
        (0.5, {"AU1": 1.0, "AU2": 0.5, "AU4": 0.7, "AU5": 1.0, "AU7": 0.3, "AU20": 0.8,
               "AU25": 0.8, "AU26": 0.2}),
        (0.3, {"AU1": 1.0, "AU2": 0.6, "AU4": 0.6, "AU5": 1.0, "AU20": 0.6, "AU26": 0.5,
               "AU25": 0.6}),
        (0.2, {"AU1": 0.8, "AU2": 0.4, "AU4": 0.5, "AU5": 1.0, "AU7": 0.3, "AU20": 0.9}),
    ],
    "Disgust": [
        (0.4, {"AU9": 1.15, "AU10": 0.6, "AU17": 0.6, "AU15": 0.4, "AU4": 0.3}),
        (0.35, {"AU9": 1.05, "AU10": 1.0, "AU25": 0.7, "AU16": 0.4, "AU7": 0.4, "AU4": 0.3}),
        (0.25, {"AU10": 1.1, "AU15": 0.5, "AU17": 0.6, "AU7": 0.4, "AU9": 0.7}),
    ],
    "Anger": [
        (0.3, {"AU4": 1.15, "AU5": 0.6, "AU7": 0.7, "AU23": 0.9, "AU24": 0.4}),
        (0.2, {"AU4": 1.15, "AU7": 0.8, "AU24": 1.0, "AU17": 0.6}),
        (0.5, {"AU4": 1.15, "AU5": 0.8, "AU7": 0.5, "AU10": 0.6, "AU25": 1.05, "AU26": 0.4,
               "AU16": 0.8, "AU9": 0.4, "AU20": 0.3}),
    ],
    "Contempt": [
        (0.45, {"AU12": (1.0, 0.0), "AU14": (1.1, 0.0)}),
        (0.3, {"AU14": (1.25, 0.05), "AU12": (0.6, 0.0)}),
        (0.25, {"AU12": (1.05, 0.0), "AU14": (0.8, 0.0), "AU2": (0.8, 0.0), "AU7": 0.3}),
    ],
}  # fmt: skip

# Action unit -> {morph target: gain}; "*" stands for Left and Right.
UNIT_GAINS = {
    "AU1": {"browInnerUp": 1.7},
    "AU2": {"browOuterUp*": 1.5},
    "AU4": {"browDown*": 1.6, "noseSneer*": 0.35},
    "AU5": {"eyeWide*": 1.3},
    "AU6": {"cheekSquint*": 1.7},
    "AU7": {"eyeSquint*": 1.15},
    "AU9": {"noseSneer*": 1.8},
    "AU10": {"mouthUpperUp*": 1.15, "noseSneer*": 0.3},
    "AU12": {"mouthSmile*": 1.2},
    "AU14": {"mouthDimple*": 1.7, "mouthSmile*": 0.15},
    "AU15": {"mouthFrown*": 1.35},
    "AU16": {"mouthLowerDown*": 1.0},
    "AU17": {"mouthShrugLower": 1.3},
    "AU20": {"mouthStretch*": 1.15},
    "AU23": {
        "mouthRollUpper": 0.5,
        "mouthRollLower": 0.5,
        "mouthPucker": 0.25,
        "mouthFrown*": 0.25,
    },
    "AU24": {"mouthRollUpper": 0.7, "mouthRollLower": 0.7, "mouthFrown*": 0.3, "mouthPucker": 0.15},
    "AU25": {"jawOpen": 0.12, "mouthUpperUp*": 0.38, "mouthLowerDown*": 0.5},
    "AU26": {"jawOpen": 1.2},
    "AU43": {"eyeBlink*": 1.0},
    "AU45": {"eyeBlink*": 1.0},
}
ACTION_UNITS = tuple(UNIT_GAINS)
IDLE_UNITS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU12", "AU14", "AU15", "AU17", "AU24", "AU25",
              "AU45")  # fmt: skip
LARGEST_UNIT = 1.25


def sample_action_units(
    expression: str, intensity: float, rng: np.random.Generator, side: str | None = None
) -> dict[str, tuple[float, float]]:
    """Draw the action units of an expression: (subject's left, right) intensity, 0 to 1.25.

    Intensity, 0 (nothing) to about 1.2 (very strong), scales all units of the prototype; `side` is
    the subject's side that one-sided units move, drawn when omitted.
    """
    if expression not in EXPRESSIONS:
        raise ValueError(f"expected an expression of {EXPRESSIONS}, got {expression!r}")
    if side not in (None, "left", "right"):
        raise ValueError(f"expected side 'left' or 'right', got {side!r}")
    variants = PROTOTYPES[expression]
    chosen = rng.choice(len(variants), p=[probability for probability, _ in variants])
    drawn_left = rng.uniform() < 0.5
    on_left = drawn_left if side is None else side == "left"
    units = {}
    for name, strength in variants[chosen][1].items():
        left, right = strength if isinstance(strength, tuple) else (strength, strength)
        if not on_left:
            left, right = right, left
        gain = intensity * np.clip(rng.normal(1, 0.18), 0.4, 1.5)
        tilt = rng.normal(0, 0.08)
        units[name] = (
            float(np.clip(left * gain * (1 + tilt), 0, LARGEST_UNIT)),
            float(np.clip(right * gain * (1 - tilt), 0, LARGEST_UNIT)),
        )
    for name in IDLE_UNITS:
        present, amount, ratio = rng.uniform(), abs(rng.normal(0, 0.13)), rng.normal(1, 0.15)
        if name not in units and present < 0.22:
            units[name] = (float(amount), float(amount * np.clip(ratio, 0, 2)))
    return units


def blend_action_units(first: dict, second: dict, share: float) -> dict[str, tuple[float, float]]:
    """Mix two sets of action units: (1 - share) of the first plus share of the second."""
    zero = (0.0, 0.0)
    return {
        name: tuple(
            (1 - share) * a + share * b
            for a, b in zip(first.get(name, zero), second.get(name, zero), strict=True)
        )
        for name in sorted({*first, *second})
    }


def morph_weights(units: dict[str, tuple[float, float]], names: tuple[str, ...]) -> np.ndarray:
    """Turn action units into weights (K,) float32 of the morph targets called `names`."""
    index = {name: number for number, name in enumerate(names)}
    weights = np.zeros(len(names), np.float32)
    for unit, (left, right) in units.items():
        if unit not in UNIT_GAINS:
            raise ValueError(f"expected an action unit of {ACTION_UNITS}, got {unit!r}")
        for target, gain in UNIT_GAINS[unit].items():
            if target.endswith("*"):
                weights[index[target[:-1] + "Left"]] += gain * left
                weights[index[target[:-1] + "Right"]] += gain * right
            else:
                weights[index[target]] += gain * (left + right) / 2
    return np.clip(weights, 0, 2.0)
