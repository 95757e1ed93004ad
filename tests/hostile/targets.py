"""Every target by name; the libraries of a group are imported with it."""

from __future__ import annotations

import importlib

GROUPS = {
    "target_media": (
        *("jpeg", "png", "webp", "gif", "tiff", "bmp", "avif", "jp2", "ppm", "heic"),
        *("mp4", "avi", "mkv"),
    ),
    "target_tables": (
        *("folder-csv", "affectnet-csv", "affectfaces-csv", "ferplus-csv", "pixels-csv"),
    ),
    "target_arrays": ("npy", "ferplus-npz", "images-npz", "zip"),
    "target_documents": (
        *("affectnet-json", "card-json", "manifest-json", "benchmark-json", "summary-json"),
        *("metrics-json", "report-json", "device-json", "bundle-json"),
    ),
    "target_progress": (
        *("predict-journal", "journal-log", "course-summary", "skipped-csv"),
        *("executed-notebook", "sweep-run"),
    ),
    "target_models": (
        *("hashed-manifest", "hashed-card", "hashed-keras", "tflite", "onnx", "frozen-graph"),
        *("saved-model", "keras", "weights-h5"),
    ),
    "target_shards": (
        *("shard-index", "shard-rows", "shard-records", "shard-receipt"),
        *("training-backup", "worker-backup"),
    ),
}


def find_target(name: str) -> type:
    """Give the class of a target."""
    (module,) = [module for module, names in GROUPS.items() if name in names]
    return importlib.import_module(module).TARGETS[name]
