"""The eight expressions: codes, names, colours, and other data sets' label orders.

Everything that knows what a label means lives here. Codes are AffectNet's (Mollahosseini et al.,
2017, doi:10.1109/TAFFC.2017.2740923): 0..7 are the expressions that models predict, 8..10 mark
images without one, and a valence or arousal of -2 means "not annotated".
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

EXPRESSIONS: tuple[str, ...] = (
    "Neutral",
    "Happy",
    "Sad",
    "Surprise",
    "Fear",
    "Disgust",
    "Anger",
    "Contempt",
)
"""Names of the expressions; the position is AffectNet's code."""

NUM_EXPRESSIONS = len(EXPRESSIONS)

EXPRESSION_COLOURS: dict[str, str] = {
    "Neutral": "#7f7f7f",
    "Happy": "#e6a700",
    "Sad": "#3b6fb6",
    "Surprise": "#d4609a",
    "Fear": "#6a4c93",
    "Disgust": "#4b8b3b",
    "Anger": "#c0392b",
    "Contempt": "#8c5a2b",
}
"""One hex colour an expression, used by every plot and drawing."""

NONE, UNCERTAIN, NO_FACE = 8, 9, 10
NON_EXPRESSIONS: dict[int, str] = {NONE: "None", UNCERTAIN: "Uncertain", NO_FACE: "No-Face"}
"""AffectNet's classes that are not expressions. Class 8 does carry valence and arousal."""

NOT_ANNOTATED = -2.0
"""AffectNet's value of a valence or arousal that was not annotated (classes 9 and 10)."""

FER2013_TO_AFFECTNET: dict[int, int] = {0: 6, 1: 5, 2: 4, 3: 1, 4: 2, 5: 3, 6: 0}
"""FER2013 `emotion` (0 angry, disgust, fear, happy, sad, surprise, 6 neutral) to AffectNet's."""

FERPLUS_VOTE_COLUMNS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
"""Order of the ten vote counts in FER+ (Barsoum et al., 2016); the last is "not a face"."""

FERPLUS_TO_AFFECTNET: dict[int, int] = {0: 0, 1: 1, 2: 3, 3: 2, 4: 6, 5: 5, 6: 4, 7: 7}
"""Position in `FERPLUS_VOTE_COLUMNS` to AffectNet's code; 8 and 9 have no counterpart."""

RAFDB_TO_AFFECTNET: dict[int, int] = {1: 3, 2: 4, 3: 5, 4: 1, 5: 2, 6: 6, 7: 0}
"""RAF-DB (1 surprise, fear, disgust, happiness, sadness, anger, 7 neutral) to AffectNet's."""

CKPLUS_TO_AFFECTNET: dict[int, int] = {0: 0, 1: 6, 2: 7, 3: 5, 4: 4, 5: 1, 6: 2, 7: 3}
"""CK+ (0 neutral, anger, contempt, disgust, fear, happy, sadness, 7 surprise) to AffectNet's."""


LABEL_ORDERS: dict[str, dict[int, int]] = {
    "affectnet": {code: code for code in range(NUM_EXPRESSIONS)},
    "rafdb": RAFDB_TO_AFFECTNET,
    "ferplus": FERPLUS_TO_AFFECTNET,
    "ckplus": CKPLUS_TO_AFFECTNET,
    "fer2013": FER2013_TO_AFFECTNET,
}
"""What a number means, by the data set whose order it follows: number to AffectNet's code."""


class ValenceArousal(NamedTuple):
    """Valence and arousal of one expression: means, standard deviations and their correlation."""

    valence: float
    arousal: float
    valence_std: float
    arousal_std: float
    correlation: float


VALENCE_AROUSAL: dict[str, ValenceArousal] = {
    "Neutral": ValenceArousal(-0.025, -0.019, 0.144, 0.119, -0.24),
    "Happy": ValenceArousal(0.672, 0.081, 0.168, 0.150, 0.19),
    "Sad": ValenceArousal(-0.628, -0.267, 0.231, 0.132, -0.14),
    "Surprise": ValenceArousal(0.183, 0.701, 0.179, 0.149, 0.03),
    "Fear": ValenceArousal(-0.117, 0.760, 0.072, 0.160, 0.08),
    "Disgust": ValenceArousal(-0.684, 0.446, 0.164, 0.103, 0.19),
    "Anger": ValenceArousal(-0.426, 0.554, 0.165, 0.208, 0.05),
    "Contempt": ValenceArousal(-0.511, 0.576, 0.190, 0.121, -0.61),
}
"""Valence and arousal by expression in AffectNet's validation split (500 images each)."""

_ALIASES = {
    "happiness": "Happy",
    "sadness": "Sad",
    "surprised": "Surprise",
    "fearful": "Fear",
    "afraid": "Fear",
    "disgusted": "Disgust",
    "angry": "Anger",
}
_CODES = {name.lower(): code for code, name in enumerate(EXPRESSIONS)}
_CODES |= {alias: _CODES[name.lower()] for alias, name in _ALIASES.items()}


def expression_code(value: object, order: str = "affectnet") -> int:
    """Give AffectNet's code of an expression written as a name, a code or a numeric string.

    Parameters
    ----------
    value : str, int or float
        A name of `EXPRESSIONS` or a common form of it ("happiness", "angry"), in any case; or a
        code 0..7 as a whole number or a string of one (AffectNet's .npy files hold strings).
    order : str
        Key of `LABEL_ORDERS`: whose codes numbers are.

    Returns
    -------
    int
        The code, 0..7.

    Raises
    ------
    ValueError
        If the value is none of these, or a code that the order does not have.

    Examples
    --------
    >>> expression_code("Anger"), expression_code("3"), expression_code(1.0)
    (6, 3, 1)
    >>> expression_code("4", "rafdb")
    1
    """
    if isinstance(value, str) and (name := value.strip().lower()) in _CODES:
        return _CODES[name]
    code = label_order(order).get(label_number(value))
    if code is None:
        names = order_text(order)
        raise ValueError(
            f"expected an expression (one of: {names}, as a code or a name), got {value!r}; "
            "correct the label or map it to AffectNet's codes first (see affectkit.labels)"
        )
    return code


def label_order(name: str) -> dict[int, int]:
    """Give an entry of `LABEL_ORDERS`; a ValueError lists them if there is none of the name."""
    if name not in LABEL_ORDERS:
        raise ValueError(f"expected a label order of {', '.join(LABEL_ORDERS)}; got {name!r}")
    return LABEL_ORDERS[name]


def order_text(name: str) -> str:
    """Tell what the numbers of a label order mean: "1 Surprise, 2 Fear, ..."."""
    order = sorted(label_order(name).items())
    return ", ".join(f"{number} {EXPRESSIONS[code]}" for number, code in order)


def label_number(value: object) -> int | None:
    """Read a whole number out of a number or numeric string; None if there is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, Real) and float(value).is_integer():
        return int(value)
    return None
