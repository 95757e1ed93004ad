"""Draw every parameter of one face from a seed.

Each parameter has its own random stream, named by seed and parameter, so that fixing or varying
one of them leaves all others as they were: the same face, only the light turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from affectkit.faces import annotation, expressions
from affectkit.faces.assets import load_head
from affectkit.faces.hair import STYLES
from affectkit.faces.parameters import CHOICES, check_parameters
from affectkit.faces.randomness import stream
from affectkit.labels import EXPRESSIONS

SKIN_TONES = ("dark", "medium", "light")
ITA_LIMITS = (10.0, 41.0)
"""ITA in degrees at or above which skin is medium and light (Del Bino & Bernerd, 2013)."""
HAIR_PALETTE = ((0.012, 0.009, 0.008), (0.03, 0.018, 0.012), (0.07, 0.038, 0.02),
                (0.16, 0.10, 0.05), (0.36, 0.25, 0.13), (0.2, 0.07, 0.03))  # fmt: skip


def skin_tone_category(ita: float) -> str:
    """Name the skin tone, "dark", "medium" or "light", of an individual typology angle."""
    return SKIN_TONES[sum(ita >= limit for limit in ITA_LIMITS)]


def draw_face(seed: int, **fixed: object) -> dict:
    """Draw all parameters of one image.

    Parameters
    ----------
    seed : int
        Seed of the image, and of the subject unless `subject` is given.
    **fixed
        Parameters to set instead of draw, by name; `parameters.LIMITS` and `parameters.CHOICES`
        list most.

    Returns
    -------
    dict
        Parameter name to value. Angles in degrees; age, femininity and strengths in [0, 1].

    Raises
    ------
    ValueError
        If the seed is negative, a name is unknown or a value impossible.
    """
    if seed < 0:
        raise ValueError(f"expected a seed of zero or more, got {seed}")
    check_parameters(fixed)
    face: dict = {"seed": int(seed), "subject": int(fixed.get("subject", seed))}
    _draw_subject(face, fixed)
    _draw_expression(face, fixed)
    _draw_scene(face, fixed)
    return face


def _draw(
    face: dict, fixed: dict, seed: int, name: str, function: Callable, *arguments: object
) -> None:
    """Draw one parameter from its own stream, unless it is fixed."""
    value = function(stream(seed, name), *arguments)
    face[name] = fixed.get(name, value)


def _draw_subject(face: dict, fixed: dict) -> None:
    """Draw what stays the same in all images of a subject."""
    draw = partial(_draw, face, fixed, face["subject"])
    draw("femininity", lambda rng: float(np.clip(rng.beta(0.6, 0.6), 0.02, 0.98)))
    draw("age", lambda rng: float(rng.beta(1.2, 2.2)))
    draw("ethnicity", lambda rng: rng.dirichlet([0.6] * 3))
    draw("skin_tone_ita", _skin_tone, face["ethnicity"])
    draw("details", _details)
    feminine = face["femininity"] >= 0.5
    draw("hair", _hair_style, feminine, face["age"])
    draw("hair_colour", _hair_colour, face["skin_tone_ita"], face["age"])
    draw("beard", lambda rng: float(rng.uniform(0.1, 1) * (rng.uniform() < 0.55) * (not feminine)))
    draw("makeup", lambda rng: float(max(0, rng.uniform(-0.7, 1)) * feminine))
    draw("glasses", _choice, CHOICES["glasses"], (0.86, 0.115, 0.025))


def _draw_expression(face: dict, fixed: dict) -> None:
    """Draw what the face shows and what annotators say about it."""
    draw = partial(_draw, face, fixed, face["seed"])
    draw("expression_clean", lambda rng: EXPRESSIONS[rng.integers(len(EXPRESSIONS))])
    clean = face["expression_clean"]
    draw("intensity", lambda rng: float(0.3 + 0.9 * rng.beta(2.4, 1.4)))
    if clean == "Neutral":
        face["intensity"] = 0.0
    draw("blend", lambda rng: float(rng.uniform(0.15, 0.4)) if rng.uniform() < 0.15 else 0.0)
    draw("blend_with", lambda rng: EXPRESSIONS[rng.integers(1, len(EXPRESSIONS))])
    draw("side", lambda rng: ("left", "right")[rng.integers(2)])
    draw("action_units", _action_units, face)
    draw("expression", _annotate, clean)
    draw("expression_second", _annotate, clean)
    valence, arousal = annotation.sample_valence_arousal(
        clean, face["intensity"], stream(face["seed"], "valence_arousal")
    )
    face["valence"] = fixed.get("valence", valence)
    face["arousal"] = fixed.get("arousal", arousal)


def _draw_scene(face: dict, fixed: dict) -> None:
    """Draw pose, light, camera and what is in front of the face."""
    draw = partial(_draw, face, fixed, face["seed"])
    draw("gaze_yaw", _normal, 8, -25, 25)
    draw("gaze_pitch", _gaze_pitch, face["expression_clean"])
    draw("yaw", _normal, 15, -50, 50)
    draw("pitch", _pitch, face["expression_clean"])
    draw("roll", _normal, 6, -25, 25)
    draw("light_azimuth", lambda rng: float(rng.uniform(-75, 75)))
    draw("light_elevation", lambda rng: float(rng.uniform(-10, 65)))
    draw("light_strength", lambda rng: float(rng.uniform(0, 1)))
    draw("occluder", _choice, CHOICES["occluder"], (0.9, 0.045, 0.045, 0.01))
    draw("blur", lambda rng: float(abs(rng.normal(0, 0.9))) if rng.uniform() < 0.3 else 0.0)
    draw("grey", lambda rng: bool(rng.uniform() < 0.1))
    draw("distance", lambda rng: float(math.exp(rng.uniform(math.log(42), math.log(160)))))


def _normal(rng: np.random.Generator, spread: float, low: float, high: float) -> float:
    return float(np.clip(rng.normal(0, spread), low, high))


def _pitch(rng: np.random.Generator, expression: str) -> float:
    # Sad heads sink, contemptuous ones tilt back (Keltner et al., 2019), both a little.
    lean = 5 * rng.uniform() * {"Sad": 1, "Contempt": -1}.get(expression, 0)
    return float(np.clip(rng.normal(0, 8) + lean, -26, 26))


def _choice(rng: np.random.Generator, names: tuple, shares: tuple) -> str:
    return str(rng.choice(names, p=shares))


def _skin_tone(rng: np.random.Generator, ethnicity: np.ndarray) -> float:
    centre = float(np.dot(ethnicity, (-32.0, 30.0, 46.0)))
    return float(np.clip(rng.normal(centre, 13), -55, 62))


def _details(rng: np.random.Generator) -> np.ndarray:
    count = len(load_head().detail_names)
    chosen = rng.uniform(size=count) < 0.12
    return np.where(chosen, rng.uniform(0.05, 0.45, size=count), 0).astype(np.float32)


def _hair_style(rng: np.random.Generator, feminine: bool, age: float) -> str:
    # In the order of hair.STYLES: bald, buzz, short, fringe, curly, medium, long, tied, hat.
    if feminine:
        shares = (0.01, 0.02, 0.10, 0.07, 0.09, 0.26, 0.28, 0.13, 0.04)
    else:
        bald = 0.05 + 0.18 * age
        shares = (bald, 0.16, 0.48 - bald, 0.12, 0.08, 0.08, 0.03, 0.02, 0.05)
    return str(rng.choice(STYLES, p=np.array(shares) / sum(shares)))


def _hair_colour(rng: np.random.Generator, ita: float, age: float) -> np.ndarray:
    dark = rng.uniform() < 0.7 or ita < 25
    pick = rng.integers(0, 3) if dark else rng.integers(2, 6)
    colour = np.array(HAIR_PALETTE[pick]) * rng.uniform(0.8, 1.2)
    if age > 0.55 and rng.uniform() < 0.65:
        colour = 0.3 * colour + 0.7 * 0.2 * rng.uniform(0.6, 1.2)
    return colour.astype(np.float32)


def _annotate(rng: np.random.Generator, clean: str) -> str:
    row = annotation.annotator_matrix()[EXPRESSIONS.index(clean)]
    return EXPRESSIONS[rng.choice(len(EXPRESSIONS), p=row)]


def _gaze_pitch(rng: np.random.Generator, expression: str) -> float:
    # Sad people tend to look down (action unit 64 of FACS).
    down = 10 * rng.uniform()
    return float(np.clip(rng.normal(0, 5) + (down if expression == "Sad" else 0), -15, 20))


def _action_units(rng: np.random.Generator, face: dict) -> dict[str, tuple[float, float]]:
    expression, intensity = face["expression_clean"], face["intensity"]
    units = expressions.sample_action_units(expression, intensity, rng, face["side"])
    if face["blend"] > 0 and expression != "Neutral":
        other = expressions.sample_action_units(face["blend_with"], intensity, rng, face["side"])
        units = expressions.blend_action_units(units, other, face["blend"])
    return units
