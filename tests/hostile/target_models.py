"""Networks: behind their hashes, and with hashes that whoever made them has mended too."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from importlib.resources import files
from random import Random

import numpy as np
from basis import Target
from mutations import VALUES, mutate, spoil_document

from affectkit.preprocess import Preprocessing

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SIZE = 32
PREPROCESSING = Preprocessing(image_size=SIZE).to_dict()
CHECKPOINTS = files("affectkit") / "assets" / "checkpoints"


def sha256(content: bytes) -> str:
    """Give the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def make_onnx() -> bytes:
    """Make a network of two layers for ONNX."""
    from onnx import TensorProto, helper

    random = np.random.default_rng(0)
    weights = random.normal(size=(3, 8)).astype(np.float32)
    face = helper.make_tensor_value_info("face", TensorProto.FLOAT, ["batch", SIZE, SIZE, 3])
    answer = helper.make_tensor_value_info("expression", TensorProto.FLOAT, ["batch", 8])
    nodes = [
        helper.make_node("ReduceMean", ["face"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["expression"], axis=1),
    ]
    tensor = helper.make_tensor("weights", TensorProto.FLOAT, (3, 8), weights.ravel())
    graph = helper.make_graph(nodes, "network", [face], [answer], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def make_keras() -> object:
    """Make a network of three layers for Keras."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    backbone = keras.Model(inputs, features, name="backbone")
    faces = keras.Input((SIZE, SIZE, 3), name="face")
    return keras.Model(faces, keras.layers.Dense(8, activation="softmax")(backbone(faces)))


def make_card(file: str, content: bytes) -> dict:
    """Make the card of a TFLite file that answers with expressions."""
    return {
        "card_version": 2,
        "name": "hostile",
        "files": {"tflite-int8": [{"name": file, "sha256": sha256(content)}]},
        "preprocessing": PREPROCESSING,
        "temperature": 1.0,
        "outputs": {"expression": {}},
    }


class Behind(Target):
    """A file whose manifest or card was not touched: refused before a runtime sees it."""

    def make_seeds(self) -> list[bytes]:
        self.valid = self.network()
        self.hashes = {sha256(self.valid)}
        return [self.valid]

    def network(self) -> bytes:
        raise NotImplementedError

    def make(self, random: Random) -> bytes:
        content = mutate(random, self.valid)
        self.put(content)
        return content

    def read(self) -> None:
        path = self.check()
        assert path.resolve() == self.path.resolve()
        assert self.path.read_bytes() == self.valid


class BehindManifest(Behind):
    """Any format of `affectkit export`; ONNX stands for them, as all are read by one function."""

    file = "hostile.int8.tflite"

    def network(self) -> bytes:
        content = (CHECKPOINTS / "affectkit-synthetic.int8.tflite").read_bytes()[:50_000]
        manifest = make_card(self.file, content)
        self.path.with_name("hostile.tflite-int8.json").write_text(json.dumps(manifest))
        return content

    def check(self) -> object:
        from affectkit.models import find_model

        return find_model(self.path).path


class BehindCard(Behind):
    """The TFLite file of a checkpoint."""

    file = "hostile.int8.tflite"

    def network(self) -> bytes:
        content = (CHECKPOINTS / "affectkit-synthetic.int8.tflite").read_bytes()[:50_000]
        card = make_card(self.file, content)
        card["files"]["tflite-float16"] = [{"name": "absent", "sha256": ""}]
        self.path.with_name("hostile.json").write_text(json.dumps(card))
        return content

    def check(self) -> object:
        from affectkit.models import find_model

        return find_model(self.path).path


class BehindKerasCard(Behind):
    """A .keras file."""

    file = "hostile.keras"

    def network(self) -> bytes:
        from affectkit.models import save_model

        save_model(make_keras(), self.path, Preprocessing(image_size=SIZE))
        return self.path.read_bytes()

    def check(self) -> object:
        from affectkit.models import open_model

        open_model(self.path)
        return self.path


class Exposed(Target):
    """A file that nothing vouches for: it runs and answers, or it is refused."""

    format = ""

    def read(self) -> None:
        from affectkit.models.runtimes import load_network

        network = load_network(self.path, self.format)
        faces = np.zeros((2, network.image_size, network.image_size, 3), np.float32)
        answers = network(faces)
        assert {name: answer.shape for name, answer in answers.items()} == {
            name: (2, units) for name, units in network.outputs.items()
        }
        assert set(network.outputs.items()) <= {("expression", 8), ("valence_arousal", 2)}


class TFLite(Exposed):
    file, format = "hostile.int8.tflite", "tflite-int8"

    def make_seeds(self) -> list[bytes]:
        return [(CHECKPOINTS / "affectkit-synthetic.int8.tflite").read_bytes()]

    def make(self, random: Random) -> bytes:
        content = bytearray(self.seeds[0])
        if random.random() < 0.3:
            content = bytearray(mutate(random, bytes(content)))
        else:  # the tables are at the start and the end, the weights between
            for _ in range(random.choice((1, 2, 4, 16))):
                near = random.randrange(4096), len(content) - 1 - random.randrange(100_000)
                content[random.choice(near)] ^= 1 << random.randrange(8)
        self.put(bytes(content))
        return bytes(content)


class Onnx(Exposed):
    file, format = "hostile.onnx", "onnx"
    tokens = (b"../../outside", b"/etc/passwd", b"location", b"Loop", b"If", b"ai.onnx.ml")

    def make_seeds(self) -> list[bytes]:
        return [make_onnx()]


def make_graph() -> object:
    """Make a frozen graph of two layers."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        face = tf.compat.v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), name="face")
        mean = tf.raw_ops.Mean(input=face, axis=[1, 2])
        weights = tf.constant(np.ones((3, 8), np.float32))
        tf.raw_ops.Softmax(logits=tf.raw_ops.MatMul(a=mean, b=weights), name="expression")
    return graph.as_graph_def()


class FrozenGraph(Exposed):
    file, format = "hostile.pb", "frozen-graph"
    tokens = (b"ReadFile", b"WriteFile", b"PyFunc", b"PrintV2", b"ImmutableConst", b"Mean")

    def make_seeds(self) -> list[bytes]:
        return [make_graph().SerializeToString()]


class SavedModel(Exposed):
    file, format = "hostile.saved-model/saved_model.pb", "saved-model"
    tokens = (*FrozenGraph.tokens, b"resource", b"_tf_keras_model", b"asset")

    def make_seeds(self) -> list[bytes]:
        import tensorflow as tf

        folder = self.path.parent
        shutil.rmtree(folder)
        module = tf.Module()
        module.weights = [tf.Variable(np.ones((3, 8), np.float32))]
        spec = tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="face")

        def answer(face: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = tf.matmul(tf.reduce_mean(face, axis=[1, 2]), module.weights[0])
            return {"expression": tf.nn.softmax(logits)}

        module.answer = tf.function(answer, input_signature=[spec])
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
        self.name = folder.name
        content = self.path.read_bytes()
        self.path = folder / "saved_model.pb"
        return [content]

    def read(self) -> None:
        path, self.path = self.path, self.path.parent
        try:
            super().read()
        finally:
            self.path = path


class Keras(Target):
    """A .keras file whose card was mended: spoilt inside its members, or as bytes."""

    file = "hostile.keras"

    def make_seeds(self) -> list[bytes]:
        from affectkit.models import save_model

        save_model(make_keras(), self.path, Preprocessing(image_size=SIZE))
        self.card = json.loads(self.path.with_suffix(".json").read_text())
        content = self.path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            self.members = {name: file.read(name) for name in file.namelist()}
        return [content]

    def put(self, content: bytes) -> None:
        super().put(content)
        self.card["files"]["keras"][0]["sha256"] = sha256(content)
        self.path.with_suffix(".json").write_text(json.dumps(self.card))

    def make(self, random: Random) -> bytes:
        if random.random() < 0.2:
            return super().make(random)
        members = dict(self.members)
        kind = random.randrange(6)
        if kind < 3:
            config = json.loads(members["config.json"])
            if kind == 0:
                _plant(random, config)
            members["config.json"] = (
                json.dumps(config).encode() if kind == 0 else spoil_document(random, config)
            )
        elif kind < 5:
            members["model.weights.h5"] = mutate(random, members["model.weights.h5"])
        else:
            members[random.choice(("../x", "assets/x.pkl", "/x", "model.pkl"))] = b"cos\nsystem\n"
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", random.choice((0, 8))) as file:
            for name, content in members.items():
                file.writestr(name, content)
        self.put(stream.getvalue())
        return stream.getvalue()

    def read(self) -> None:
        from affectkit.models import open_model

        loaded = open_model(self.path)
        faces = np.zeros((1, SIZE, SIZE, 3), np.float32)
        assert loaded.model(faces, training=False).shape in ((1, 8), (1, 2))


LURES = (
    {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "x"}},
    {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp"}},
    {
        "module": "keras.layers",
        "class_name": "StringLookup",
        "config": {"vocabulary": "/etc/passwd"},
    },
    {"module": "os", "class_name": "system", "config": {"command": "touch owned"}},
    {"module": "builtins", "class_name": "function", "config": "exec"},
    {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {"origin": "x"}},
    {"module": "keras.layers", "class_name": "Dense", "config": {"units": 10**9}},
    {"module": "keras.layers", "class_name": "Custom", "registered_name": "pkg>Custom"},
    {"module": "affectkit.models.build", "class_name": "build_classifier", "config": {}},
    {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    {"class_name": "function", "config": "subprocess.run"},
)


def _plant(random: Random, config: dict) -> None:
    """Put something that acts where a layer stands, or a strange value into a layer."""
    layers = [layer for layer in config["config"]["layers"] if "config" in layer]
    layer = random.choice(layers)
    if random.random() < 0.6:
        lure = random.choice(LURES)
        layer.update(lure | {"config": lure.get("config", layer["config"])})
    else:
        name = random.choice(list(layer["config"]))
        layer["config"][name] = random.choice((*LURES, *VALUES[:20]))


class Weights(Target):
    """A .weights.h5 file."""

    file = "hostile.weights.h5"
    tokens = (b"HEAP", b"TREE", b"SNOD", b"/etc/passwd", b"OHDR", b"../x.h5")

    def make_seeds(self) -> list[bytes]:
        self.model = make_keras()
        self.model.save_weights(self.path)
        return [self.path.read_bytes()]

    def read(self) -> None:
        from affectkit.models.guards import check_weights_file

        check_weights_file(self.path)


TARGETS = {
    "hashed-manifest": BehindManifest,
    "hashed-card": BehindCard,
    "hashed-keras": BehindKerasCard,
    "tflite": TFLite,
    "onnx": Onnx,
    "frozen-graph": FrozenGraph,
    "saved-model": SavedModel,
    "keras": Keras,
    "weights-h5": Weights,
}
