"""What all benchmarks share: files of a run, stars, turns, and the comparison with the baseline."""

import json

import pytest

from affectkit.course import BASELINE, load_runs, read_run
from affectkit.course.benchmark_runs import BENCHMARKS
from affectkit.pipeline import samples_needed


@pytest.fixture(scope="module")
def report(scripts):
    return scripts("report")


@pytest.mark.parametrize(("short", "p90"), [(1, "2.000 \\*"), (0, "2.000")])
def test_a_percentile_of_too_few_samples_is_marked(report, short, p90):
    row = report.latency_row([2.0] * (samples_needed(90) - short), leg="a")
    assert row["p90_enough"] == (not short)
    header, _, line = report.markdown_table([row])
    cells = dict(zip(header.split(" | "), line.split(" | "), strict=True))
    assert cells["p50"] == "2.000"
    assert cells["p90"] == p90
    assert cells["p99 |"] == "2.000 \\* |"


def test_files_are_never_overwritten_and_targets_are_checked(report, tmp_path):
    parser = report.new_parser("throughput.py scaling", "Nothing.")
    output = str(tmp_path / "new folder")
    first = report.Report.begin("scaling", parser, ["--output", output])
    first.target("low", 1.15, "<= 1.15")
    first.target("five", 1.0, "< 1")
    first.target("high", 4.1, ">= 4.0")
    second = report.Report("scaling", first.arguments, ["stages.py"], started=first.started)
    paths = [first.write(), second.write()]
    assert len(set(paths)) == 2
    run = read_run(paths[0])
    command = f"python benchmarks/throughput.py scaling --output '{output}'"
    assert run.content["command"] == command
    assert [one["reached"] for one in run.content["targets"]] == [True, False, True]
    assert f"{first.started:%Y-%m-%dT%H-%M-%SZ}" in paths[1].name


def test_all_take_turns_and_the_warm_up_does_not_count(report):
    taken = list(report.turns("abc", rounds=20, warm_up=2))
    assert [counts for _, counts in taken] == [False] * 6 + [True] * 60
    rounds = ["".join(name for name, _ in taken[start : start + 3]) for start in range(0, 66, 3)]
    assert all(sorted(one) == list("abc") for one in rounds)
    assert len(set(rounds)) > 3  # in an order that is drawn anew


def test_only_what_stands_between_the_marks_of_a_page_is_replaced(report, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- plan -->\nold\n<!-- /plan -->\nafter\n")
    report.write_between(page, "plan", "new")
    assert page.read_text() == "before\n<!-- plan -->\nnew\n<!-- /plan -->\nafter\n"
    with pytest.raises(ValueError, match="expected <!-- measured --> and <!-- /measured -->"):
        report.write_between(page, "measured", "new")


def test_a_worse_ratio_fails_the_comparison(report, tmp_path, capsys):
    content = json.loads(load_runs(BASELINE)["scaling"].path.read_text())
    content["ratios"][0]["value"] *= 2
    (tmp_path / "scaling_x.json").write_text(json.dumps(content))
    assert report.main([str(tmp_path), "--baseline", str(tmp_path)]) == 0
    assert report.main([str(tmp_path)]) == 1
    assert f"WORSE {content['ratios'][0]['name']}" in capsys.readouterr().out
    assert report.main([str(tmp_path), "--tolerance", "1.5"]) == 0
    assert report.main([str(tmp_path / "absent")]) == 2
    assert "expected runs such as" in capsys.readouterr().err


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_kind_of_run_is_compared_with_the_baseline(report, benchmark, tmp_path, capsys):
    content = json.loads(load_runs(BASELINE)[benchmark].path.read_text())
    (tmp_path / f"{benchmark}_mine.json").write_text(json.dumps(content))
    assert report.main([str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.count(" ok ") == len(content["ratios"])
    for ratio in content["ratios"]:  # twice as bad, or by more than the least that counts
        ratio["value"] *= 2 if ratio["better"] == "lower" else 0.5
        ratio["value"] += 0.1 * (ratio["better"] == "lower")
    (tmp_path / f"{benchmark}_mine.json").write_text(json.dumps(content))
    assert report.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("WORSE") == len(content["ratios"])


def test_the_committed_baseline_is_whole():
    baseline = load_runs(BASELINE)
    assert list(baseline) == list(BENCHMARKS)
    for run in baseline.values():
        assert run.content["ratios"]
        assert run.path.stat().st_size < 60_000
        assert " /" not in run.content["command"]  # no absolute path
