"""JSON: annotations, cards, manifests, results, reports of a device."""

from __future__ import annotations

import hashlib
import importlib
import json

import numpy as np
from basis import Document
from target_tables import check_table, make_pictures

from affectkit.course import load_runs, read_run, read_summary
from affectkit.course.summary import summary_metrics
from affectkit.data import SkippedRows, load_table
from affectkit.evaluation import compare, read_metrics
from affectkit.export import read_device_reports
from affectkit.models import find_model
from affectkit.preprocess import Preprocessing, crop_face


def sha256(content: bytes) -> str:
    """Give the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def check_use(preprocessing: Preprocessing, temperature: float) -> None:
    """Check that what a card says can be worked with."""
    face = crop_face(np.zeros((40, 50, 3), np.uint8), (1, 2, 30, 30), preprocessing)
    assert face.shape == (preprocessing.image_size, preprocessing.image_size, 3)
    assert 0 < temperature < float("inf")


class Annotation(Document):
    file = "root/train_set/annotations/1.json"

    def document(self) -> dict:
        return {
            "human-label": 3,
            "soft-label": [0.1, 0.2, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1],
            "valence": 0.5,
            "arousal": [-0.25],
            "age": {"value": 33, "std": 2.5},
            "gender": "f",
            "race": ["a", "b"],
            "pose": {"yaw": 3.0},
            "subset": 1,
        }

    def make_seeds(self) -> list[bytes]:
        root = self.folder / "root"
        make_pictures(root, ("train_set/images/1.png", "train_set/images/2.png"))
        self.path.with_name("2.json").write_text(json.dumps(self.document()))
        return super().make_seeds()

    def read(self) -> None:
        skipped = SkippedRows()
        table = load_table("affectnet", self.folder / "root", skipped=skipped, protocol="all")
        check_table(table, skipped, self.folder / "root")
        assert len(table) + len(skipped) == 2


PREPROCESSING = Preprocessing(image_size=64, crop_margin=0.1).to_dict()


class Card(Document):
    """The card of a checkpoint."""

    file = "hostile.json"

    def document(self) -> dict:
        (self.folder / "hostile.int8.tflite").write_bytes(b"network")
        (self.folder.parent / "outside.tflite").write_bytes(b"network")
        return {
            "card_version": 2,
            "name": "hostile",
            "architecture": {
                "network": "MobileNetV2",
                "image_size": 64,
                "alpha": 0.35,
                "shared_backbone": True,
            },
            "preprocessing": PREPROCESSING,
            "temperature": 1.5,
            "confidence": {
                "protocol_temperatures": {"ferplus-majority": 0.5},
                "plausible_share": 0.8,
                "balanced_prior": [0.5, 0, 1, 1, 1.5, 2, 1, 2.5],
            },
            "outputs": {"expression": {}, "valence_arousal": {"labels": ["valence", "arousal"]}},
            "files": {
                "tflite-int8": [{"name": "hostile.int8.tflite", "sha256": sha256(b"network")}],
                "weights": [{"name": "hostile.weights.h5", "bytes": 7, "sha256": "0"}],
            },
            "training": {"seed": 0},
        }

    def read(self) -> None:
        found = find_model(self.folder / "hostile.int8.tflite")
        assert found.path.resolve().parent == self.folder.resolve()
        check_use(found.preprocessing, found.temperature)


class Manifest(Document):
    file = "hostile.onnx.json"

    def document(self) -> dict:
        (self.folder / "hostile.onnx").write_bytes(b"network")
        (self.folder.parent / "outside.onnx").write_bytes(b"network")
        return {
            "card_version": 2,
            "name": "hostile",
            "preprocessing": PREPROCESSING,
            "temperature": 0.5,
            "outputs": {"expression": {"name": "expression", "shape": [None, 8]}},
            "files": {"onnx": [{"name": "hostile.onnx", "bytes": 7, "sha256": sha256(b"network")}]},
        }

    def read(self) -> None:
        exported = find_model(self.path)
        assert exported.path.resolve() == (self.folder / "hostile.onnx").resolve()
        check_use(exported.preprocessing, exported.temperature)
        assert set(exported.card["outputs"]) <= {"expression", "valence_arousal"}


class Benchmark(Document):
    file = "stages_hostile.json"

    def document(self) -> dict:
        return {
            "schema_version": 1,
            "benchmark": "stages",
            "started": "2026-01-02T03:04:05+00:00",
            "git_commit": "0123456789abcdef",
            "git_dirty": True,
            "machine": {"processor": "some", "cores": 2, "load_average": 0.5},
            "versions": {"tensorflow": "2.21.0", "ai-edge-litert": None},
            "targets": [{"name": "five", "value": 0.5, "bound": "< 1", "reached": True}],
            "ratios": [{"name": "n", "value": 0.5, "better": "lower"}],
            "tables": {"stages": [{"stage": "detect", "mean": 1.5}]},
        }

    def read(self) -> None:
        run = read_run(self.path)
        load_runs(self.folder)
        for name in run.content["tables"]:
            run.table(name)


METRIC = {"value": 0.5, "low": 0.25, "high": None}
RESULT = {
    "schema_version": 1,
    "name": "a",
    "task": "classification",
    "dataset": "folder",
    "protocol": "folder",
    "split": "test",
    "rows": 3,
    "rows_digest": "abc",
    "metrics": {"accuracy": METRIC},
    "baselines": {"dummy": {"accuracy": 0.125}},
    "calibration": {"temperature": 1.5, "before": dict.fromkeys(("ece", "nll", "brier"), METRIC)},
    "slices": {"age": [{"group": "<= 30", "rows": 3, "small": True}]},
}


class Summary(Document):
    file = "summary.json"

    def document(self) -> dict:
        return {
            "schema_version": 1,
            "status": "completed",
            "failed": None,
            "affectkit": "0.1.0",
            "dataset": "affectfaces",
            "seed": 0,
            "protocol": "affectfaces",
            "metrics": {"classifier": RESULT, "regressor": None},
            "skipped_rows": 0,
            "notebooks": [{"name": "00", "seconds": 1.5, "status": "completed"}],
            "versions": {"python": "3.11"},
            "machine": {"cores": 2},
            "seconds": 3.5,
        }

    def read(self) -> None:
        summary = read_summary(self.path)
        summary_metrics(summary)
        for entry in summary["notebooks"]:
            assert isinstance(entry["name"] + entry["status"], str)


class Metrics(Document):
    file = "metrics.json"

    def document(self) -> dict:
        return RESULT

    def read(self) -> None:
        result = read_metrics(self.path)
        assert len(compare([result])) >= 1


class Conversion(Document):
    file = "report.json"

    def document(self) -> dict:
        network = {
            "engines": 2,
            "nodes": [300],
            "outside": {"Reshape": 1},
            "built": {"a": 5},
            "build_seconds": 3.5,
            "differences": {"expression": 0.01},
            "tolerance": 0.03,
        }
        return {
            "script": "convert.py",
            "precision": "FP16",
            "exit_code": 0,
            "device": {"tensorflow": "2.7", "tensorrt_loaded": [8, 2], "power_mode": "MAXN"},
            "networks": {"both": network},
        }

    def read(self) -> None:
        table = read_device_reports(self.folder)["conversions"]
        table.to_csv(self.folder / "table.csv")


class DeviceBenchmark(Document):
    file = "benchmark.json"

    def document(self) -> dict:
        runtime = {
            "runtime": "FP16",
            "threads": 4,
            "milliseconds": {"n": 100, "p50": 1.5, "p90": 2, "p99": 3},
            "first_call_ms": 100,
            "load_seconds": 10,
            "peak_memory_mb": 1000,
            "differences": {"both": {"expression": 0.01}},
        }
        return {"script": "benchmark.py", "runtimes": [runtime, {"runtime": "x", "error": "no"}]}

    def read(self) -> None:
        table = read_device_reports(self.folder)["times"]
        table.to_csv(self.folder / "table.csv")


class Bundle(Document):
    """What a Nano's scripts read; their refusal has a class of its own."""

    file = "bundle.json"

    def document(self) -> dict:
        self.scripts = importlib.import_module("affectkit.export.nano.device.bundle")
        (self.folder / "network.pb").write_bytes(b"0123456789")
        np.savez(self.folder / "golden.npz", faces=np.zeros((1, 4, 4, 3), np.uint8))
        golden = (self.folder / "golden.npz").read_bytes()
        (self.folder.parent / "outside").write_bytes(b"0123456789")
        (self.folder / "network.onnx").write_bytes(b"abcdef")
        graph = {"file": "network.pb", "offset": 2, "bytes": 4, "sha256": sha256(b"2345")}
        onnx = {
            "rest": "network.onnx",
            "weights_in": "network.pb",
            "weights": [
                {"at": 2, "from": 1, "shape": [1, 1], "axes": [1, 0]},
                {"at": 8, "from": 4, "shape": [1], "axes": [0]},
            ],
            "sha256": sha256(b"ab1234cd4567ef"),
        }
        return {
            "bundle_version": 1,
            "networks": {"both": {"outputs": ["expression"], "frozen_graph": graph, "onnx": onnx}},
            "files": [
                {"name": "network.pb", "part": "saved_model", "sha256": sha256(b"0123456789")},
                {"name": "golden.npz", "part": "golden", "sha256": sha256(golden)},
            ],
        }

    def read(self) -> None:
        try:
            bundle = self.scripts.Bundle(self.folder)
            bundle.check(["golden"])
            bundle.check()
            for name in bundle.choose():
                bundle.frozen_graph(name)
                bundle.onnx(name)
            assert bundle.golden()["faces"].shape == (1, 4, 4, 3)
        except self.scripts.RefusalError as refusal:
            raise ValueError(f"{self.path}: {refusal}") from None


TARGETS = {
    "affectnet-json": Annotation,
    "card-json": Card,
    "manifest-json": Manifest,
    "benchmark-json": Benchmark,
    "summary-json": Summary,
    "metrics-json": Metrics,
    "report-json": Conversion,
    "device-json": DeviceBenchmark,
    "bundle-json": Bundle,
}
