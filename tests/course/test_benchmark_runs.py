"""Runs of the speed benchmarks: read back, the newest first, and compared by ratios."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectkit.course import (
    BenchmarkRun,
    add_accuracy,
    compare_ratios,
    load_runs,
    overview,
    read_run,
    targets,
)


def content(ratios=(), benchmark="stages", started="2026-01-02T03:04:05+00:00"):
    return {
        "schema_version": 1,
        "benchmark": benchmark,
        "started": started,
        "git_commit": "0123456789abcdef",
        "git_dirty": True,
        "machine": {"processor": "some", "cores": 2, "load_average": 0.5},
        "versions": {"tensorflow": "2.21.0", "ai-edge-litert": None},
        "targets": [{"name": "five", "value": 0.5, "bound": "< 1", "reached": True}],
        "ratios": [{"name": n, "value": v, "better": b} for n, v, b in ratios],
        "tables": {"stages": [{"stage": "detect", "mean": 1.5}]},
    }


def run(ratios, benchmark="stages"):
    return BenchmarkRun("some.json", content(ratios, benchmark))


def test_the_newest_run_of_each_benchmark_is_read(tmp_path):
    for name, started in (("a", "2026-01-01T00:00:00+00:00"), ("b", "2026-01-03T00:00:00+00:00")):
        (tmp_path / f"stages_{name}.json").write_text(json.dumps(content(started=started)))
    (tmp_path / "peers_c.json").write_text(json.dumps(content(benchmark="peers")))
    (tmp_path / "other.json").write_text("{}")
    runs = load_runs(tmp_path)
    assert list(runs) == ["stages", "peers"]
    assert runs["stages"].path.name == "stages_b.json"
    assert runs["stages"].table("stages")["mean"].tolist() == [1.5]
    assert overview(runs).loc["stages", "commit"] == "0123456789+"
    assert targets(runs)["reached"].tolist() == [True, True]
    with pytest.raises(ValueError, match="no table 'absent', only stages"):
        runs["stages"].table("absent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", r"it is \[1\]"),
        ("{", "not the JSON file"),
        (
            json.dumps({"benchmark": "stages"}),
            "not the JSON file of a benchmark .*: it has no schema",
        ),
        (json.dumps(content() | {"schema_version": 9}), "of schema version 1: schema_version is 9"),
    ],
)
def test_a_file_that_is_no_run_is_refused(tmp_path, text, message):
    path = tmp_path / "stages_x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_run(path)
    with pytest.raises(FileNotFoundError, match="expected runs such as stages_<time>"):
        load_runs(tmp_path / "absent")


def test_accuracy_on_the_first_set_stands_beside_what_was_timed():
    timed = pd.DataFrame({"runtime": ["x", "y", "z"], "model": ["a", "a", "b"]})
    measured = pd.DataFrame(
        {"model": ["a", "a"], "data": ["first", "second"], "accuracy": [0.9, 0.1]}
    )
    found = add_accuracy(timed, measured)
    assert found["runtime"].tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(found["accuracy"], [0.9, 0.9, np.nan])
    assert add_accuracy(timed, pd.DataFrame())["accuracy"].isna().all()


def test_worse_ratios_are_found_by_hand():
    before = run([("a", 0.5, "lower"), ("b", 4.0, "higher"), ("c", 0.02, "lower"),
                  ("gone", 1.0, "lower")])  # fmt: skip
    after = run([("a", 0.6, "lower"), ("b", 2.9, "higher"), ("c", 0.04, "lower"),
                 ("new", 1.0, "lower")])  # fmt: skip
    table = compare_ratios(after, before, 0.25).set_index("name")
    assert table.index.tolist() == ["a", "b", "c"]
    # c doubles, but as a share of a tenth it is only a fifth
    np.testing.assert_allclose(table["change"], [-0.2, -1.1 / 4, -0.2])
    assert table["worse"].tolist() == [False, True, False]
    assert compare_ratios(after, before, 0.1)["worse"].all()


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.sampled_from(["lower", "higher"])), min_size=1))
def test_a_run_is_never_worse_than_itself_and_gains_mirror_losses(values):
    ratios = [(str(number), value, better) for number, (value, better) in enumerate(values)]
    same = compare_ratios(run(ratios), run(ratios), 0.0)
    assert not same["worse"].any()
    assert (same["change"] == 0).all()
    doubled = compare_ratios(run([(n, 2 * v, b) for n, v, b in ratios]), run(ratios), 0.0)
    pd.testing.assert_series_equal(
        doubled["worse"], doubled["better"] == "lower", check_names=False
    )


def test_what_can_not_be_compared_is_refused():
    with pytest.raises(ValueError, match="expected two runs of one benchmark"):
        compare_ratios(run([("a", 1.0, "lower")]), run([("a", 1.0, "lower")], "peers"))
    with pytest.raises(ValueError, match="no ratio in common"):
        compare_ratios(run([("a", 1.0, "lower")]), run([("b", 1.0, "lower")]))
    with pytest.raises(ValueError, match="expected a tolerance"):
        compare_ratios(run([("a", 1.0, "lower")]), run([("a", 1.0, "lower")]), -1)
