"""BlazeFace: hand-computed parts, and the faces of real portraits against another detector."""

import cv2
import numpy as np
import pytest

from affectkit.data import read_image
from affectkit.pipeline.detect.blazeface import STRIDES, BlazeFace, make_anchors, merge_overlapping
from affectkit.pipeline.detect.face import frame_face


def test_anchors_are_the_centres_of_cells():
    anchors = make_anchors(128, STRIDES["short"])
    assert anchors.shape == (16 * 16 * 2 + 8 * 8 * 6, 2)  # 896, the network's answers
    np.testing.assert_array_equal(anchors[:3], [[4, 4], [4, 4], [12, 4]])
    np.testing.assert_array_equal(anchors[32], [4, 12])  # the second row of cells
    np.testing.assert_array_equal(anchors[512], [8, 8])  # the second layer
    np.testing.assert_array_equal(anchors[-1], [120, 120])


def test_overlapping_answers_become_one_face():
    points = np.zeros((3, 8, 2))
    points[:, 0] = [[50, 50], [54, 50], [200, 50]]
    points[:, 1] = 40
    scores = np.array([0.9, 0.6, 0.7])
    faces = merge_overlapping(points, scores)
    assert [score for _, score in faces] == [0.9, 0.7]
    # the mean of 50 and 54, weighted by .9 and .6; the far one is left alone
    np.testing.assert_allclose([face[0, 0] for face, _ in faces], [51.6, 200])


def test_touching_boxes_are_two_faces():
    points = np.zeros((2, 8, 2))
    points[:, 0], points[:, 1] = [[50, 50], [90, 50]], 40  # side by side: they share an edge
    assert len(merge_overlapping(points, np.array([0.7, 0.9]))) == 2
    points[1, 0] = [70, 50]  # half of each is shared: 20 / 60 = .33 of their union
    (face,) = merge_overlapping(points, np.array([0.7, 0.9]))
    assert face[1] == 0.9
    assert len(merge_overlapping(points, np.array([0.7, 0.9]), overlap=0.34)) == 2


def test_the_square_is_framed_by_eyes_or_box():
    eyes = np.array([[82.0, 60.0], [119.0, 60.0]])
    # eyes 37 pixels apart make a side of 100; they lie at 39 % of its height, centred
    assert frame_face(eyes, 50) == pytest.approx((50.5, 21, 100, 100))
    # a face that looks away: the eyes are close together, the box of 98 makes the side
    assert frame_face(eyes / [1e3, 1], 98)[2:] == pytest.approx((100, 100))


@pytest.mark.needs_shared
def test_an_odd_large_image_keeps_its_places(shared):
    """Halving drops an odd row or column; a face must not move by more than that."""
    image = read_image(sorted((shared / "data/london_faces").glob("*.jpg"))[0])
    detect = BlazeFace()
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    expected, found = detect(large)[0].box, detect(large[:-1, :-1])[0].box
    np.testing.assert_allclose(found, expected, atol=0.02 * expected[2])
    np.testing.assert_allclose(expected, np.multiply(detect(image)[0].box, 3), rtol=0.02, atol=5)


def test_nothing_is_found_where_there_is_no_face():
    detect = BlazeFace()
    assert detect(np.full((90, 160, 3), 128, np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert detect(noise) == []
    assert detect(np.zeros((1, 1, 3), np.uint8)) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model": "front"}, "expected a model of short, back"),
        ({"minimum_score": 1.0}, "minimum_score between 0 and 1"),
        ({"margin": -0.1}, "margin of 0..1"),
    ],
)
def test_bad_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        BlazeFace(**setting)


@pytest.mark.needs_shared
@pytest.mark.parametrize("model", ["back", "short"])
def test_eyes_are_where_yunet_sees_them(shared, model):
    detect = BlazeFace(model)
    yunet = cv2.FaceDetectorYN.create(
        str(shared / "models/face_detection_yunet_2026may.onnx"), "", (512, 512)
    )
    errors = []
    for path in sorted((shared / "data/london_faces").glob("*.jpg"))[::2]:
        image = read_image(path)
        yunet.setInputSize(image.shape[1::-1])
        expected = yunet.detect(np.ascontiguousarray(image[..., ::-1]))[1][0, 4:8]
        faces = detect(image)
        assert len(faces) == 1
        assert faces[0].score > 0.7
        distance = np.linalg.norm(expected[:2] - expected[2:])
        errors.append(np.abs(faces[0].eyes - expected).max() / distance)
        # the same face in a larger picture, and cut so tightly that it fills it all
        border = (200, 200, 400, 400) if model == "back" else (0, 0, 60, 60)
        wide = cv2.copyMakeBorder(image, *border, cv2.BORDER_CONSTANT)
        expected_box = np.add(faces[0].box, (border[2], border[0], 0, 0))
        np.testing.assert_allclose(detect(wide)[0].box, expected_box, atol=0.3 * distance)
        left, top, side, _ = (int(value) for value in faces[0].box)
        tight = image[top : top + side, left : left + side]
        expected_box = (0, 0, side, side)
        np.testing.assert_allclose(detect(tight)[0].box, expected_box, atol=0.4 * distance)
    assert np.median(errors) < 0.1
    assert max(errors) < 0.2


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match="expected a uint8 image of shape"):
        BlazeFace()(image)


@pytest.mark.needs_shared
def test_frames_are_those_of_fer2013(shared):
    """Those pictures are the frames: half of the faces are found within 15 % of the side."""
    detect = BlazeFace()
    with np.load(shared / "data/ferplus/valid.npz", allow_pickle=False) as archive:
        images = archive["images"][:400]
    faces = [detect(np.repeat(image[..., None], 3, axis=2)) for image in images]
    boxes = np.array([found[0].box for found in faces if found]) / 48
    assert len(boxes) > 0.95 * len(images)
    np.testing.assert_allclose(np.median(boxes, axis=0), [0, 0, 1, 1], atol=0.06)
    assert np.median(np.abs(boxes - [0, 0, 1, 1]).max(axis=1)) < 0.15


@pytest.mark.needs_shared
def test_the_far_model_rarely_sees_faces_where_none_are(shared):
    detect = BlazeFace("back", minimum_score=0.75)
    video = cv2.VideoCapture(str(shared / "data/videos/no_face.mp4"))
    found = []
    while (read := video.read())[0]:
        found.append(bool(detect(np.ascontiguousarray(read[1][..., ::-1]))))
    assert len(found) > 20
    assert np.mean(found) < 0.03


@pytest.mark.needs_shared
def test_a_video_has_its_one_face_or_none(shared):
    detect = BlazeFace()
    for name, expected in (("single_face", 1), ("no_face", 0)):
        video = cv2.VideoCapture(str(shared / f"data/videos/{name}.mp4"))
        counts = []
        while True:
            more, frame = video.read()
            if not more:
                break
            counts.append(len(detect(np.ascontiguousarray(frame[..., ::-1]))))
        assert len(counts) > 20
        assert set(counts) == {expected}
