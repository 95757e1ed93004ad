"""Draw every parameter of one face from a seed.

Each parameter has its own random stream, named by seed and parameter, so that fixing or varying
one of them leaves all others as they were: the same face, only the light turns.
"""

from __future__ import annotations

import math

import numpy as np

from affectkit.faces import annotation, expressions
from affectkit.faces.assets import load_head
from affectkit.faces.hair import STYLES
from affectkit.faces.randomness import stream
from affectkit.labels import EXPRESSIONS

GLASSES = ("none", "clear", "sun")
OCCLUDERS = ("none", "hand", "object")
SKIN_TONES = ("dark", "medium", "light")
ITA_LIMITS = (10.0, 41.0)
"""ITA in degrees at or above which skin is medium (tan, intermediate) and light (Del Bino 2013)."""


def skin_tone_category(ita: float) -> str:
    """"dark", "medium" or "light" by individual typology angle in degrees."""
    return SKIN_TONES[sum(ita >= limit for limit in ITA_LIMITS)]


def _ethnicity(rng):
    return rng.dirichlet([0.6] * 3)


def _skin_tone(rng, ethnicity):
    centre = float(np.dot(ethnicity, (-32.0, 30.0, 46.0)))
    return float(np.clip(rng.normal(centre, 13), -55, 62))


def _details(rng):
    count = len(load_head().detail_names)
    chosen = rng.uniform(size=count) < 0.12
    return np.where(chosen, rng.uniform(0.05, 0.45, size=count), 0).astype(np.float32)


def _hair_style(rng, femininity, age):
    # In the order of hair.STYLES: bald, buzz, short, fringe, curly, medium, long, tied, hat.
    if femininity < 0.5:
        bald = 0.05 + 0.18 * age
        shares = (bald, 0.16, 0.48 - bald, 0.12, 0.08, 0.08, 0.03, 0.02, 0.05)
    else:
        shares = (0.01, 0.02, 0.10, 0.07, 0.09, 0.26, 0.28, 0.13, 0.04)
    return str(rng.choice(STYLES, p=np.array(shares) / sum(shares)))


def _hair_colour(rng, ita, age):
    palette = [(0.012, 0.009, 0.008), (0.03, 0.018, 0.012), (0.07, 0.038, 0.02),
               (0.16, 0.10, 0.05), (0.36, 0.25, 0.13), (0.2, 0.07, 0.03)]  # fmt: skip
    pick = rng.integers(0, 3) if rng.uniform() < 0.7 or ita < 25 else rng.integers(2, 6)
    colour = np.array(palette[pick]) * rng.uniform(0.8, 1.2)
    if age > 0.55 and rng.uniform() < 0.65:
        colour = 0.3 * colour + 0.7 * 0.28 * rng.uniform(0.6, 1.2)
    return colour.astype(np.float32)


def _choice(rng, names, probabilities):
    return str(rng.choice(names, p=probabilities))


def draw_subject(seed: int, fixed: dict) -> dict:
    """Draw what stays the same in all images of a subject; `fixed` overrides by name."""
    subject: dict = {"subject": int(seed)}

    def draw(name, function, *arguments):
        value = function(stream(seed, name), *arguments)
        subject[name] = fixed.get(name, value)

    draw("gender", lambda rng: float(np.clip(rng.beta(0.6, 0.6), 0.02, 0.98)))
    draw("age", lambda rng: float(rng.beta(1.2, 2.2)))
    draw("ethnicity", _ethnicity)
    draw("skin_tone_ita", _skin_tone, subject["ethnicity"])
    draw("details", _details)
    draw("hair", _hair_style, subject["gender"], subject["age"])
    draw("hair_colour", _hair_colour, subject["skin_tone_ita"], subject["age"])
    draw("beard", lambda rng, gender: 0.0 if gender > 0.5 or rng.uniform() < 0.45
         else float(rng.uniform(0.1, 1)), subject["gender"])  # fmt: skip
    draw("makeup", lambda rng, gender: 0.0 if gender < 0.5
         else float(max(0, rng.uniform(-0.7, 1))), subject["gender"])  # fmt: skip
    draw("glasses", _choice, GLASSES, (0.86, 0.115, 0.025))
    return subject


def draw_face(seed: int, **fixed) -> dict:
    """Draw all parameters of one image.

    Parameters
    ----------
    seed : int
        Seed of the image, and of the subject unless `subject` is given.
    **fixed
        Parameters to set instead of draw, by name: any key of the returned dict.

    Returns
    -------
    dict
        Parameter name to value. Angles in degrees; age, gender (0 masculine, 1 feminine) and
        strengths in [0, 1].

    Raises
    ------
    ValueError
        If a name in `fixed` is unknown or its value impossible.
    """
    seed = int(seed)
    if seed < 0:
        raise ValueError(f"expected a seed of zero or more, got {seed}")
    face = draw_subject(fixed.get("subject", seed), fixed)
    face["seed"] = seed

    def draw(name, function, *arguments):
        value = function(stream(seed, name), *arguments)
        face[name] = fixed.get(name, value)

    draw("expression_clean", lambda rng: EXPRESSIONS[rng.integers(len(EXPRESSIONS))])
    expression = face["expression_clean"]
    if expression not in EXPRESSIONS:
        raise ValueError(f"expected expression_clean from {EXPRESSIONS}, got {expression!r}")
    draw("intensity", lambda rng: float(0.3 + 0.9 * rng.beta(2.2, 1.6)))
    if expression == "Neutral":
        face["intensity"] = 0.0
    draw("blend", lambda rng: float(rng.uniform(0.15, 0.4)) if rng.uniform() < 0.15 else 0.0)
    draw("blend_with", lambda rng: EXPRESSIONS[rng.integers(1, len(EXPRESSIONS))])
    draw("side", lambda rng: ("left", "right")[rng.integers(2)])
    draw("action_units", _action_units, face)
    draw("expression", _annotate, expression)
    draw("expression_second", _annotate, expression)
    valence, arousal = annotation.sample_valence_arousal(
        expression, face["intensity"], stream(seed, "valence_arousal")
    )
    face["valence"] = fixed.get("valence", valence)
    face["arousal"] = fixed.get("arousal", arousal)
    draw("gaze_yaw", lambda rng: float(np.clip(rng.normal(0, 8), -25, 25)))
    draw("gaze_pitch", lambda rng: float(np.clip(rng.normal(0, 5), -15, 18)))
    draw("yaw", lambda rng: float(np.clip(rng.normal(0, 15), -50, 50)))
    draw("pitch", lambda rng: float(np.clip(rng.normal(0, 8), -26, 26)))
    draw("roll", lambda rng: float(np.clip(rng.normal(0, 6), -25, 25)))
    draw("light_azimuth", lambda rng: float(rng.uniform(-75, 75)))
    draw("light_elevation", lambda rng: float(rng.uniform(-10, 65)))
    draw("light_strength", lambda rng: float(rng.uniform(0, 1)))
    draw("occluder", _choice, OCCLUDERS, (0.9, 0.05, 0.05))
    draw("blur", lambda rng: float(abs(rng.normal(0, 1.1))) if rng.uniform() < 0.35 else 0.0)
    draw("grey", lambda rng: bool(rng.uniform() < 0.1))
    draw("distance", lambda rng: float(math.exp(rng.uniform(math.log(42), math.log(160)))))
    unknown = sorted(set(fixed) - set(face))
    if unknown:
        raise ValueError(f"unknown face parameters {unknown}; known are {sorted(face)}")
    return face


def _annotate(rng, clean):
    row = annotation.annotator_matrix()[EXPRESSIONS.index(clean)]
    return EXPRESSIONS[rng.choice(len(EXPRESSIONS), p=row)]


def _action_units(rng, face):
    expression, intensity = face["expression_clean"], face["intensity"]
    units = expressions.sample_action_units(expression, intensity, rng, face["side"])
    if face["blend"] > 0 and expression != "Neutral":
        other = expressions.sample_action_units(face["blend_with"], intensity, rng, face["side"])
        units = expressions.blend_action_units(units, other, face["blend"])
    return units
