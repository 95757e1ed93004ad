"""Whatever way a face takes, the network gets the same pixels: within one grey level."""

import dataclasses
import importlib
import importlib.util
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from affectkit.data import load_faces, make_batches, make_table
from affectkit.data.shards.batches import decode_faces
from affectkit.export.nano.sources import script_sources
from affectkit.faces import render_face
from affectkit.models import Model, predict_table
from affectkit.pipeline import AffectPipeline, Face, process_video, read_video, run_camera
from affectkit.pipeline.predict.task import FileTask, predict_file
from affectkit.preprocess import Preprocessing, face_input
from affectkit.training.augmentation import with_augmentation
from affectkit.widgets.frame_processor import FrameProcessor

BOX = (41.0, 33.0, 101.0, 101.0)
GREY_LEVEL = 1 / 127.5
BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


class Recorder:
    """A network that keeps what it was given."""

    outputs = ("expression",)
    inputs = None

    def __call__(self, faces):
        self.inputs = np.array(faces)
        return {"expression": np.full((len(faces), 8), 1 / 8, np.float32)}


@pytest.fixture(scope="module", params=[False, True], ids=["colour", "grey"])
def preprocessing(request):
    return Preprocessing(image_size=96, crop_margin=0.1, grey=request.param)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A drawn face with red on one side: RGB, and the same in a file."""
    image = render_face(3, 176)[0].copy()
    image[:, :40] = (200, 30, 10)
    path = tmp_path_factory.mktemp("pictures") / "face.png"
    cv2.imwrite(str(path), image[..., ::-1])
    return image, path


@pytest.fixture(scope="module")
def clip(picture):
    """The picture as a lossless video of one frame."""
    path = picture[1].with_suffix(".avi")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"FFV1"), 25,
                             (176, 176))  # fmt: skip
    writer.write(np.ascontiguousarray(picture[0][..., ::-1]))
    writer.release()
    return path


@pytest.fixture
def pipeline(preprocessing):
    """A pipeline that finds the face at BOX and gives it to a recorder."""
    made = AffectPipeline(
        "affectkit-synthetic-int8", lambda image: [Face(BOX, 0.9, ((70.0, 75.0), (110.0, 75.0)))]
    )
    made.model = dataclasses.replace(made.model, networks=[Recorder()], preprocessing=preprocessing)
    return made


def recorded(pipeline):
    return pipeline.model.networks[0].inputs


def table_of(path):
    table = make_table({"image_id": ["a"], "split": ["test"], "path": [str(path)]}, "one")
    table[["face_x", "face_y", "face_width", "face_height"]] = BOX
    return table


def identity(size):
    inputs = keras.Input((size, size, 3))
    return keras.Model(inputs, keras.layers.Identity()(inputs))


def test_every_way_to_a_network_gives_the_same_pixels(
    picture, clip, pipeline, preprocessing, tmp_path, monkeypatch
):
    image, path = picture
    ways, size = {}, preprocessing.image_size

    faces, table = load_faces(table_of(path), preprocessing)
    for name, kept in {"training": faces, "training, streamed": None}.items():
        (batch,) = make_batches(table, kept, preprocessing).as_numpy_iterator()
        ways[name] = with_augmentation(identity(size), "none")(batch[0].astype(np.float32))
    record = {
        "image": tf.constant([path.read_bytes()]),
        "box": tf.constant([np.array(BOX).tobytes()]),
    }
    shard, _ = decode_faces(record, preprocessing)
    ways["training from shards"] = with_augmentation(identity(size), "none")(
        tf.cast(shard, tf.float32)
    )
    loaded = Model.of_keras(identity(size), preprocessing)
    ways["evaluation"] = predict_table(loaded, table_of(path))[0]

    assert predict_file(FileTask(path, "face"), pipeline).error is None
    ways["pictures"] = recorded(pipeline)
    process_video(pipeline, clip)
    ways["video"] = recorded(pipeline)
    run_camera(pipeline, read_video(clip))
    ways["camera loop"] = recorded(pipeline)
    found, _ = FrameProcessor(pipeline, None).process(image, 0.0, 0)
    assert found is not None
    ways["webcam widget"] = recorded(pipeline)
    ways["nano"] = nano_input(image, preprocessing, tmp_path, monkeypatch)
    ways["benchmark of throughput"] = server_input(faces, preprocessing, monkeypatch)

    expected = face_input(image, [BOX], preprocessing)
    assert expected.std() > 0.1
    for name, found in ways.items():
        found = np.asarray(found).reshape(expected.shape)
        difference = np.abs(found - expected).max() / GREY_LEVEL
        assert difference <= 1, f"{name}: {difference:.2f} grey levels"


def nano_input(image, preprocessing, folder, monkeypatch):
    """What the script on the Nano gives its networks, for a frame of its camera."""
    sources = script_sources()
    for name, source in sources.items():
        (folder / name).write_text(source)
    names = [name.removesuffix(".py") for name in sources]
    monkeypatch.syspath_prepend(folder)
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    infer, timing = importlib.import_module("infer"), importlib.import_module("timing")
    network, cascade = Recorder(), Cascade()
    own = infer.Preprocessing(**preprocessing.to_dict())
    description = {"temperature": 1.0, "labels": [str(number) for number in range(8)]}
    stages = timing.Stages()
    stages.start_frame()
    frame = np.ascontiguousarray(image[..., ::-1])
    infer.read_frame(frame, cascade, [("classify", network)], own, description, stages)
    for name in names:
        sys.modules.pop(name, None)
    return network.inputs


class Cascade:
    """Finds the face at BOX, as OpenCV's cascade would."""

    def detectMultiScale(self, *_, **__):  # noqa: N802
        return np.array([BOX], int)


def server_input(faces, preprocessing, monkeypatch):
    """What benchmarks/throughput.py gives its networks."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("throughput", BENCHMARKS / "throughput.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = Recorder()
    module.Server(Model("recorder", (network,), preprocessing))(faces)
    return network.inputs
