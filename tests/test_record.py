import nbformat
import numpy as np
import papermill
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectkit.record import RECORD_TYPE, read_records, record


def write_notebook(path, *outputs):
    """A notebook with one executed cell an output; each is (name, value) or raw record content."""
    cells = []
    for content in outputs:
        if isinstance(content, tuple):
            content = {"name": content[0], "value": content[1]}
        output = nbformat.v4.new_output("display_data", {RECORD_TYPE: content, "text/plain": "x"})
        cells.append(nbformat.v4.new_code_cell("pass", outputs=[output]))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_real_kernel_records_and_the_values_are_read_back(tmp_path):
    cells = [
        nbformat.v4.new_markdown_cell("# A title"),
        nbformat.v4.new_code_cell(
            "import numpy as np\n"
            "from affectkit.record import record\n"
            "record('accuracy', np.float64(0.5))\n"
            "record('table', {'rows': [1, 2], 'undefined': float('nan')})"
        ),
        nbformat.v4.new_code_cell("record('note', 'seen')"),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    source = tmp_path / "source.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), source)
    executed = tmp_path / "executed.ipynb"
    papermill.execute_notebook(source, executed, progress_bar=False, cwd=tmp_path)
    records = read_records(executed)
    assert records == {
        "accuracy": 0.5,
        "table": {"rows": [1, 2], "undefined": None},
        "note": "seen",
    }
    assert list(records) == ["accuracy", "table", "note"]
    outputs = [out for cell in nbformat.read(executed, 4).cells[1:] for out in cell.outputs]
    assert all(not output.data["text/plain"] for output in outputs), "nobody sees them"


def test_outside_of_ipython_nothing_is_shown(capsys):
    assert record("accuracy", np.float32(0.5)) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", [object(), {"model": object()}, [b"bytes"]])
def test_a_value_that_is_no_json_is_refused_with_its_name(value):
    with pytest.raises(ValueError, match="'broken'"):
        record("broken", value)


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="name"):
        record("", 1)


def test_the_same_value_twice_is_fine_another_is_refused(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", ("x", [1]), ("x", [1]))
    assert read_records(path) == {"x": [1]}
    write_notebook(path, ("x", [1]), ("y", 2), ("x", [2]))
    with pytest.raises(ValueError, match=r"'x' was recorded twice.*cell 3"):
        read_records(path)


def test_a_notebook_that_was_not_executed_has_no_records(tmp_path):
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    assert read_records(path) == {}


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '{"cells": 3, "nbformat": 4}'])
def test_a_broken_file_is_named(tmp_path, text):
    path = tmp_path / "broken.ipynb"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"broken\.ipynb"):
        read_records(path)


def test_a_damaged_record_is_named(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", ["not", "a", "record"])
    with pytest.raises(ValueError, match="cell 1"):
        read_records(path)


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_records(tmp_path / "absent.ipynb")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1, 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(records=st.dictionaries(st.text(min_size=1, max_size=5), json_values, max_size=4))
def test_any_json_value_survives_the_file(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("records") / "a.ipynb"
    assert read_records(write_notebook(path, *records.items())) == records
