"""The stress card: what moves, how far answers move, and whether tools agree."""

from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pytest

from affectkit.course import load_runs, read_run
from affectkit.labels import EXPRESSIONS

ROOT = Path(__file__).resolve().parents[2]
TOOL = """
import numpy as np

def by_light(face):
    \"\"\"Happy as far as the picture is light, else Sad.\"\"\"
    light = face.mean() / 255
    return {"Happy": light, "Sad": 1 - light}

def always_neutral(face):
    return np.eye(8)[0]

def wrong(face):
    return [1.0]
"""


@pytest.fixture(scope="module")
def script(scripts):
    return scripts("stress")


def test_alpha_is_that_of_the_package_for_many_raters_also_where_some_are_missing(script):
    generator = np.random.default_rng(0)
    counts = generator.multinomial(4, [0.4, 0.3, 0.1, 0.1, 0.1], 60)
    counts[:5] = 0  # nobody
    counts[5:9] = np.eye(5)[0]  # only one
    expected = krippendorff.alpha(value_counts=counts[9:], level_of_measurement="nominal")
    assert script.alpha_of_counts(counts) == pytest.approx(expected)
    assert script.alpha_of_counts(3 * np.eye(5)) == pytest.approx(1)


def test_how_far_answers_move_by_hand(script):
    first = np.array([[0.7, 0.3, 0, 0, 0, 0, 0, 0], [0.2, 0.8, 0, 0, 0, 0, 0, 0]])
    answers = {("blur", 0.0): first, ("blur", 1.0): first, ("blur", 2.0): first[[1, 1]]}
    steps, (change,) = script.stress_rows(answers, tool="a")
    assert [(row["step"], row["moved"], row["flipped"]) for row in steps] == [
        ("0", 0, 0),
        ("1", 0, 0),
        ("2", pytest.approx(0.25), 0.5),
    ]
    assert change == {
        "tool": "a",
        "change": "blur",
        "flips_from": "2 % of the side",
        "moved_at_the_end": pytest.approx(0.25),
        "flipped_at_the_end": 0.5,
    }


def test_changes_of_pixels_begin_with_the_face_as_it_is_and_do_what_they_say(script):
    face = np.random.default_rng(0).integers(0, 256, (script.SIDE, script.SIDE, 3), np.uint8)
    changed = script.pixel_steps(face[None])
    for change, (_, steps) in script.PIXELS.items():
        first, last = changed[change, steps[0]][0], changed[change, steps[-1]][0]
        assert first.shape == last.shape == face.shape
        if change != "JPEG":
            np.testing.assert_array_equal(first, face)
        assert (last != face).mean() > 0.5
    np.testing.assert_array_equal(changed["mirror", "mirrored"][0], face[:, ::-1])
    spreads = [changed["contrast", step][0].std() for step in script.PIXELS["contrast"][1]]
    assert spreads[-1] == pytest.approx(0.15 * spreads[0], rel=0.02)


@pytest.mark.slow
def test_a_run_tells_of_any_function_and_of_who_was_not_asked(script, tmp_path, monkeypatch):
    (tmp_path / "toy_tool.py").write_text(TOOL)
    monkeypatch.chdir(tmp_path)
    tools = ["toy_tool:by_light", "toy_tool:always_neutral", "fer"]
    command = ["--output", "runs", "--people", "1", "--tools", *tools]
    command += ["--peer-python", str(tmp_path / "no_python")]
    run = read_run(script.main(command))
    assert any(note.startswith("fer was not asked") for note in run.content["notes"])
    steps = run.table("steps")
    assert set(steps["tool"]) == set(tools[:2])
    assert set(steps["change"]) == {*script.DRAWN, *script.PIXELS}
    assert (steps["rows"] == len(EXPRESSIONS)).all()
    neutral = steps[steps["tool"] == tools[1]]
    assert not neutral["flipped"].any()
    by_light = steps[steps["tool"] == tools[0]].set_index(["change", "step"])["moved"]
    assert by_light["mirror", "mirrored"] == 0
    assert by_light["skin tone", "-40"] > 0.02 > by_light["pixels", "64"]
    right = run.table("accuracy").set_index("tool")["accuracy"]
    assert right[tools[1]] == 1 / 8
    agreement = run.table("agreement").set_index("between")["alpha"]
    assert pd.notna(agreement[" and ".join(tools[:2])])
    assert list((tmp_path / "runs").glob("stress_*_stress.png"))


def test_unusable_tools_are_told(script, tmp_path, monkeypatch):
    (tmp_path / "other_tool.py").write_text(TOOL)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="needs --peer-python"):
        script.open_tool("facex", None)
    with pytest.raises(ValueError, match="expected 8 probabilities from other_tool:wrong"):
        script.open_tool("other_tool:wrong", None)(np.zeros((1, 9, 9, 3), np.uint8))


def test_agreement_of_tools_and_raters_by_hand(script):
    """Two faces, two tools: both say Neutral of the first, of the second one says Happy.

    Values that are paired: Neutral twice with Neutral, Neutral and Happy once each way. So 2 of 4
    pairs differ, where 3 Neutral and 1 Happy in one pot differ in 2 * 3 * 1 / (4 * 3) of the pairs:
    alpha is 1 - (2 / 4) / (1 / 2) = 0. The raters, three a face, agree on both faces: 1.
    """
    firsts = {"a": np.array([0, 0]), "b": np.array([0, 1])}
    votes = np.zeros((2, 8))
    votes[0, 0] = votes[1, 1] = 3
    rows = script.agreement_rows("two faces", firsts, np.array([0, 1]), votes)
    assert {row["between"]: row["alpha"] for row in rows} == {
        "the raters": pytest.approx(1),
        "a and b": pytest.approx(0),
        "a and the labels": pytest.approx(0),
        "b and the labels": pytest.approx(1),
    }
    assert {row["rows"] for row in rows} == {2}


def test_figures_in_words_are_the_committed_runs():
    run = load_runs()["stress"]
    agreement = run.table("agreement").query("data == 'FER+ PublicTest'").set_index("between")
    alpha = agreement["alpha"].map("{:.3f}".format)
    readme, card = (
        " ".join((ROOT / name).read_text("utf-8").split())
        for name in ("benchmarks/README.md", "affectkit/assets/checkpoints/affectkit-real.md")
    )
    assert (agreement["rows"] == 3199).all()
    assert f"PublicTest faces with a majority is {alpha['all tools']}, of the raters'" in readme
    assert f"votes on them {alpha['the raters']}, of affectkit-real and fer" in readme
    assert f"Training images, {alpha['affectkit-real and fer']}." in readme
    assert f"on these PublicTest faces is {alpha['all tools']}; of affectkit-real and fer" in card
    assert f"Training images, {alpha['affectkit-real and fer']}; of FER+'s raters" in card
    assert f"on the same faces, {alpha['the raters']} (`benchmarks/stress.py`" in card
    flipped = {ratio["name"].partition(":")[0]: ratio["value"] for ratio in run.content["ratios"]}
    for tool, share in flipped.items():
        assert f"{share:.3f} for {tool}" in readme
