"""Reading CSV label files: line numbers, clear errors, hostile text."""

import csv

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectkit.data import SkippedRows
from affectkit.data.label_files import LINE, read_label_csv


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_text_and_editor_lines(tmp_path):
    path = write(tmp_path / "a.csv", "File , expression\na.jpg,1\n\n  \nb.jpg,2\nc.jpg\n")
    frame = read_label_csv(path, ["file", "expression"], SkippedRows())
    assert frame["file"].tolist() == ["a.jpg", "  ", "b.jpg", "c.jpg"]
    assert frame["expression"].tolist() == ["1", "", "2", ""]
    assert frame[LINE].tolist() == [2, 4, 5, 6]


def test_line_numbers_follow_quoted_line_breaks(tmp_path):
    path = write(tmp_path / "a.csv", 'file,note\r\na.jpg,"two\r\nlines, one field"\r\nb.jpg,\r\n')
    frame = read_label_csv(path, ["file"], SkippedRows())
    assert frame[LINE].tolist() == [2, 4]
    assert frame["note"].tolist() == ["two\r\nlines, one field", ""]


def test_byte_order_mark_and_wanted_columns(tmp_path):
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbffile,big,x\na,1,2\n")
    frame = read_label_csv(path, ["file"], SkippedRows(), lambda name: name == "x")
    assert list(frame) == ["file", "x", LINE]


@pytest.mark.parametrize("quote", ["", '"'])
def test_rows_with_too_many_fields_are_skipped(tmp_path, quote):
    path = write(tmp_path / "a.csv", f"file,expression\na,1\n{quote}b{quote},2,3\nc,4\n")
    skipped = SkippedRows()
    frame = read_label_csv(path, ["file", "expression"], skipped)
    assert frame["file"].tolist() == ["a", "c"]
    (row,) = skipped
    assert (row.row, row.reason) == ("3", "expected 2 fields, got 3")


@pytest.mark.parametrize("quote", ["", '"'])
def test_empty_trailing_fields_do_no_harm(tmp_path, quote):
    path = write(tmp_path / "a.csv", f"file,expression\na,1,\n{quote}b{quote},2,,\n")
    skipped = SkippedRows()
    assert read_label_csv(path, ["file"], skipped)["expression"].tolist() == ["1", "2"]
    assert len(skipped) == 0


def test_first_row_with_too_many_fields_is_no_index(tmp_path):
    path = write(tmp_path / "a.csv", "file,expression\nx,1,2\ny,3,4\nz,5\n")
    skipped = SkippedRows()
    frame = read_label_csv(path, ["file", "expression"], skipped)
    assert frame["file"].tolist() == ["z"]
    assert len(skipped) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"file,expression\na,1\nb\xe9,2\n", r"line 3 is not UTF-8 text \(byte 0xe9\)"),
        (b"\xff\xd8\xff\xe0JFIF", "line 1 is not UTF-8"),
        (b"file,expression\na\0,1\n", "line 2 holds a zero byte"),
        (b"file;expression\na;1\n", "missing file, expression, found 'file;expression'"),
        (b"file,emotion\na,1\n", "missing expression, found 'file, emotion'"),
        (b"file,expression,file\na,1,b\n", "column file is there twice"),
    ],
)
def test_unusable_files_say_why_and_what_to_do(tmp_path, content, message):
    path = write(tmp_path / "a.csv", content)
    with pytest.raises(ValueError, match=message) as caught:
        read_label_csv(path, ["file", "expression"], SkippedRows())
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none"):
        read_label_csv(tmp_path / "no.csv", ["file"], SkippedRows())
    with pytest.raises(ValueError, match="can't be read"):
        read_label_csv(tmp_path, ["file"], SkippedRows())


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)


@given(rows=st.lists(st.tuples(cells, cells), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_the_csv_module_writes_is_read_back(tmp_path, rows):
    path = tmp_path / "round.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "expression"])
        writer.writerows(rows)
    frame = read_label_csv(path, ["file", "expression"], SkippedRows())
    expected = [row for row in rows if row != ("", "")]
    assert list(zip(frame["file"], frame["expression"], strict=True)) == expected


@given(content=st.one_of(st.binary(max_size=60), cells.map(lambda text: f"file\n{text}".encode())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_a_table_or_a_value_error(tmp_path, content):
    path = write(tmp_path / "any.csv", content)
    message = ""
    try:
        frame = read_label_csv(path, ["file"], SkippedRows())
    except ValueError as error:
        message = str(error)
    assert str(path) in message or {type(name) for name in frame["file"]} <= {str}
