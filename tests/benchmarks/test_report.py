"""What all benchmarks share: files of a run, stars, turns, and the comparison with the baseline."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectkit.course import BASELINE, BenchmarkRun, load_runs, read_run
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
        assert run.path.stat().st_size < 100_000
        assert " /" not in run.content["command"]  # no absolute path


def run(ratios, benchmark="stages"):
    ratios = [{"name": n, "value": v, "better": b} for n, v, b in ratios]
    return BenchmarkRun("some.json", {"benchmark": benchmark, "ratios": ratios})


def test_worse_ratios_are_found_by_hand(report):
    before = run([("a", 0.5, "lower"), ("b", 4.0, "higher"), ("c", 0.02, "lower"),
                  ("gone", 1.0, "lower")])  # fmt: skip
    after = run([("a", 0.6, "lower"), ("b", 2.9, "higher"), ("c", 0.04, "lower"),
                 ("new", 1.0, "lower")])  # fmt: skip
    table = report.compare_ratios(after, before, 0.25).set_index("name")
    assert table.index.tolist() == ["a", "b", "c"]
    # c doubles, but as a share of a tenth it is only a fifth
    np.testing.assert_allclose(table["change"], [-0.2, -1.1 / 4, -0.2])
    assert table["worse"].tolist() == [False, True, False]
    assert report.compare_ratios(after, before, 0.1)["worse"].all()


@given(
    values=st.lists(
        st.tuples(st.floats(1e-3, 1e3), st.sampled_from(["lower", "higher"])), min_size=1
    )
)
def test_a_run_is_never_worse_than_itself_and_gains_mirror_losses(report, values):
    ratios = [(str(number), value, better) for number, (value, better) in enumerate(values)]
    same = report.compare_ratios(run(ratios), run(ratios), 0.0)
    assert not same["worse"].any()
    assert (same["change"] == 0).all()
    doubled = report.compare_ratios(run([(n, 2 * v, b) for n, v, b in ratios]), run(ratios), 0.0)
    pd.testing.assert_series_equal(
        doubled["worse"], doubled["better"] == "lower", check_names=False
    )


def test_what_can_not_be_compared_is_refused(report):
    with pytest.raises(ValueError, match="expected two runs of one benchmark"):
        report.compare_ratios(run([("a", 1.0, "lower")]), run([("a", 1.0, "lower")], "peers"))
    with pytest.raises(ValueError, match="no ratio in common"):
        report.compare_ratios(run([("a", 1.0, "lower")]), run([("b", 1.0, "lower")]))
    with pytest.raises(ValueError, match="expected a tolerance"):
        report.compare_ratios(run([("a", 1.0, "lower")]), run([("a", 1.0, "lower")]), -1)


def test_accuracy_on_the_first_set_stands_beside_what_was_timed(report):
    timed = pd.DataFrame({"runtime": ["x", "y", "z"], "model": ["a", "a", "b"]})
    measured = pd.DataFrame(
        {"model": ["a", "a"], "data": ["first", "second"], "accuracy": [0.9, 0.1]}
    )
    found = report.add_accuracy(timed, measured)
    assert found["runtime"].tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(found["accuracy"], [0.9, 0.9, np.nan])
    assert report.add_accuracy(timed, pd.DataFrame())["accuracy"].isna().all()
