"""Make cards of before version 2 anew: `python -m affectkit.models.renew CARD.json...`.

There were three forms: of Keras files (version 1), checkpoints (none) and exports (manifests).
"""

from __future__ import annotations

import sys
from pathlib import Path

from affectkit.files.json_forms import read_json
from affectkit.models.cards import (
    CARD_VERSION,
    CHECKPOINT_FORMS,
    FORMS,
    LABELS,
    WHAT,
    make_card,
    read_card,
    write_card,
)
from affectkit.preprocess import Preprocessing

SHARED = {"name", "files", "outputs", "preprocessing", "temperature"}
GONE = {"card_version", "manifest_version", "format", "artefact", "task", "features", "sha256"}


def renew_card(path: str | Path) -> Path:
    """Rewrite a card in the form of today; what it describes stays as it is.

    Raises
    ------
    ValueError
        If it is no card of affectkit.
    """
    path = Path(path)
    old = read_json(path, WHAT, "name a card that an earlier affectkit wrote")
    if old.get("card_version") == CARD_VERSION:
        return path
    try:
        name, files, outputs = _translate(old, path)
        more = {key: value for key, value in old.items() if key not in SHARED | GONE}
        preprocessing = Preprocessing(**old["preprocessing"])
        card = make_card(name, files, outputs, preprocessing, old["temperature"], **more)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not {WHAT} of an earlier version ({error!r})") from error
    write_card(card, path)
    read_card(path)
    return path


def _translate(old: dict, path: Path) -> tuple[str, dict, dict]:
    """Give name, files and outputs in the form of today."""
    if "format" in old:
        name = old["artefact"].removesuffix(FORMS[old["format"]])
        return name, {old["format"]: old["files"]}, old["outputs"]
    if "architecture" in old:
        forms = {(end.removeprefix("-") or "float32"): form for end, form in
                 CHECKPOINT_FORMS.items()}  # fmt: skip
        files = {forms[kind]: [entry] for kind, entry in old["files"].items()}
        return old["name"], files, {output: {} for output in LABELS}
    output = {"classification": "expression", "regression": "valence_arousal"}[old["task"]]
    file = path.with_suffix(".keras")
    entry = {"name": file.name, "sha256": old["sha256"]}
    if file.is_file():
        entry["bytes"] = file.stat().st_size
    return path.stem, {"keras": [entry]}, {output: {}}


if __name__ == "__main__":
    for one in sys.argv[1:]:
        print(f"Renewed: {renew_card(one)}")
