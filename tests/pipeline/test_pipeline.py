"""The pipeline: the same answers as its parts, whatever the runtime, threads or neighbours."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import softmax

import affectkit
from affectkit import AffectPipeline
from affectkit.data import read_image
from affectkit.labels import EXPRESSIONS
from affectkit.models import (
    LiteRTNetwork,
    apply_temperature,
    find_model,
    open_model,
    plausible_expressions,
)
from affectkit.models.cards import FOLDER
from affectkit.pipeline import Face, StageTimer
from affectkit.preprocess import face_input


@pytest.fixture(scope="module")
def faces():
    """Eight drawn faces of 160 pixels."""
    from affectkit.faces import render_face

    return [render_face(seed, 160)[0] for seed in range(8)]


@pytest.fixture(scope="module")
def crowd(faces):
    """One picture of them all, and their squares."""
    picture = np.concatenate([np.concatenate(faces[:4], axis=1), np.concatenate(faces[4:], axis=1)])
    squares = [(160.0 * (index % 4), 160.0 * (index // 4), 160.0, 160.0) for index in range(8)]
    return picture, squares


def given(squares):
    """A detector that knows where the faces are."""
    return lambda image: [Face(box, 1.0, (0.0, 0.0, 0.0, 0.0)) for box in squares]


def as_array(found):
    return np.array([[*face.probabilities.values(), face.valence, face.arousal] for face in found])


def test_answers_are_those_of_crop_network_and_temperature(crowd):
    picture, squares = crowd
    found = AffectPipeline(detector=given(squares))(picture)
    file = find_model("affectkit-real-int8")
    outputs = LiteRTNetwork(file.path)(face_input(picture, squares, file.preprocessing))
    probabilities = apply_temperature(outputs["expression"], file.temperature)
    np.testing.assert_array_equal(as_array(found)[:, :8], probabilities)
    np.testing.assert_array_equal(as_array(found)[:, 8:], outputs["valence_arousal"])
    for face, row, box in zip(found, probabilities, squares, strict=True):
        assert face.box == box
        assert face.expression == EXPRESSIONS[row.argmax()]
        assert list(face.probabilities) == list(EXPRESSIONS)
        assert sum(face.probabilities.values()) == pytest.approx(1)
        assert face.track is None


def test_plausible_expressions_are_the_cards_and_the_first_is_among_them(crowd):
    picture, squares = crowd
    model = open_model("affectkit-real-int8")
    outputs = model(face_input(picture, squares, model.preprocessing))["expression"]
    sets = plausible_expressions(outputs, model.confidence["plausible_share"])
    found = AffectPipeline(detector=given(squares))(picture)
    for face, held in zip(found, sets, strict=True):
        assert {EXPRESSIONS[code] for code in np.flatnonzero(held)} == set(face.plausible)
        assert face.plausible[0] == face.expression
        chances = [face.probabilities[name] for name in face.plausible]
        assert chances == sorted(chances, reverse=True)
    assert len({len(face.plausible) for face in found}) > 1


def test_a_balanced_prior_adds_the_cards_numbers_to_the_logits(crowd):
    picture, squares = crowd
    model = open_model("affectkit-real")
    outputs = model(face_input(picture, squares, model.preprocessing))["expression"]
    added = np.log(outputs) + model.confidence["balanced_prior"]
    expected = softmax(added / model.temperature, axis=1)
    found = AffectPipeline("affectkit-real", given(squares), prior="balanced")(picture)
    np.testing.assert_allclose(as_array(found)[:, :8], expected, atol=1e-4)
    with pytest.raises(ValueError, match="prior of trained or balanced, got 'flat'"):
        AffectPipeline(prior="flat")


def test_answers_do_not_depend_on_neighbours_or_threads(crowd):
    picture, squares = crowd
    together = as_array(AffectPipeline(detector=given(squares))(picture))
    alone = [AffectPipeline(detector=given([box]))(picture) for box in squares]
    np.testing.assert_array_equal(together, np.concatenate([as_array(one) for one in alone]))
    for threads in (2, 3):
        pipeline = AffectPipeline(detector=given(squares), threads=threads)
        for _ in range(2):
            np.testing.assert_array_equal(together, as_array(pipeline(picture)))


@pytest.mark.slow
def test_runtimes_agree(crowd):
    picture, squares = crowd
    answers = {
        form: as_array(AffectPipeline(f"affectkit-synthetic{form}", given(squares))(picture))
        for form in ("", "-float16", "-int8")
    }
    np.testing.assert_allclose(answers["-float16"], answers[""], atol=0.01)
    assert np.abs(answers["-int8"] - answers[""]).mean() < 0.05
    assert np.ptp(answers[""], axis=0).max() > 0.1  # they do differ from face to face


@pytest.mark.needs_shared
def test_smiling_people_are_found_and_read(shared):
    pipeline = AffectPipeline()
    valence = {"neutral": [], "smiling": []}
    for path in sorted((shared / "data/london_faces").glob("*.jpg")):
        (face,) = pipeline(read_image(path))
        assert face.score > 0.7
        (kind,) = [kind for kind in valence if kind in path.stem]
        valence[kind].append(face.valence)
    assert np.mean(valence["smiling"]) - np.mean(valence["neutral"]) > 0.3


def test_frames_of_a_video_are_smoothed_face_by_face(crowd):
    picture, squares = crowd
    squares = squares[:2]
    turned = picture[:, ::-1]  # other faces in the same places
    plain = AffectPipeline(detector=given(squares))
    smooth = AffectPipeline(detector=given(squares), smoothing=0.5)
    first, second = as_array(plain(picture)), as_array(plain(turned))
    np.testing.assert_array_equal(as_array(smooth(picture)), first)
    found = smooth(turned)
    np.testing.assert_allclose(as_array(found), (first + second) / 2, atol=1e-6)
    assert [face.track for face in found] == [0, 1]
    tracked = AffectPipeline(detector=given(squares), track=True)
    tracked(picture)
    np.testing.assert_array_equal(as_array(tracked(turned)), second)


def test_every_stage_is_timed(crowd):
    picture, squares = crowd
    timer = StageTimer()
    pipeline = AffectPipeline(detector=given(squares), smoothing=0.5, timer=timer)
    timer.start_frame()
    pipeline(picture)
    timer.end_frame()
    table = timer.table()
    assert list(table) == [
        "detect",
        "crop",
        "preprocess",
        "classify",
        "smooth",
        "end to end",
        "residual",
    ]
    assert (table > 0).all(axis=None)
    assert table["residual"].item() < 0.1 * table["end to end"].item()


def test_a_picture_without_faces_gives_none():
    assert AffectPipeline()(np.full((240, 320, 3), 90, np.uint8)) == []
    with pytest.raises(ValueError, match="expected a uint8 image of shape"):
        AffectPipeline()(np.zeros((240, 320), np.uint8))


@pytest.mark.slow
def test_two_networks_of_a_course_run_one_after_the_other(tmp_path, crowd):
    import keras

    from affectkit.models import build_classifier, build_regressor, save_model
    from affectkit.preprocess import Preprocessing

    picture, squares = crowd
    keras.utils.set_random_seed(0)
    classifier = build_classifier(32, 0.35)
    regressor = build_regressor(classifier)
    preprocessing = Preprocessing(32)
    inputs = face_input(picture, squares, preprocessing)
    save_model(classifier, tmp_path / "models/classifier.keras", preprocessing, temperature=2.0)
    pipeline = AffectPipeline(tmp_path, given(squares))
    found = pipeline(picture)
    assert {face.valence for face in found} == {None}
    expected = apply_temperature(classifier.predict(inputs, verbose=0), 2.0)
    probabilities = [list(face.probabilities.values()) for face in found]
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)

    path = save_model(regressor, tmp_path / "models/regressor.keras", preprocessing)
    timer = StageTimer()
    found = AffectPipeline(tmp_path, given(squares), timer=timer)(picture)
    timer.end_frame()
    assert {"classify", "regress"} <= set(timer.table())
    expected = regressor.predict(inputs, verbose=0)
    np.testing.assert_allclose(as_array(found)[:, 8:], expected, atol=1e-5)

    (one, *_) = AffectPipeline(path, given(squares))(picture)
    assert (one.expression, one.probabilities) == (None, {})

    save_model(regressor, path, Preprocessing(32, grey=True))
    with pytest.raises(ValueError, match="differently prepared faces"):
        open_model(tmp_path)


def test_a_checkpoints_file_is_as_good_as_its_name():
    for name in ("affectkit-real.int8.tflite", "affectkit-real.float16.tflite"):
        by_file, by_name = open_model(FOLDER / name), open_model(name[:-7].replace(".", "-"))
        assert by_file.preprocessing == by_name.preprocessing
        assert by_file.temperature == by_name.temperature


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a checkpoint .*got 'resnet'"):
        AffectPipeline("resnet")
    with pytest.raises(FileNotFoundError, match=r"no models/classifier\.keras"):
        AffectPipeline(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.keras"):
        AffectPipeline(tmp_path / "none.keras")
    with pytest.raises(ValueError, match="at least 1 thread, got 0"):
        AffectPipeline(threads=0)


def test_importing_is_quick_and_the_pipeline_needs_no_tensorflow():
    code = (
        "import time; start = time.perf_counter(); import affectkit, sys\n"
        "spent = time.perf_counter() - start\n"
        "assert 'numpy' not in sys.modules\n"
        "import numpy as np\n"
        "affectkit.AffectPipeline()(np.zeros((64, 64, 3), np.uint8))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "print(spent)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.3
    with pytest.raises(AttributeError, match="No affectkit attribute Pipeline"):
        affectkit.Pipeline  # noqa: B018
