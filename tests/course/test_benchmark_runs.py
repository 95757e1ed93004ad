"""Runs of the speed benchmarks: read back, the newest first."""

import json

import pytest

from affectkit.course import load_runs, read_run


def content(benchmark="stages", started="2026-01-02T03:04:05+00:00"):
    return {
        "schema_version": 1,
        "benchmark": benchmark,
        "started": started,
        "git_commit": "0123456789abcdef",
        "git_dirty": True,
        "machine": {"processor": "some", "cores": 2, "load_average": 0.5},
        "versions": {"tensorflow": "2.21.0", "ai-edge-litert": None},
        "targets": [{"name": "five", "value": 0.5, "bound": "< 1", "reached": True}],
        "ratios": [{"name": "five / ten", "value": 0.5, "better": "lower"}],
        "tables": {"stages": [{"stage": "detect", "mean": 1.5}]},
    }


def test_the_newest_run_of_each_benchmark_is_read(tmp_path):
    for name, started in (("a", "2026-01-01T00:00:00+00:00"), ("b", "2026-01-03T00:00:00+00:00")):
        (tmp_path / f"stages_{name}.json").write_text(json.dumps(content(started=started)))
    (tmp_path / "peers_c.json").write_text(json.dumps(content(benchmark="peers")))
    (tmp_path / "other.json").write_text("{}")
    runs = load_runs(tmp_path)
    assert list(runs) == ["stages", "peers"]
    assert runs["stages"].path.name == "stages_b.json"
    assert runs["stages"].table("stages")["mean"].tolist() == [1.5]
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
