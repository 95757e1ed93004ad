"""Read faces from a camera or a video on the device; expression, valence and arousal of each.

python3 infer.py -c 0                            a USB camera; -c csi: on the ribbon cable
python3 infer.py -v clip.mp4                     a video
python3 infer.py -v clip.mp4 --runtime tflite    without engines

Written are test_out.avi (the frames with boxes), test_out.csv (a row a face) and test_out.json
(milliseconds of each stage). Exit codes: 0, done; 2, refused, the message says why.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import cv2
import device
import numpy as np
import runtimes
from bundle import Bundle, RefusalError, add_bundle_option, run
from face_preprocessing import Preprocessing, crop_face, scale_pixels
from timing import Stages

CASCADE = "haarcascade_frontalface_default.xml"

CSI = (
    "nvarguscamerasrc ! video/x-raw(memory:NVMM), width=1280, height=720, framerate=30/1 "
    "! nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! video/x-raw, format=BGR "
    "! appsink drop=1 max-buffers=1"
)
"""GStreamer's pipeline for the camera on the ribbon cable; only the newest frame is kept."""


def open_source(options):
    """Open the camera or the video."""
    if options.camera == "csi":
        source, capture = "csi", cv2.VideoCapture(CSI, cv2.CAP_GSTREAMER)
    elif options.camera is not None:
        if not options.camera.isdigit():
            raise RefusalError("expected -c 0, 1, ... or csi, got -c {}".format(options.camera))
        source, capture = options.camera, cv2.VideoCapture(int(options.camera))
    else:
        source, capture = options.video, cv2.VideoCapture(options.video)
    if not capture.isOpened():
        raise RefusalError(
            "{} can't be opened: check that it is there and that no other program uses it; -c csi "
            "needs an OpenCV with GStreamer, as JetPack's is".format(source)
        )
    return capture


def find_faces(cascade, image):
    """Give the boxes of the faces in an image (uint8, RGB), the largest first."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    boxes = cascade.detectMultiScale(grey, 1.1, 5, minSize=(24, 24))
    return sorted((tuple(float(value) for value in box) for box in boxes), key=lambda box: -box[2])


def calibrate(probabilities, temperature):
    """Divide the logits by the temperature that bundle.json gives."""
    logits = np.log(np.maximum(np.asarray(probabilities, float), 1e-7)) / temperature
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def describe(answers, description):
    """Give expression, its probability, valence and arousal; None where no network says it."""
    row = {"expression": None, "probability": None, "valence": None, "arousal": None}
    if "expression" in answers:
        probabilities = calibrate(answers["expression"][0], description["temperature"])
        best = int(probabilities.argmax())
        row["expression"] = description["labels"][best]
        row["probability"] = float(probabilities[best])
    if "valence_arousal" in answers:
        row["valence"], row["arousal"] = (float(value) for value in answers["valence_arousal"][0])
    return row


def draw(frame, box, row):
    """Draw a face's box and answers into a frame (BGR)."""
    x, y, width, height = (int(value) for value in box)
    cv2.rectangle(frame, (x, y), (x + width, y + height), (0, 200, 0), 2)
    words = [row["expression"] or ""]
    if row["valence"] is not None:
        words.append("v {:+.2f} a {:+.2f}".format(row["valence"], row["arousal"]))
    place = (x, max(y - 6, 12))
    cv2.putText(frame, " ".join(words), place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 200, 0), 1)


def read_frame(frame, cascade, networks, preprocessing, description, stages):
    """Answer for every face of a frame (BGR) and draw it; gives a row a face.

    `networks` are pairs of the stage that a network's time is booked under, and the network.
    """
    image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    stages.lap("colour")
    boxes = find_faces(cascade, image)
    stages.lap("detect")
    rows = []
    for box in boxes:
        crop = crop_face(image, box, preprocessing)
        stages.lap("crop")
        face = scale_pixels(crop[None].astype(np.float32))
        stages.lap("preprocess")
        answers = {}
        for stage, network in networks:
            answers.update(network(face))
            stages.lap(stage)
        row = describe(answers, description)
        row.update(zip(("x", "y", "width", "height"), box))
        rows.append(row)
        stages.lap("describe")
        draw(frame, box, row)
        stages.lap("draw")
    return rows


FIELDS = ["frame", "x", "y", "width", "height", "expression", "probability", "valence", "arousal"]


def main(arguments=None):
    """Read a camera or a video to its end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_bundle_option(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("-c", "--camera", help="number of the camera, or csi")
    source.add_argument("-v", "--video", help="video file")
    parser.add_argument("--runtime", choices=runtimes.RUNTIMES, default="FP16")
    parser.add_argument("--engines", type=Path, default=Path("engines"), help="of convert.py")
    parser.add_argument("--threads", type=int, default=4, help="of TFLite, from TensorFlow 2.3 on")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many; 0: at the end")
    parser.add_argument("--show", action="store_true", help="a window; q ends it")
    parser.add_argument("--output", default="test_out", help="name without suffix")
    parser.add_argument("--least-memory-mb", type=int, default=2000, help="memory and swap")
    options = parser.parse_args(arguments)
    bundle = Bundle(options.bundle)
    runtimes.check(options.runtime, bundle, options.engines)
    device.check_memory(options.least_memory_mb)
    capture = open_source(options)
    description = bundle.description
    preprocessing = Preprocessing(**description["preprocessing"])
    cascade = cv2.CascadeClassifier(str(bundle.folder / CASCADE))
    networks = [
        (
            "classify" if "expression" in bundle.networks[name]["outputs"] else "regress",
            runtimes.load(options.runtime, bundle, name, options.engines, options.threads),
        )
        for name in sorted(bundle.networks)
    ]
    rate = capture.get(cv2.CAP_PROP_FPS)
    stages, number, writer = Stages(), 0, None
    with Path(options.output + ".csv").open("w", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        table.writeheader()
        while not options.frames or number < options.frames:
            stages.start_frame()
            ok, frame = capture.read()
            if not ok:
                break
            stages.lap("decode")
            rows = read_frame(frame, cascade, networks, preprocessing, description, stages)
            if writer is None:
                size = (frame.shape[1], frame.shape[0])
                code = cv2.VideoWriter_fourcc(*"MJPG")
                writer = cv2.VideoWriter(options.output + ".avi", code, rate or 15.0, size)
            writer.write(frame)
            for row in rows:
                row["frame"] = number
                table.writerow(row)
            stages.lap("encode")
            pressed = None
            if options.show:
                cv2.imshow("affectkit", frame)
                pressed = cv2.waitKey(1) & 0xFF
                stages.lap("display")
            stages.end_frame()
            number += 1
            if pressed == ord("q"):
                break
    capture.release()
    if writer is None:
        raise RefusalError("no frame could be read")
    writer.release()
    warm_up = min(10, number // 2)
    report = {
        "script": "infer.py",
        "bundle": description["name"],
        "runtime": options.runtime,
        "frames": number,
        "left_out_at_the_start": warm_up,
        "milliseconds": stages.summary(warm_up),
        "peak_memory_mb": device.peak_memory(),
        "device": device.describe(device.load_tensorflow()),
    }
    Path(options.output + ".json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
    for name, times in sorted(report["milliseconds"].items()):
        print("{:12} p50 {p50:8.2f} ms   p90 {p90:8.2f} ms".format(name, **times))
    print("{} frames; wrote {}.avi, .csv and .json".format(number, options.output))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
