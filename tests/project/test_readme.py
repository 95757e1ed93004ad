"""README: short, its figures those of committed files, its commands and links there."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
import typer.main

from affectkit.cli import app
from affectkit.course import load_runs

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
FLAT = " ".join(TEXT.split())
CARD = (ROOT / "affectkit/assets/checkpoints/affectkit-real.md").read_text("utf-8")
COURSE = json.loads((ROOT / "benchmarks" / "course.json").read_text("utf-8"))
NETWORKS = "affectkit-real", "affectkit-real-int8"


def load_script():
    spec = importlib.util.spec_from_file_location("front_page", ROOT / ".ci" / "front_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


front_page = load_script()


def card_row(name, section):
    """Cells of the row of a network in a section of affectkit-real's card."""
    part = CARD.partition(f"### {section}\n")[2]
    return re.search(rf"^\| {name} \| (.*) \|$", part, re.M)[1].split(" | ")


def test_it_is_short():
    assert len(TEXT.split()) <= 1500


def test_results_are_those_of_the_committed_run():
    assert COURSE["status"] == "completed"
    assert (COURSE["dataset"], COURSE["profile"], COURSE["seed"]) == ("affectfaces", "quick", 0)
    assert (COURSE["limit"], COURSE["epochs"], COURSE["root"]) == (0, 0, "")
    results = front_page.results(COURSE)
    assert results.count("\n") >= 8
    assert f"<!-- results -->\n{results}\n<!-- /results -->" in TEXT


def expected_sentences():
    """What README says in figures, written from the committed files."""
    real, int8 = (card_row(name, "FER+ PublicTest") for name in NETWORKS)
    crops = load_runs()["peers"].table("accuracy_on_equal_crops").query("data == 'FER+'")
    crops = crops.set_index("network")["accuracy"]
    portraits = [card_row(name, "London faces")[1] for name in NETWORKS]
    (size,) = load_runs()["peers"].table("model")["bytes"]
    always = re.search(
        r"most frequent class: accuracy (\S+),", CARD.partition("### FER+ PublicTest")[2]
    )
    peers = {ratio["name"]: ratio["value"] for ratio in load_runs()["peers"].content["ratios"]}
    others = ("fer", "fer-mtcnn", "facex", "face-api")
    fastest = min(peers[f"affectkit / {name}, frames a second, 2 threads"] for name in others)
    seed = peers["affectkit / seed, frames a second, 2 threads"]
    ways = load_runs()["webcam"].table("ways").set_index(["server", "in_flight"])
    quick = ways.loc[("TCP_NODELAY", 2)]
    return [
        f"3,199 PublicTest faces affectkit-real has an accuracy of {real[1].rstrip(')')}; always "
        f"Neutral: {always[1]}), as full-integer TFLite of {size / 1e6:.1f} MB "
        f"{int8[1].split()[0]}.",
        f"`fer` and `facex` reach {crops['fer']:.3f} and {crops['facex']:.3f} there.",
        f"it has {portraits[0]}, in integers {portraits[1].split()[0]}:",
        f"{fastest:.1f} times as fast as with the fastest of three other packages, and "
        f"{seed:.0f} times",
        f"an answer is drawn {quick['latency_p50']:.0f} ms after its frame was taken, at "
        f"{quick['frames_a_second']:.0f} frames a second (medians of {int(quick['frames']):,}",
    ]


@pytest.mark.parametrize("number", range(5))
def test_figures_are_those_of_committed_files(number):
    assert expected_sentences()[number] in FLAT


def test_no_other_figure_is_claimed():
    rest = re.sub(
        r"<!-- results -->.*<!-- /results -->|```.*?```|`[^`]*`|\]\([^)]*\)", "", TEXT, flags=re.S
    )
    rest = " ".join(rest.split())
    for sentence in expected_sentences():
        rest = rest.replace(" ".join(re.sub(r"`[^`]*`", "", sentence).split()), "")
    # versions of Python and of a licence, a question, a published figure
    known = {"3.11", "3.13", "4.0", "0.6", "60.7"}
    assert set(re.findall(r"\d+\.\d+", rest)) <= known


def test_every_notebook_is_in_the_table_with_its_picture():
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook in notebooks:
        (row,) = re.findall(rf"^\| \[{notebook.name[:2]} .*\|$", TEXT, re.M)
        assert f"(notebooks/{notebook.name})" in row
        assert f"(notebooks/pictures/{notebook.stem}.webp)" in row
    pictures = sorted((ROOT / "notebooks" / "pictures").glob("*"))
    assert [path.stem for path in pictures] == [path.stem for path in notebooks]
    assert all(path.stat().st_size <= front_page.LARGEST for path in pictures)


def test_links_lead_to_files():
    for name in ("README.md", "CONTRIBUTING.md", "notebooks/TEACHING.md"):
        path = ROOT / name
        for link in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")):
            if not link.startswith("http"):
                assert (path.parent / link).exists(), f"{name}: {link}"


def test_commands_are_there_with_their_options():
    commands = typer.main.get_command(app).commands
    for name in ("README.md", "notebooks/TEACHING.md", "data_cards/scale.md"):
        text = (ROOT / name).read_text("utf-8")
        text = "\n".join(line.partition("  #")[0] for line in text.splitlines())
        for line in re.findall(r"(?:^|`|\\)affectkit ([a-z][^`\n]*)", text, re.M):
            words = line.split()
            command = commands[words[0]]
            while hasattr(command, "commands"):
                command = command.commands[words.pop(1)]
            options = {option for parameter in command.params for option in parameter.opts}
            given = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
            assert given <= options, (name, line)
