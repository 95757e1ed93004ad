import csv
import io
import os
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from affectkit.files import spreadsheet_name, terminal_text


@given(name=st.text(min_size=1).filter(lambda name: not name.startswith("/")))
def test_no_name_begins_as_a_formula_and_each_names_the_same_file(name):
    safe = spreadsheet_name(name)
    assert safe[0] not in "=+-@\t\r\n"
    assert os.path.normpath(safe) == os.path.normpath(name)
    row = io.StringIO(newline="")
    csv.writer(row).writerow([safe])
    assert next(csv.reader(io.StringIO(row.getvalue(), newline=""))) == [safe]


def test_other_names_stay_as_they_are():
    for name in ("a.png", "a/=b.png", ".hidden", "~", "1-2.png"):
        assert spreadsheet_name(name) == name
        assert terminal_text(name) == name


@given(text=st.text())
def test_nothing_that_is_shown_moves_the_cursor_or_turns_the_direction(text):
    shown = terminal_text(text)
    kinds = {unicodedata.category(character) for character in shown if character not in "\n\t"}
    assert not kinds & {"Cc", "Cf", "Cs"}
    shown.encode("utf-8")
    assert terminal_text(shown) == shown


def test_what_is_hidden_is_spelt_out():
    assert terminal_text("a\x1b[2J\u202egpj.exe\n") == "a\\x1b[2J\\u202egpj.exe\n"
    assert terminal_text("\ud800") == "\\ud800"
