"""Throughput: MLPerf's scenarios, frames of several faces, and workers."""

import numpy as np
import pytest

from affectkit.course import read_run
from affectkit.models import find_model

MODEL = "affectkit-synthetic-int8"


@pytest.fixture(scope="module")
def networks(scripts, tmp_path_factory):
    command = ["networks", "--output", str(tmp_path_factory.mktemp("runs"))]
    command += ["--models", MODEL, "affectkit-synthetic-float16"]
    command += ["--queries", "5", "--faces", "16", "--repeats", "2", "--warm-up", "1"]
    return read_run(scripts("throughput").main(command))


@pytest.fixture(scope="module")
def scaling(scripts, tmp_path_factory):
    command = ["scaling", "--output", str(tmp_path_factory.mktemp("runs")), "--model", MODEL]
    command += ["--rounds", "2", "--faces", "1", "5", "--sizes", "640x360"]
    return read_run(scripts("throughput").main(command))


def test_runs_say_where_when_and_how_they_were_made(networks, scaling, check_run, check_loading):
    for run, question in ((networks, "networks"), (scaling, "scaling")):
        check_run(run, f"throughput.py {question}", [1, 2])
        check_loading(run.table("loading").iloc[0], find_model(MODEL).path)


def test_scenarios_are_mlperfs(networks, scripts):
    streams = networks.table("streams")
    queries = streams.groupby("scenario")[["faces_a_query", "counts"]].first()
    assert queries.loc["SingleStream"].tolist() == [1, "p90"]
    assert queries.loc["MultiStream"].tolist() == [8, "p99"]
    assert (streams["n"] == 5).all()
    offline = networks.table("offline")
    assert (offline["faces"] == 16).all()
    assert (offline["slowest"] <= offline["faces_a_second"]).all()

    asked = []
    faces = np.zeros((3, 4, 4, 3), np.uint8)
    times = scripts("throughput").stream(asked.append, faces, 8, count=4, seconds=9, warm_up=2)
    assert len(times) == 4
    assert [batch.shape for batch in asked] == [(8, 4, 4, 3)] * 6
    cut = scripts("throughput").stream(asked.append, faces, 8, count=10**6, seconds=0, warm_up=2)
    assert len(cut) == 1


def test_five_faces_are_composed_and_compared_with_five_frames(scaling, scripts):
    module = scripts("throughput")
    white = np.full((50, 50, 3), 255, np.uint8)
    frame = module.compose([white], 7, 100, 60)
    share = (frame == 255).mean()
    assert share == pytest.approx(7 * 20 * 20 / (100 * 60))
    assert (frame[20:40, 40:] == module.GREY).all()  # 5 in the first row, 2 in the second
    with pytest.raises(ValueError, match="expected 1 to 10 faces"):
        module.compose([white], 11, 100, 60)
    table = scaling.table("scaling").set_index(["threads", "faces"])
    assert table.loc[(1, 5), "found"] == 5
    ratios = {one["name"]: one["value"] for one in scaling.content["ratios"]}
    name = "5 faces / 5 x 1 face, ms a frame, 640x360, 1 threads"
    assert ratios[name] == pytest.approx(table.loc[(1, 5), "p50"] / (5 * table.loc[(1, 1), "p50"]))


@pytest.mark.slow
def test_workers_give_the_same_rows_and_are_held_against_one_process(scripts, tmp_path):
    command = ["workers", "--output", str(tmp_path), "--model", MODEL, "--pictures", "8"]
    run = read_run(scripts("throughput").main([*command, "--workers", "1", "--rounds", "2"]))
    table = run.table("workers").set_index("mode")
    assert list(table.index) == ["one process", "1 workers"]
    assert (table["pictures"] == 8).all()
    assert (table[["pictures_a_second", "cpu_ms"]] > 0).all(axis=None)
    ratios = {one["name"]: one["value"] for one in run.content["ratios"]}
    assert ratios["1 workers / one process, processor time"] == pytest.approx(
        table["cpu_ms"]["1 workers"] / table["cpu_ms"]["one process"]
    )


def test_an_unknown_question_is_told_which_there_are(scripts, capsys):
    with pytest.raises(SystemExit):
        scripts("throughput").main(["speed"])
    assert "networks" in capsys.readouterr().err
