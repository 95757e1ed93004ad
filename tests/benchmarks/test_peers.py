"""The race against other packages, and the comparison of networks on the same crops."""

import sys

import numpy as np
import pytest

from affectkit.course import read_run
from affectkit.pipeline.detect.blazeface import BlazeFace
from affectkit.pipeline.detect.face import EYE_DISTANCE, EYE_HEIGHT


@pytest.fixture(scope="module")
def script(scripts):
    return scripts("peers")


def test_scores_by_hand(script):
    true = np.array([0, 0, 0, 1, 7])
    answers = np.eye(8)[[0, 0, 1, 1, 7]]
    answers[3] = np.eye(8)[7] + 0.5 * np.eye(8)[1]  # without Contempt it is Happy
    found = script.score(answers, true)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["accuracy_seven"] == pytest.approx(3 / 4)
    assert found["balanced_seven"] == pytest.approx((2 / 3 + 1) / 2)


def test_answers_of_peers_are_put_into_our_order(script):
    assert {name for names in script.PEERS.values() for name in names} == {
        "Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger",
    }  # fmt: skip
    assert all(len(names) == script.SEVEN for names in script.PEERS.values())


@pytest.mark.needs_shared
def test_portraits_are_cut_as_fer2013_cuts(script, shared):
    yunet = shared / "models/face_detection_yunet_2026may.onnx"
    faces, true = script.read_london(shared / "data/london_faces", yunet)
    assert faces.shape == (40, 200, 200, 3)
    assert np.bincount(true).tolist() == [20, 20]
    eyes = np.array([BlazeFace()(face)[0].eyes for face in faces]) / 200
    assert np.median(eyes[:, 2] - eyes[:, 0]) == pytest.approx(EYE_DISTANCE, abs=0.03)
    assert np.median(eyes[:, 1]) == pytest.approx(EYE_HEIGHT, abs=0.04)


@pytest.mark.needs_shared
def test_a_checkpoint_is_asked_as_the_pipeline_asks_it(script, shared):
    from affectkit import AffectPipeline
    from affectkit.pipeline import Face

    yunet = shared / "models/face_detection_yunet_2026may.onnx"
    faces = script.read_london(shared / "data/london_faces", yunet)[0][:4]
    whole = AffectPipeline(detector=lambda image: [Face((0, 0, 200, 200), 1.0, (0, 0, 0, 0))])
    asked = script.ask_checkpoint("affectkit-real-int8", faces)
    answered = [whole(face)[0].expression for face in faces]
    from affectkit.labels import EXPRESSIONS

    assert [EXPRESSIONS[row.argmax()] for row in asked] == answered


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


@pytest.mark.needs_shared
def test_without_a_video_only_crops_are_compared_and_absent_peers_noted(script, shared, tmp_path):
    """fer and facex are not installed here."""
    command = [
        "--output",
        str(tmp_path),
        "--ferplus",
        str(shared / "data/ferplus"),
        "--limit",
        "40",
    ]
    command += ["--models", "affectkit-synthetic-int8", "--peer-python", sys.executable]
    run = read_run(script.main(command))
    assert run.path.name.startswith("crops_")  # no race, which notebook 07 reads
    (row,) = run.table("accuracy_on_equal_crops").to_dict("records")
    assert (row["network"], row["rows"]) == ("affectkit-synthetic-int8", 40)
    assert 0 < row["accuracy_seven"] <= 1
    assert (
        "fer was not asked about FER+: ModuleNotFoundError: No module named 'fer'"
        in (run.content["notes"])
    )
    assert "peers" not in run.content["tables"]


def test_other_legs_need_a_python_that_has_them(script, video, tmp_path, capsys):
    with pytest.raises(SystemExit):
        script.main(["--output", str(tmp_path), "--video", str(video)])
    assert "need --peer-python" in capsys.readouterr().err
