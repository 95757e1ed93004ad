import pytest

from affectkit.data import make_table
from affectkit.data.snapshot import snapshot_markdown, write_snapshot


def make_faces(valence=(0.1, 0.3, None, -0.5)):
    return make_table(
        {
            "image_id": list("abcd"),
            "split": ["train", "train", "train", "test"],
            "expression": [0, 0, 1, 2],
            "valence": valence,
            "arousal": valence,
            "subject": ["x", "x", "y", "z"],
        },
        "folder",
        "folder",
    )


def test_rows_and_means_by_split_and_expression():
    lines = snapshot_markdown(make_faces()).splitlines()
    assert "`affectkit datasets folder --card FILE`" in lines[0]
    assert lines[2:6] == [
        "| rows | Neutral | Happy | Sad | all | subjects |",
        "| --- | --: | --: | --: | --: | --: |",
        "| train | 2 | 1 | 0 | 3 | 2 |",
        "| test | 0 | 0 | 1 | 1 | 1 |",
    ]
    assert lines[7:] == [
        "| mean valence, arousal | Neutral | Happy | Sad | all |",
        "| --- | --: | --: | --: | --: |",
        "| train | 0.20, 0.20 | – | – | 0.20, 0.20 |",
        "| test | – | – | -0.50, -0.50 | -0.50, -0.50 |",
    ]


def test_slices_are_counted_and_numbers_summarised():
    table = make_faces()
    table["glasses"] = ["none", "sun", "sun", "none"]
    table["identifier"] = ["only one value"] * 4
    table["yaw"] = [0.0, 10.0, 20.0, 30.0]
    table["expression_second"] = [0, 0, 1, 1]
    lines = snapshot_markdown(table).splitlines()
    assert lines[12:] == [
        "| rows of each slice | train | test |",
        "| --- | --: | --: |",
        "| glasses: none | 1 | 1 |",
        "| glasses: sun | 2 | 0 |",
        "",
        "| all rows | 10th percentile | median | 90th |",
        "| --- | --: | --: | --: |",
        "| yaw | 3 | 15 | 27 |",
    ]


def test_without_valence_and_arousal_there_is_one_table():
    assert "mean" not in snapshot_markdown(make_faces([None] * 4))


def test_only_the_text_between_the_markers_changes(tmp_path):
    card = tmp_path / "card.md"
    card.write_text("# Card\n<!-- snapshot -->\nold\n\nold\n<!-- /snapshot -->\nend\n")
    write_snapshot(card, r"new \1 text")
    text = "# Card\n<!-- snapshot -->\nnew \\1 text\n<!-- /snapshot -->\nend\n"
    assert card.read_text() == text
    write_snapshot(card, r"new \1 text")
    assert card.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- snapshot -->",
        "<!-- /snapshot --> <!-- snapshot -->",
        "<!-- snapshot --> <!-- /snapshot --> <!-- snapshot --> <!-- /snapshot -->",
        "<!-- snapshot --> <!-- snapshot --> <!-- /snapshot -->",
    ],
)
def test_a_card_without_one_pair_of_markers_stays_as_it_is(tmp_path, text):
    card = tmp_path / "card.md"
    card.write_text(text)
    with pytest.raises(ValueError, match=r"card\.md"):
        write_snapshot(card, "new")
    assert card.read_text() == text
