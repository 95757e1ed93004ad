"""The course that is exported, whose networks are small and tell faces apart well; its exports."""

import json
from pathlib import Path

import keras
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge

from affectkit.data import load_faces, load_table
from affectkit.export import export_model
from affectkit.models import build_regressor, get_backbone, save_model
from affectkit.models.cards import SUFFIXES
from affectkit.preprocess import Preprocessing, scale_pixels

PREPROCESSING = Preprocessing(32, crop_margin=0.05, grey=True)


def small_backbone():
    """MobileNet's layers, few of them: converted in a moment."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3))
    layers = inputs
    for filters in (16, 32, 64):
        layers = keras.layers.Conv2D(filters, 3, 2, "same", use_bias=False)(layers)
        layers = keras.layers.BatchNormalization()(layers)
        layers = keras.layers.ReLU(6.0)(layers)
        layers = keras.layers.DepthwiseConv2D(3, padding="same")(layers)
    pooled = keras.layers.GlobalAveragePooling2D()(layers)
    return keras.Model(inputs, pooled, name="backbone")


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """A course's run folder: two networks on one backbone, whose heads tell faces apart well."""
    folder = tmp_path_factory.mktemp("runs") / "course"
    faces = keras.Input((32, 32, 3), name="face")
    head = keras.layers.Dense(8, "softmax", name="expression")
    classifier = keras.Model(faces, head(small_backbone()(faces)))
    regressor = build_regressor(classifier)
    pixels, _ = load_faces(load_table("affectfaces", split="train", limit=400), PREPROCESSING)
    features = get_backbone(classifier).predict(scale_pixels(pixels.astype("float32")), verbose=0)
    scale = features.std()
    groups = KMeans(8, n_init=1, random_state=0).fit_predict(features)
    expressions = LogisticRegression(C=0.3, max_iter=1000).fit(features / scale, groups)
    affect = Ridge(0.1).fit(features / scale, PCA(2, whiten=True).fit_transform(features) / 2)
    for name, fitted, model in (
        ("classifier", expressions, classifier),
        ("regressor", affect, regressor),
    ):
        model.layers[-1].set_weights([fitted.coef_.T / scale, fitted.intercept_])
        path, facts = folder / "models" / f"{name}.keras", {"dataset": "affectfaces"}
        save_model(model, path, PREPROCESSING, facts, 1.5 if name == "classifier" else 1.0)
    return folder


@pytest.fixture(scope="session")
def exports(course, tmp_path_factory):
    """The manifest of the course's networks in each format."""
    output = tmp_path_factory.mktemp("exports")
    return {name: export_model(course, name, output) for name in SUFFIXES}


@pytest.fixture(scope="session")
def tensorrt_problems():
    """Tell what in an ONNX model a version of TensorRT does not take, by NVIDIA's lists."""
    from onnx import TensorProto, numpy_helper

    listed = json.loads((Path(__file__).parent / "tensorrt.json").read_text("utf-8"))

    def find(model, version):
        known = listed[version]
        oldest, newest = known["opsets"]
        operators = set(" ".join(known["operators"]).split())
        problems = [
            f"opset {one.version}"
            for one in model.opset_import
            if not one.domain and not oldest <= one.version <= newest
        ]
        weights = {one.name: one for one in model.graph.initializer}
        types = {TensorProto.DataType.Name(one.data_type) for one in weights.values()}
        problems += sorted(types - set(known["weights"]))
        for node in model.graph.node:
            if node.domain or node.op_type not in operators:
                problems.append(f"{node.domain}{node.op_type}")
            elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                value, *rest = (weights.get(name) for name in node.input)
                if None in rest or numpy_helper.to_array(rest[-1]).any():
                    problems.append(f"{node.op_type} with a zero point")
                elif value is not None and value.data_type != TensorProto.INT8:
                    problems.append(
                        f"{node.op_type} of {TensorProto.DataType.Name(value.data_type)}"
                    )
        return sorted(set(problems))

    return find
