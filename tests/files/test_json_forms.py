"""JSON files: objects of the expected form come back as they were, all else is refused in words."""

import json
import math
from typing import NotRequired

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from affectkit.files import read_json, write_json
from affectkit.files.json_forms import (
    MAX_BYTES,
    OPEN,
    Integer,
    Number,
    find_misfit,
    json_ready,
    parse_json,
)


class Part(TypedDict):
    __pydantic_config__ = OPEN

    name: str
    size: Integer


class Card(TypedDict):
    __pydantic_config__ = OPEN

    parts: list[Part]
    scores: dict[str, Number | None]
    reached: NotRequired[bool | None]
    note: object


CARD = {"parts": [{"name": "a", "size": 1}], "scores": {"x": 0.5, "y": 2, "z": None}, "note": 3}


def test_what_fits_comes_back_as_it_was_with_keys_that_the_form_does_not_know(tmp_path):
    card = CARD | {"further": {"b": [1]}, "reached": None}
    path = write_json(card, tmp_path / "card.json")
    assert read_json(path, "a card", "make it again", Card) == card
    assert read_json(path, "any object", "make it again") == card


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parts": {}}, "parts is {}: .* list"),
        ({"parts": [{"name": "a"}]}, "parts.0 has no size"),
        ({"parts": [{"name": 3, "size": 1}]}, "parts.0.name is 3: .* string"),
        ({"parts": [{"name": "a", "size": True}]}, "parts.0.size is True: .* integer"),
        ({"parts": [{"name": "a", "size": 1.0}]}, "parts.0.size is 1.0: .* integer"),
        ({"parts": [{"name": "a", "size": 1 << 63}]}, "parts.0.size is 9223372036854775808"),
        ({"scores": {"x": math.nan}}, "scores.x.* is nan: .* finite"),
        ({"scores": {"x": "1"}}, "scores.x.* is '1': .* number"),
        ({"scores": {"x": True}}, "scores.x.* is True: .* number"),
        ({"reached": 1}, "reached.* is 1: .* boolean"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(change, words):
    content = json.dumps(CARD | change).encode()
    with pytest.raises(ValueError, match=f"^card.json is not a card: {words}.*; make it again$"):
        parse_json(content, "card.json", "a card", "make it again", Card)


def test_a_missing_key_of_the_object_itself_is_named():
    assert find_misfit({}, Card) == "it has no parts"
    assert find_misfit({}, Card, "cards.2") == "cards.2 has no parts"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"\xff{}", b'{"a": "\\ud800"}', b"[" * 9999]
)
def test_what_is_no_object_of_clean_text_is_refused(tmp_path, content):
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"card\.json is not a card.*; make it again"):
        read_json(path, "a card", "make it again")


def test_what_is_far_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "card.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match="268435457 bytes"):
        read_json(path, "a card", "make it again")
    with pytest.raises(OSError, match="absent"):
        read_json(tmp_path / "absent.json", "a card", "make it again")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([10**400, -(1 << 63), 1 << 63, "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3) | st.sampled_from(["parts", "name", "\ud800"]), inner),
    max_leaves=12,
)  # fmt: skip
FORMS = [Card, Part, dict[str, Part], list[Number], dict[str, list[Integer | None]], dict]


@given(value=values, form=st.sampled_from(FORMS))
def test_any_value_fits_or_is_told_why_not(value, form):
    found = find_misfit(value, form)
    assert found is None or found.encode("utf-8", "backslashreplace")


@given(value=st.fixed_dictionaries(
    {"parts": st.lists(st.fixed_dictionaries({"name": values, "size": values}), max_size=2)},
    optional={"scores": st.dictionaries(st.text(max_size=3), values), "note": values},
))  # fmt: skip
def test_what_nearly_fits_is_told_apart(value):
    def is_number(one):
        return isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e300

    fits = (
        {"scores", "note"} <= set(value)
        and all(isinstance(part["name"], str) for part in value["parts"])
        and all(type(part["size"]) is int for part in value["parts"])
        and all(-(1 << 63) <= part["size"] < 1 << 63 for part in value["parts"])
        and all(one is None or is_number(one) for one in value["scores"].values())
    )
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert (find_misfit(value, Card) is None) == fits


@given(data=st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_refused(data):
    try:
        content = parse_json(data, "x.json", "a card", "make it again", Card)
    except ValueError:
        return
    assert content == json.loads(data)
    assert json.dumps(content, ensure_ascii=False).encode()


def test_numpy_and_what_json_does_not_know_are_written_plainly(tmp_path):
    content = {
        "array": np.array([[1.5, np.nan], [np.inf, 2]]),
        "numbers": (np.int64(3), np.float32(0.5), np.bool_(True), 1e400),
        4: "ü",
    }
    path = write_json(content, tmp_path / "new" / "a.json")
    assert json.loads(path.read_bytes()) == {
        "array": [[1.5, None], [None, 2.0]],
        "numbers": [3, 0.5, True, None],
        "4": "ü",
    }
    assert "ü" in path.read_text("utf-8")
    assert path.read_bytes().endswith(b"\n}\n")


def test_what_can_t_be_written_leaves_the_older_file(tmp_path):
    path = write_json({"a": 1}, tmp_path / "a.json")
    with pytest.raises(TypeError, match="object"):
        write_json({"a": object()}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@given(value=values)
def test_what_is_ready_is_json_without_nan(value):
    json.dumps(json_ready(value), allow_nan=False)
