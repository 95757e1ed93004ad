"""What the device is, and whether it can do what is asked."""

import contextlib
import importlib
import os
import platform
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from bundle import RefusalError

OLDEST, NEWEST = (1, 15), (2, 7)
"""TensorFlow versions that these scripts are written for."""


def load_tensorflow():
    """Import TensorFlow; eager and with a graphics memory that grows, in every version."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise RefusalError(
            "TensorFlow can't be imported ({}): install NVIDIA's wheel for your JetPack, see "
            "README.md".format(error)
        ) from error
    version = tuple(int(part) for part in tf.__version__.split(".")[:2])
    if not OLDEST <= version <= NEWEST:
        raise RefusalError(
            "expected TensorFlow 1.15 to 2.7, as NVIDIA builds it for JetPack 4.6; this is {}. "
            "TF-TRT works otherwise in later ones and is gone from 2.18".format(tf.__version__)
        )
    if version < (2, 0):
        tf.compat.v1.enable_v2_behavior()
    for gpu in tf.config.experimental.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # it is in use already
            tf.config.experimental.set_memory_growth(gpu, True)
    return tf


def tensorrt_utilities():
    """Give TF-TRT's own module that knows the versions, None if TensorFlow has none."""
    for name in ("_pywrap_py_utils", "wrap_py_utils"):  # since 2.1, and before
        try:
            return importlib.import_module("tensorflow.compiler.tf2tensorrt." + name)
        except ImportError:
            continue
    return None


def check_tensorrt():
    """Refuse a TensorFlow without TensorRT.

    Asking for the loaded version where there is none ends the process in some versions, therefore
    `is_tensorrt_enabled` comes first.
    """
    utilities = tensorrt_utilities()
    if utilities is None or not utilities.is_tensorrt_enabled():
        raise RefusalError(
            "this TensorFlow finds no TensorRT (libnvinfer): TensorRT comes with JetPack, and "
            "NVIDIA's TensorFlow wheel is linked to it; one from PyPI is not. See README.md"
        )


def check_gpu(tf):
    """Refuse a device whose graphics processor TensorFlow does not see."""
    if not tf.config.experimental.list_physical_devices("GPU"):
        raise RefusalError(
            "TensorFlow sees no GPU, so no engine can be built. On a Nano: install NVIDIA's "
            "TensorFlow wheel, and log in as a member of the group video. On another machine: "
            "--segment-only shows what TF-TRT would make of the graph"
        )


def memory():
    """Give available memory and free swap in MB, None where /proc/meminfo is not readable."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    values = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines}
    return values["MemAvailable"], values["SwapFree"]


def check_memory(least):
    """Refuse to start with less than so many MB of memory and swap together."""
    found = memory()
    if found is not None and sum(found) < least:
        raise RefusalError(
            "{} MB of memory and {} MB of swap are free, {} MB together are wanted: the system "
            "would say 'Killed'. Close the desktop (sudo systemctl isolate multi-user), add a "
            "swap file (README.md), or lower --least-memory-mb at your own risk".format(
                found[0], found[1], least
            )
        )


def peak_memory():
    """Give the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def describe(tf):
    """Give what a report must say about the device."""
    utilities = tensorrt_utilities()
    enabled = utilities is not None and utilities.is_tensorrt_enabled()
    gpus = tf.config.experimental.list_physical_devices("GPU")
    return {
        "model": _first_line("/proc/device-tree/model"),
        "nv_tegra_release": _first_line("/etc/nv_tegra_release"),
        "power_mode": _output(["nvpmodel", "-q"]),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "tensorrt_linked": list(utilities.get_linked_tensorrt_version()) if enabled else None,
        "tensorrt_loaded": list(utilities.get_loaded_tensorrt_version()) if enabled else None,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "gpus": [gpu.name for gpu in gpus],
        "memory_mb": memory(),
        "argv": sys.argv[1:],
    }


def _first_line(path):
    try:
        return Path(path).read_text(errors="replace").splitlines()[0].strip("\0 ")
    except (OSError, IndexError):
        return None


def _output(command):
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    return done.stdout.strip()
