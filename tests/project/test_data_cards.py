from __future__ import annotations

import re
from pathlib import Path

import pytest

from affectkit.data import load_table
from affectkit.data.protocols import PROTOCOLS
from affectkit.labels import EXPRESSIONS, VALENCE_AROUSAL

CARDS = Path(__file__).resolve().parents[2] / "data_cards"
SECTIONS = [
    "Motivation",
    "Composition",
    "Collection",
    "Annotation and its agreement",
    "Uses",
    "Out-of-scope uses",
    "Privacy",
    "Licence and access",
    "Known faults and protocols",
    "How to use it here",
]


def read_rows(card: str) -> dict[str, list[str]]:
    """Read the rows of the tables between a card's snapshot markers, by their first cell."""
    text = (CARDS / card).read_text(encoding="utf-8")
    (snapshot,) = re.findall(r"<!-- snapshot -->(.*?)<!-- /snapshot -->", text, flags=re.DOTALL)
    lines = re.findall(r"^\|(.+)\|$", snapshot, flags=re.MULTILINE)
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    return {first: rest for first, *rest in rows}


@pytest.mark.parametrize("card", ["affectnet.md", "ferplus.md"])
def test_cards_have_every_section(card):
    text = (CARDS / card).read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    assert read_rows(card)


def test_affectnet_card_has_the_numbers_that_the_code_uses():
    rows = read_rows("affectnet.md")
    for name in EXPRESSIONS:
        valence, arousal, _ = rows[name]
        assert float(valence.split()[0]) == VALENCE_AROUSAL[name][0]
        assert float(arousal.split()[0]) == VALENCE_AROUSAL[name][1]
    (train,) = [cells for first, cells in rows.items() if first.startswith("training.csv")]
    assert sum(int(cell.replace(",", "")) for cell in train) == 414_800


def test_every_published_protocol_is_explained():
    text = "".join((CARDS / card).read_text() for card in ("affectnet.md", "ferplus.md"))
    named = {name for name in PROTOCOLS if name.startswith(("affectnet", "ferplus"))}
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, flags=re.MULTILINE)) == named


@pytest.mark.needs_shared
def test_ferplus_card_counts_what_the_loader_loads(shared):
    table = load_table("ferplus", shared / "data" / "ferplus", protocol="ferplus-majority")
    rows = read_rows("ferplus.md")
    order = [EXPRESSIONS.index(name) for name in rows["FER+ split"][2:]]
    # The kit's validation split is held out of FER+'s Training.
    for split, parts in (("Training", ["train", "validation"]), ("PublicTest", ["test"])):
        counts = table.loc[table["split"].isin(parts), "expression"].value_counts()
        expected = [int(counts.sum()), *(int(counts[code]) for code in order)]
        assert [int(cell.replace(",", "")) for cell in rows[split][1:]] == expected
