"""The speed benchmarks: tiny runs write every field that is promised, and the sums are right."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectkit.course import BASELINE, load_runs, read_run
from affectkit.course.benchmark_runs import BENCHMARKS
from affectkit.faces import render_face
from affectkit.models import find_checkpoint, load_networks
from affectkit.pipeline import samples_needed
from affectkit.pipeline.stage_timer import STAGES

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
MODEL = "affectkit-synthetic-int8"
FRAMES = 6


@pytest.fixture(scope="module")
def scripts():
    """Give the modules of benchmarks/, by name, as a script there finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A clip of one drawn face."""
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (256, 256))
    frame = np.ascontiguousarray(render_face(1, 256)[0][..., ::-1])
    for _ in range(FRAMES):
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="module")
def runs(scripts, video, tmp_path_factory):
    """One tiny run of each benchmark that needs no other environment."""
    folder = tmp_path_factory.mktemp("runs")
    output, rounds = ["--output", str(folder)], ["--rounds", "2"]
    scripts("stages").main([*output, *rounds, "--video", str(video), "--model", MODEL])
    scripts("scaling").main(
        [*output, *rounds, "--model", MODEL, "--faces", "1", "5", "--sizes", "640x360"]
    )
    queries = ["--queries", "5", "--faces", "16", "--repeats", "2", "--warm-up", "1"]
    models = ["--models", MODEL, "affectkit-synthetic-float16"]
    scripts("throughput").main([*output, *models, *queries])
    command = [sys.executable, str(FOLDER / "runtimes.py"), *output, *rounds, "--formats"]
    command += ["--checkpoint", "affectkit-synthetic", "--milliseconds", "5"]
    command += ["--runtimes", "LiteRT float16"]
    subprocess.run(command, check=True, capture_output=True)
    return load_runs(folder)


@pytest.mark.parametrize("name", ["stages", "runtimes", "throughput", "scaling"])
def test_a_run_says_where_when_and_how_it_was_made(runs, name):
    run = runs[name]
    content = run.content
    assert {"processor", "cores", "memory_bytes", "system", "flags", "load_average"} <= set(
        content["machine"]
    )
    assert {"python", "tensorflow", "numpy", "opencv", "ai-edge-litert", "onnxruntime"} <= set(
        content["versions"]
    )
    assert content["command"].startswith(f"python benchmarks/{name}.py --output ")
    assert content["started"].endswith("+00:00")
    assert isinstance(content["git_dirty"], bool)
    assert content["threads"] == ([1] if name == "runtimes" else [1, 2])
    assert content["peak_memory_bytes"] > 50e6
    assert content["ratios"]
    assert all(np.isfinite(ratio["value"]) for ratio in content["ratios"])
    timed = {row["p50"] for rows in content["tables"].values() for row in rows if "p50" in row}
    assert timed
    assert min(timed) > -1  # a residual may be a little below 0
    text = run.path.with_suffix(".md").read_text()
    assert content["command"] in text
    assert "fewer samples than MLPerf asks for" in text
    figures = list(run.path.parent.glob(f"{run.path.stem}_*.png"))
    assert figures
    assert all(f"({figure.name})" in text for figure in figures)


def test_loading_and_the_model_are_told_apart_from_the_frames(runs):
    path = find_checkpoint(MODEL).path
    for name in ("stages", "scaling", "throughput"):
        row = runs[name].table("loading").iloc[0]
        assert row["bytes"] == path.stat().st_size
        assert row["load_seconds"] > 0
        assert row["first_call_ms"] > 0
    table = runs["runtimes"].table("runtimes").set_index("runtime")
    assert set(table.index) == {"LiteRT int8", "LiteRT float16"}
    assert table["times_the_best"].min() == 1
    assert (table[["load_seconds", "first_call_ms", "peak_memory_bytes"]] > 0).all(axis=None)
    assert table.loc["LiteRT int8", "bytes"] == path.stat().st_size


def test_stages_and_residual_add_up_to_the_frame(runs):
    stages = runs["stages"].table("stages")
    assert set(stages["mode"]) == {"sequential", "overlapped"}
    for _, rows in stages.groupby(["mode", "threads"]):
        means = rows.set_index("stage")["mean"]
        assert set(means.index) - {"end to end", "residual"} <= set(STAGES)
        assert {"decode", "colour", "detect", "draw", "encode"} <= set(means.index)
        parts = means.drop("end to end").sum()
        assert parts == pytest.approx(means["end to end"])
        assert (rows["n"] == 2 * FRAMES).all()
        assert rows.set_index("stage")["share"]["end to end"] == pytest.approx(1)
        assert not rows["p90_enough"].any()
    videos = runs["stages"].table("videos")
    assert (videos["frames"] == FRAMES).all()
    assert (videos["faces"] == FRAMES).all()
    np.testing.assert_allclose(stages["mean_per_face"], stages["mean"])  # one face a frame


def test_end_to_end_is_compared_with_the_bare_work_of_the_same_frames(runs):
    overhead = runs["stages"].table("overhead")
    ratio = overhead["end_to_end_ms"] / overhead["bare_ms"]
    np.testing.assert_allclose(overhead["end_to_end_over_bare"], ratio)
    assert (overhead["end_to_end_over_work_within"] > 1).all()
    targets = [one for one in runs["stages"].content["targets"] if "1 thread" in one["name"]]
    target, overlapped = targets
    mine = overhead.loc[overhead["threads"] == 1, "end_to_end_over_bare"].median()
    assert target["value"] == pytest.approx(mine)
    assert target["reached"] == (mine <= 1.15)
    bare = runs["stages"].table("bare").query("mode == 'bare' and threads == 1")
    assert set(bare["stage"]) == {"decode", "invoke", "encode", "end to end"}
    # as `affectkit predict` does it: the time from one frame to the next
    videos = runs["stages"].table("videos").query("mode == 'overlapped' and threads == 1")
    work = bare.loc[bare["stage"] == "end to end", "mean"].item()
    expected = 1e3 / videos["frames_a_second"].item() / work
    assert overlapped["value"] == pytest.approx(expected)
    assert overlapped["name"].startswith("overlapped, time from frame to frame / bare")


def test_the_invocations_of_each_frame_are_seen(scripts):
    invocations = scripts("stages").Invocations()
    networks = load_networks(MODEL)
    face = np.zeros((2, *[networks.networks[0].image_size] * 2, 3), np.float32)
    with invocations.watched():
        networks.networks[0](face)
        invocations.end_frame()
        invocations.end_frame()
    networks.networks[0](face)
    assert [len(frame) for frame in invocations.frames] == [2, 0]
    assert len(set(map(id, invocations.frames[0]))) == 1
    assert invocations.nanoseconds[0] > 10_000
    assert invocations.nanoseconds[1] == 0


def test_scenarios_are_mlperfs(runs, scripts):
    streams = runs["throughput"].table("streams")
    queries = streams.groupby("scenario")[["faces_a_query", "counts"]].first()
    assert queries.loc["SingleStream"].tolist() == [1, "p90"]
    assert queries.loc["MultiStream"].tolist() == [8, "p99"]
    assert (streams["n"] == 5).all()
    offline = runs["throughput"].table("offline")
    assert (offline["faces"] == 16).all()
    assert (offline["slowest"] <= offline["faces_a_second"]).all()

    asked = []
    faces = np.zeros((3, 4, 4, 3), np.uint8)
    times = scripts("throughput").stream(asked.append, faces, 8, count=4, seconds=9, warm_up=2)
    assert len(times) == 4
    assert [batch.shape for batch in asked] == [(8, 4, 4, 3)] * 6
    cut = scripts("throughput").stream(asked.append, faces, 8, count=10**6, seconds=0, warm_up=2)
    assert len(cut) == 1


def test_five_faces_are_composed_and_compared_with_five_frames(runs, scripts):
    scaling = scripts("scaling")
    white = np.full((50, 50, 3), 255, np.uint8)
    frame = scaling.compose([white], 7, 100, 60)
    share = (frame == 255).mean()
    assert share == pytest.approx(7 * 20 * 20 / (100 * 60))
    assert (frame[20:40, 40:] == scaling.GREY).all()  # 5 in the first row, 2 in the second
    with pytest.raises(ValueError, match="expected 1 to 10 faces"):
        scaling.compose([white], 11, 100, 60)
    table = runs["scaling"].table("scaling").set_index(["threads", "faces"])
    assert table.loc[(1, 5), "found"] == 5
    ratios = {one["name"]: one["value"] for one in runs["scaling"].content["ratios"]}
    name = "5 faces / 5 x 1 face, ms a frame, 640x360, 1 threads"
    assert ratios[name] == pytest.approx(table.loc[(1, 5), "p50"] / (5 * table.loc[(1, 1), "p50"]))


@pytest.mark.parametrize(("short", "p90"), [(1, "2.000 \\*"), (0, "2.000")])
def test_a_percentile_of_too_few_samples_is_marked(scripts, short, p90):
    report = scripts("report")
    row = report.latency_row([2.0] * (samples_needed(90) - short), leg="a")
    assert row["p90_enough"] == (not short)
    header, _, line = report.markdown_table([row])
    cells = dict(zip(header.split(" | "), line.split(" | "), strict=True))
    assert cells["p50"] == "2.000"
    assert cells["p90"] == p90
    assert cells["p99 |"] == "2.000 \\* |"


def test_files_are_never_overwritten_and_targets_are_checked(scripts, tmp_path):
    module = scripts("report")
    parser = module.new_parser("Nothing.")
    arguments = parser.parse_args(["--output", str(tmp_path / "new")])
    first = module.Report("stages", arguments, ["--output", "new folder"])
    first.target("low", 1.15, "<= 1.15")
    first.target("five", 1.0, "< 1")
    first.target("high", 4.1, ">= 4.0")
    second = module.Report("stages", arguments, [], started=first.started)
    paths = [first.write(), second.write()]
    assert len(set(paths)) == 2
    run = read_run(paths[0])
    assert run.content["command"] == "python benchmarks/stages.py --output 'new folder'"
    assert [one["reached"] for one in run.content["targets"]] == [True, False, True]
    assert f"{first.started:%Y-%m-%dT%H-%M-%SZ}" in paths[1].name


def test_a_worse_ratio_fails_the_comparison(runs, scripts, tmp_path, capsys):
    compare = scripts("compare_baseline").main
    folder = runs["scaling"].path.parent
    same = [str(folder), "--baseline", str(folder)]
    assert compare(same) == 0
    content = json.loads(runs["scaling"].path.read_text())
    content["ratios"][0]["value"] *= 2
    (tmp_path / "scaling_x.json").write_text(json.dumps(content))
    assert compare([str(tmp_path), "--baseline", str(folder)]) == 1
    assert f"WORSE {content['ratios'][0]['name']}" in capsys.readouterr().out
    assert compare([str(tmp_path), "--baseline", str(folder), "--tolerance", "1.5"]) == 0
    assert compare([str(tmp_path / "absent"), "--baseline", str(folder)]) == 2
    assert "expected runs such as" in capsys.readouterr().err


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_kind_of_run_is_compared_with_the_baseline(scripts, benchmark, tmp_path, capsys):
    compare = scripts("compare_baseline").main
    content = json.loads(load_runs(BASELINE)[benchmark].path.read_text())
    (tmp_path / f"{benchmark}_mine.json").write_text(json.dumps(content))
    assert compare([str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.count(" ok ") == len(content["ratios"])
    for ratio in content["ratios"]:  # twice as bad, or by more than the least that counts
        ratio["value"] *= 2 if ratio["better"] == "lower" else 0.5
        ratio["value"] += 0.1 * (ratio["better"] == "lower")
    (tmp_path / f"{benchmark}_mine.json").write_text(json.dumps(content))
    assert compare([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("WORSE") == len(content["ratios"])


def test_the_committed_baseline_is_whole():
    baseline = load_runs(BASELINE)
    assert list(baseline) == list(BENCHMARKS)
    for run in baseline.values():
        assert run.content["ratios"]
        assert run.path.stat().st_size < 60_000
        assert " /" not in run.content["command"]  # no absolute path


@pytest.mark.slow
def test_contestants_take_turns_and_those_that_are_missing_are_told(scripts, video, tmp_path):
    """The seed's way needs TensorFlow only, so it runs; fer and face-api are not installed here."""
    command = ["--output", str(tmp_path), "--video", str(video), "--threads", "1"]
    command += ["--peer-python", sys.executable, "--rounds", "1", "--frames", "3"]
    path = scripts("peers").main([*command, "--legs", "affectkit", "fer", "face-api", "seed"])
    run = read_run(path)
    table = run.table("peers").set_index("leg")
    assert table.loc["affectkit", "frames"] == table.loc["seed", "frames"] == 3
    assert table.loc["affectkit", "faces"] == table.loc["seed", "faces"] == 3
    assert table.loc["fer", "status"] == "not run: ModuleNotFoundError: No module named 'fer'"
    assert table.loc["face-api", "status"].startswith("not run: OSError: Node.js ")
    rates = table["frames_a_second"]
    ratios = {one["name"]: one["value"] for one in run.content["ratios"]}
    assert ratios == {
        "affectkit / seed, frames a second, 1 threads": pytest.approx(
            rates["affectkit"] / rates["seed"]
        )
    }
    (target,) = run.content["targets"]
    assert target["bound"] == ">= 8.0"
    environments = run.table("environments").set_index("leg")
    assert environments.loc[["affectkit", "seed"], "opencv"].notna().all()


def test_a_contestant_whose_python_is_missing_is_told(scripts):
    one = scripts("peers").Contestant("fer", 1, "no-such-python")
    one.close()
    assert one.error.startswith("FileNotFoundError")
    row = scripts("peers").summarise_leg(one, [])
    assert row["status"].startswith("not run: FileNotFoundError")
