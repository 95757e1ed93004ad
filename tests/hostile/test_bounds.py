"""Bombs, pipes, lists of other files, bait in models: what one good file of its kind can do."""

import io
import json
import os
import struct
import threading
import time
import zipfile
import zlib
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from PIL import Image

from affectkit.data import read_image
from affectkit.data.images import load_container
from affectkit.files import ImageReadError
from affectkit.pipeline import read_video
from affectkit.pipeline.predict.inputs import find_inputs
from affectkit.pipeline.predict.task import warn_if_animated


@contextmanager
def at_most(seconds):
    """Fail where something takes longer, also if it waits for ever."""
    start = time.monotonic()
    timer = threading.Timer(10 * seconds, lambda: os._exit(99))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    assert time.monotonic() - start < seconds


def png(width, height, data=b""):
    """A PNG that claims a size, and holds some data."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (9000, 9000, "9000 x 9000 pixels in [0-9]+ bytes"),  # 81 megapixels in a few bytes
        (12_000, 12_000, "12000 x 12000 pixels; the limit is 100000000"),
        (2**31 - 1, 2**31 - 1, "can't be read as an image"),
        (0, 10, "can't be read as an image"),
    ],
)
def test_a_picture_that_claims_more_than_its_bytes_hold(tmp_path, width, height, message):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, zlib.compress(bytes(1000))))
    with at_most(20), pytest.raises(ImageReadError, match=message):
        read_image(path)


def test_a_bomb_with_all_its_pixels_ends_at_the_limit(tmp_path):
    path = tmp_path / "bomb.png"
    rows = zlib.compressobj(9)
    line = bytes(1 + 3 * 9000)
    content = b"".join(rows.compress(line) for _ in range(9000)) + rows.flush()
    path.write_bytes(png(9000, 9000, content))
    with at_most(60):
        assert read_image(path).shape == (9000, 9000, 3)  # the most that a bomb gets: 243 MB


def test_formats_that_start_programs_or_read_other_files_are_no_pictures(tmp_path):
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (tmp_path / "face.jpg").write_bytes(eps)
    with Image.open(tmp_path / "face.jpg") as image:
        assert image.format == "EPS"  # Pillow would call Ghostscript
    with pytest.raises(ImageReadError, match="PostScript, which is not read here"):
        read_image(tmp_path / "face.jpg")


@pytest.mark.parametrize("name", ["face.png", "clip.mp4", "labels.csv", "train.npz"])
def test_a_pipe_is_no_file(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with at_most(20):
        found = find_inputs([tmp_path, tmp_path / name])
        assert len(found.files) <= 1
        assert not found.missing
        for file in found.files:
            warn_if_animated(file.path)
        with pytest.raises((ValueError, OSError), match=name):
            read_image(tmp_path / name)
        with pytest.raises((ValueError, OSError), match=name):
            list(read_video(tmp_path / name))


def test_a_device_is_no_picture(tmp_path):
    (tmp_path / "face.jpg").symlink_to("/dev/zero")
    with at_most(20), pytest.raises(ImageReadError, match=r"face\.jpg .* device"):
        read_image(tmp_path / "face.jpg")


def short_video(path):
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (64, 48)
    )
    for number in range(4):
        writer.write(np.full((48, 64, 3), 50 * number, np.uint8))
    writer.release()


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile private.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nprivate.mp4\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["concat", "playlist", "address", "stream"],
)
def test_a_video_does_not_lead_to_other_files_or_addresses(tmp_path, text):
    short_video(tmp_path / "private.mp4")
    assert len(list(read_video(tmp_path / "private.mp4"))) == 4
    (tmp_path / "clip.mp4").write_text(text)
    with at_most(20), pytest.raises(ValueError, match=r"clip\.mp4 can't be read as a video"):
        list(read_video(tmp_path / "clip.mp4"))


def npy_header(shape, dtype="|u1"):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("size", [(300, 1024, 1024), (10**6, 10**3, 10**3), (2**40, 2**40, 1)])
def test_an_archive_that_unpacks_to_far_more_is_refused_unread(tmp_path, size):
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w") as member,
    ):
        member.write(npy_header(size))
        for _ in range(300 if size[0] == 300 else 1):
            member.write(bytes(1 << 20))
    load_container.cache_clear()
    with at_most(20), pytest.raises(ImageReadError, match=r"bomb\.npz is not a container"):
        read_image(path, 0)


def test_objects_in_arrays_are_never_made(tmp_path):
    marker = tmp_path / "owned"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    stream = io.BytesIO()
    np.save(stream, np.array([Evil()], object), allow_pickle=True)
    for name in ("images.npz", "train.npz"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("images.npy", stream.getvalue())
        load_container.cache_clear()
        with pytest.raises(ImageReadError, match="another kind of data"):
            read_image(tmp_path / name, 0)
    assert not marker.exists()


def write_manifest(folder, format, files):
    path = folder / f"net.{format}.json"
    content = {
        "card_version": 2,
        "name": "net",
        "preprocessing": {"image_size": 32, "crop_margin": 0.0},
        "temperature": 1.0,
        "outputs": {"expression": {}},
        "files": {format: files},
    }
    path.write_text(json.dumps(content))
    return path


def test_a_manifest_vouches_for_all_that_is_loaded_and_for_nothing_elsewhere(tmp_path):
    from affectkit.files import file_hash
    from affectkit.models import find_model

    folder = tmp_path / "model"
    folder.mkdir()
    for file in (tmp_path / "outside.onnx", folder / "net.onnx"):
        file.write_bytes(b"network")
    entry = {"name": "net.onnx", "sha256": file_hash(folder / "net.onnx")}
    assert find_model(write_manifest(folder, "onnx", [entry])).path.is_file()
    for files, message in (
        ([entry | {"name": "../outside.onnx"}], "names the file '../outside.onnx'"),
        ([entry | {"name": str(tmp_path / "outside.onnx")}], "names the file"),
        ([entry, {"name": "../outside.onnx", "sha256": "x"}], "names the file"),
        ([entry, {"name": "other.onnx", "sha256": "x"}], "no part of net.onnx"),
        ([], "files.onnx is .*at least 1 item"),
        ([entry | {"sha256": "0" * 64}], "SHA-256 differs"),
    ):
        with pytest.raises(ValueError, match=message):
            find_model(write_manifest(folder, "onnx", files))
    saved = folder / "net.saved-model"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"graph")
    (saved / "variables" / "variables.index").write_bytes(b"not listed")
    listed = {
        "name": "net.saved-model/saved_model.pb",
        "sha256": file_hash(saved / "saved_model.pb"),
    }
    manifest = write_manifest(folder, "saved-model", [listed])
    with pytest.raises(ValueError, match=r"variables\.index is not among the files"):
        find_model(manifest)


def test_a_tflite_file_without_manifest_or_card_is_refused(tmp_path):
    from affectkit.models import open_model

    (tmp_path / "net.int8.tflite").write_bytes(b"TFL3")
    (tmp_path / "net.tflite").write_bytes(b"TFL3")
    with pytest.raises(FileNotFoundError, match=r"net\.tflite-int8\.json is missing"):
        open_model(tmp_path / "net.int8.tflite")
    with pytest.raises(FileNotFoundError, match="with the card beside it"):
        open_model(tmp_path / "net.tflite")


def test_onnx_weights_in_other_files_are_not_read(tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from affectkit.models import OnnxNetwork

    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(np.ones((3, 8), np.float32).tobytes())
    face = helper.make_tensor_value_info("face", TensorProto.FLOAT, ["batch", 32, 32, 3])
    answer = helper.make_tensor_value_info("expression", TensorProto.FLOAT, ["batch", 8])
    nodes = [
        helper.make_node("ReduceMean", ["face"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["expression"]),
    ]
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=(3, 8))
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="secret.bin")
    graph = helper.make_graph(nodes, "network", [face], [answer], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert onnx.load(tmp_path / "net.onnx").graph.initializer[0].raw_data  # it would be there
    with pytest.raises(ValueError, match=r"net\.onnx is no ONNX model that runs here"):
        OnnxNetwork(tmp_path / "net.onnx")


def test_a_graph_that_reads_or_writes_files_is_refused(tmp_path):
    import tensorflow as tf

    from affectkit.models.runtimes import load_network

    with tf.Graph().as_default() as graph:
        face = tf.compat.v1.placeholder(tf.float32, (None, 32, 32, 3), name="face")
        mean = tf.raw_ops.Mean(input=face, axis=[1, 2])
        owned = tf.raw_ops.WriteFile(filename=str(tmp_path / "owned"), contents="x")
        with tf.control_dependencies([owned]):
            units = tf.raw_ops.MatMul(a=mean, b=tf.ones((3, 8)))
        tf.identity(units, name="expression")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(ValueError, match=r"net\.pb uses WriteFile"):
        load_network(tmp_path / "net.pb", "frozen-graph")
    module = tf.Module()
    spec = tf.TensorSpec((None, 32, 32, 3), tf.float32, name="face")

    def answer(face):
        tf.io.write_file(str(tmp_path / "owned"), "x")
        return {"expression": tf.matmul(tf.reduce_mean(face, (1, 2)), tf.ones((3, 8)))}

    module.answer = tf.function(answer, input_signature=[spec])
    tf.saved_model.save(module, tmp_path / "net", signatures={"serving_default": module.answer})
    with pytest.raises(ValueError, match="net uses WriteFile"):
        load_network(tmp_path / "net", "saved-model")
    table = tf.lookup.TextFileInitializer  # a resource that reads a file when it is loaded
    (tmp_path / "words").write_text("a\nb\n")
    columns = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    module.table = tf.lookup.StaticVocabularyTable(
        table(str(tmp_path / "words"), tf.string, columns[0], tf.int64, columns[1]), 1
    )
    module.answer = tf.function(
        lambda face: {"expression": tf.matmul(tf.reduce_mean(face, (1, 2)), tf.ones((3, 8)))},
        input_signature=[spec],
    )
    tf.saved_model.save(module, tmp_path / "two", signatures={"serving_default": module.answer})
    with pytest.raises(ValueError, match="two uses .*resource"):
        load_network(tmp_path / "two", "saved-model")
    assert not (tmp_path / "owned").exists()


def test_weights_that_lie_in_other_files_are_refused(tmp_path):
    import h5py

    from affectkit.models.guards import check_weights_file

    (tmp_path / "secret").write_bytes(bytes(400))
    with h5py.File(tmp_path / "external.weights.h5", "w") as file:
        file.create_dataset("a", (100,), "f4", external=[(str(tmp_path / "secret"), 0, 400)])
    with h5py.File(tmp_path / "link.weights.h5", "w") as file:
        file["a"] = h5py.ExternalLink("secret.h5", "/a")
    with h5py.File(tmp_path / "soft.weights.h5", "w") as file:
        file["a"] = h5py.SoftLink("/nowhere")
    with h5py.File(tmp_path / "bomb.weights.h5", "w") as file:
        file.create_dataset("a", (1 << 30,), "f4", chunks=(1 << 20,), compression="gzip")
    with h5py.File(tmp_path / "loop.weights.h5", "w") as file:
        file["group/back"] = file["/"]
    for name, message in (
        ("external", "lies in another file"),
        ("link", "lies elsewhere"),
        ("soft", "lies elsewhere"),
        ("bomb", "far more than its size"),
    ):
        with pytest.raises(ValueError, match=rf"{name}\.weights\.h5 .*{message}"):
            check_weights_file(tmp_path / f"{name}.weights.h5")
    with at_most(20):
        check_weights_file(tmp_path / "loop.weights.h5")


def test_start_weights_are_checked_before_they_are_loaded(tmp_path, monkeypatch):
    from affectkit.models import build as backbone

    copy = tmp_path / backbone.BUNDLED_WEIGHTS.name
    content = bytearray(backbone.BUNDLED_WEIGHTS.read_bytes())
    content[len(content) // 2] ^= 1  # a weight: HDF5 has no check sum of its own here
    copy.write_bytes(content)
    name = backbone.BUNDLED_WEIGHTS.name.replace(".weights.h5", ".sha256")
    (tmp_path / name).write_text(backbone.BUNDLED_WEIGHTS.with_name(name).read_text())
    monkeypatch.setattr(backbone, "BUNDLED_WEIGHTS", copy)
    with pytest.raises(ValueError, match=r"affectfaces_backbone\.weights\.h5 is damaged"):
        backbone.build_backbone(32, 0.35, "affectfaces", 0.9)
    (tmp_path / "other.weights.h5").write_bytes(bytes(content[:1000]))
    with pytest.raises(ValueError, match=r"other\.weights\.h5 is not a file of weights"):
        backbone.build_backbone(32, 0.35, tmp_path / "other.weights.h5", 0.9)
