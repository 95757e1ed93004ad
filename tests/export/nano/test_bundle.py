"""What is in a Nano's bundle."""

import hashlib
import shutil

import numpy as np
import pytest

from affectkit.data import load_table, read_face
from affectkit.export import read_description, write_bundle
from affectkit.models import open_model
from affectkit.preprocess import crop_face, scale_pixels


def test_the_command_tells_nodes_and_size(written):
    folder, output = written
    assert "classifier: 24 nodes" in output
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert f"course.nano ({total / 1e6:.1f} MB)" in output


def test_description(bundle):
    description = read_description(bundle)
    assert sorted(description["networks"]) == ["classifier", "regressor"]
    classifier = description["networks"]["classifier"]
    assert classifier["input"] == {
        "name": "face:0",
        "shape": [1, 32, 32, 3],
        "dtype": "float32",
    }
    assert classifier["outputs"]["expression"]["shape"] == [1, 8]
    assert classifier["outputs"]["expression"]["labels"][:2] == ["Neutral", "Happy"]
    assert description["preprocessing"]["crop_margin"] == 0.05
    assert description["preprocessing"]["scaling"] == "x / 127.5 - 1"
    assert description["labels"][-1] == "Contempt"
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert {entry["name"] for entry in description["files"]} == files - {"bundle.json"}
    for entry in description["files"]:
        content = (bundle / entry["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            entry["bytes"],
            entry["sha256"],
        )


def test_golden_faces_are_faces_with_keras_answers(bundle, course):
    table = load_table("affectfaces", split="test", limit=16)
    preprocessing = open_model(course / "models" / "classifier.keras").preprocessing
    faces = np.stack([read_face(record, preprocessing) for record in table.itertuples()])
    with np.load(bundle / "golden.npz") as golden:
        np.testing.assert_array_equal(golden["faces"], faces)
        for name, output in (("classifier", "expression"), ("regressor", "valence_arousal")):
            model = open_model(course / "models" / f"{name}.keras").model
            expected = model(scale_pixels(faces.astype(np.float32)), training=False)
            np.testing.assert_allclose(golden[output], expected, atol=1e-5)
        for box, crop in zip(golden["boxes"], golden["crops"], strict=True):
            np.testing.assert_array_equal(crop_face(golden["picture"], box, preprocessing), crop)
        lefts, tops = golden["boxes"][:, 0], golden["boxes"][:, 1]
        assert (np.minimum(lefts, tops) < 0).any()  # beyond the edge


@pytest.mark.slow
def test_one_network_with_two_heads_is_one_graph(real_bundle):
    description = read_description(real_bundle)
    (network,) = description["networks"].values()
    assert sorted(network["outputs"]) == ["expression", "valence_arousal"]
    assert network["nodes"] == 310
    assert network["operations"]["Relu6"] == network["operations"]["Conv2D"] == 35
    assert network["operations"]["DepthwiseConv2dNative"] == 17
    assert not network["operations"].keys() & {"FusedBatchNormV3", "DisableCopyOnRead"}
    verified = description["verification"]["affect"]
    assert sorted(verified) == ["onnx", "onnx_float16", "saved_model", "tflite"]
    for form, result in verified.items():
        for differences in result["outputs"].values():
            most = differences["maximum_difference"]
            assert most < (1e-2 if form == "onnx_float16" else 1e-4)


@pytest.mark.slow
def test_the_whole_bundle_is_under_20_megabytes(real_bundle):
    assert sum(path.stat().st_size for path in real_bundle.rglob("*") if path.is_file()) < 20e6


@pytest.mark.slow
@pytest.mark.needs_shared
def test_golden_faces_may_be_photographs(course, tmp_path, shared):
    pictures = tmp_path / "portraits"
    pictures.mkdir()
    for path in sorted((shared / "data" / "london_faces").glob("*.jpg"))[:3]:
        shutil.copy(path, pictures)
    folder = write_bundle(course / "models" / "classifier.keras", tmp_path, pictures)
    assert sorted(read_description(folder)["networks"]) == ["classifier"]
    assert read_description(folder)["golden"] == {"faces": 3, "source": "pictures in portraits"}


# The scripts
