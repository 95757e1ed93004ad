"""Detectors: near, far, small, several, none; one interface."""

import cv2
import numpy as np
import pytest

from affectkit.data import read_image
from affectkit.pipeline import Face, load_detector
from affectkit.pipeline.detect.blazeface import BlazeFace
from affectkit.pipeline.detect.detectors import DETECTORS, TILE, tiles
from affectkit.pipeline.detect.face import intersection_over_union, keep_distinct
from affectkit.pipeline.detect.opencv import YuNet


def face(x, y, side, score=0.9):
    return Face((x, y, side, side), score, (x, y, x + side, y))


@pytest.fixture(scope="module")
def portraits(shared):
    """Every fifth portrait with the square round its face, from BlazeFace near."""
    near = BlazeFace()
    images = [read_image(path) for path in sorted((shared / "data/london_faces").glob("*.jpg"))]
    return [(image, near(image)[0].box) for image in images[::5]]


def paste(portraits, places, width=640, height=480):
    """Put portraits on an empty picture, each (x, y, side of the face); gives it and the boxes."""
    scene, boxes = np.full((height, width, 3), 128, np.uint8), []
    for (image, (left, top, side, _)), (x, y, wanted) in zip(portraits, places, strict=False):
        scale = wanted / side
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = small[: height - y, : width - x]
        scene[y : y + len(small), x : x + small.shape[1]] = small
        boxes.append((x + left * scale, y + top * scale, wanted, wanted))
    return scene, boxes


def found(faces, boxes):
    return [any(intersection_over_union(one.box, box) > 0.4 for one in faces) for box in boxes]


def test_of_what_was_found_twice_the_first_stays():
    first, again, other, inside = (
        face(0, 0, 100),
        face(20, 10, 100),
        face(300, 0, 200),
        face(5, 5, 30),
    )
    assert keep_distinct([first, again, other, inside]) == [other, first]
    assert keep_distinct([again, first]) == [again]
    # squares of 100 that share 40 x 100, two fifths of one: not more, so both stay
    assert keep_distinct([first, face(60, 0, 100)]) == [first, face(60, 0, 100)]
    assert keep_distinct([]) == []


def test_tiles_cover_the_image_and_overlap():
    assert tiles(320, 240) == []
    assert tiles(640, 360) == [
        (left, top, TILE) for top in (0, 40) for left in (0, 160, 320)
    ]  # (640 - 320) / (0.75 * 320) = 1.33: three columns
    for width, height in ((641, 480), (3000, 200), (4000, 3000)):
        covered = np.zeros((height, width), int)
        for left, top, side in tiles(width, height):
            assert 0 <= left < width
            assert 0 <= top < height
            covered[top : top + side, left : left + side] += 1
        assert covered.min() >= 1
        assert len(tiles(width, height)) <= 64


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "side", "share"),
    [
        ("blazeface-near", 160, 1.0),
        ("blazeface", 64, 1.0),
        ("blazeface", 200, 1.0),
        ("blazeface", 400, 0.8),
        ("blazeface-all", 64, 1.0),
        ("blazeface-all", 200, 1.0),
        ("blazeface-tiled", 24, 0.8),
        ("blazeface-tiled", 32, 1.0),
        ("blazeface-tiled", 300, 1.0),
        ("haar", 120, 0.8),
    ],
)
def test_faces_of_each_size_are_found_once(portraits, name, side, share):
    detect = load_detector(name)
    hits = []
    for number, portrait in enumerate(portraits):
        room = max(1, int(480 - 2.2 * side))
        scene, boxes = paste([portrait], [(17 * number % room, 31 * number % room, side)])
        faces = detect(scene)
        assert len(faces) <= 1
        hits += found(faces, boxes)
    assert np.mean(hits) >= share


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["blazeface-all", "blazeface-tiled"])
def test_several_faces_near_and_far_are_found(portraits, name):
    scene, boxes = paste(portraits, [(0, 0, 200), (440, 10, 70), (480, 260, 60), (300, 300, 64)])
    faces = load_detector(name)(scene)
    assert found(faces, boxes) == [True] * 4
    assert len(faces) == 4
    assert [one.box[2] for one in faces] == sorted((one.box[2] for one in faces), reverse=True)


@pytest.mark.needs_shared
def test_far_faces_are_looked_for_where_there_is_no_near_one(portraits):
    far, boxes = paste(portraits[:2], [(20, 20, 64), (400, 250, 70)])
    both, near = paste(portraits[2:3], [(160, 20, 200)])
    detect = load_detector("blazeface")
    assert found(detect(far), boxes) == [True, True]
    assert found(detect(both), near) == [True]
    assert detect(both)[0].box == BlazeFace()(both)[0].box


@pytest.mark.needs_shared
def test_yunet_frames_faces_like_blazeface(shared, portraits):
    model = shared / "models/face_detection_yunet_2026may.onnx"
    detect = load_detector(str(model))
    for image, box in portraits:
        (one,) = detect(image)
        np.testing.assert_allclose(one.box, box, atol=0.12 * box[2])


@pytest.mark.needs_shared
def test_yunet_gives_the_landmarks_of_the_likeliest_face(shared, portraits):
    detect = YuNet(shared / "models/face_detection_yunet_2026may.onnx")
    for image, box in portraits:
        left, right, nose, *mouth = detect.find_landmarks(image)
        np.testing.assert_allclose((*left, *right), detect(image)[0].eyes)
        assert left[0] < nose[0] < right[0]
        assert mouth[0][0] < nose[0] < mouth[1][0]
        for corner in mouth:
            assert nose[1] < corner[1] < box[1] + box[3]
    assert detect.find_landmarks(np.zeros((64, 64, 3), np.uint8)) is None


@pytest.mark.needs_shared
def test_a_clip_without_faces_has_none(shared):
    detect = load_detector("blazeface-all")
    video = cv2.VideoCapture(str(shared / "data/videos/no_face.mp4"))
    counts = []
    while (read := video.read())[0]:
        counts.append(len(detect(np.ascontiguousarray(read[1][..., ::-1]))))
    assert len(counts) > 90
    assert set(counts) == {0}


def test_what_is_no_image_or_detector_is_refused(tmp_path):
    for name in DETECTORS:
        with pytest.raises(ValueError, match="expected a uint8 image of shape"):
            load_detector(name)(np.zeros((8, 8), np.uint8))
        assert load_detector(name)(np.zeros((20, 400, 3), np.uint8)) == []
    with pytest.raises(ValueError, match="expected a detector of blazeface, .*got 'mtcnn'"):
        load_detector("mtcnn")
    with pytest.raises(FileNotFoundError, match="check the path"):
        load_detector(str(tmp_path / "yunet.onnx"))
    (tmp_path / "broken.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="can't be loaded as YuNet"):
        load_detector(str(tmp_path / "broken.onnx"))
