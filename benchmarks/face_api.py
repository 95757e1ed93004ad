"""Ask @vladmandic/face-api about frames: Node.js runs face_api.cjs as a child process."""

from __future__ import annotations

import atexit
import json
import shutil
import struct
import subprocess
from pathlib import Path

import cv2
import numpy as np

PROGRAM = Path(__file__).with_suffix(".cjs")


class FaceApi:
    """TinyFaceDetector and the expression network of face-api, in WebAssembly with SIMD.

    Parameters
    ----------
    threads : int
        Of WebAssembly.

    Attributes
    ----------
    versions : dict of str to str
        Of Node.js and its packages.
    process_id : int
        Of Node.js.
    """

    def __init__(self, threads: int) -> None:
        """Start Node.js; its packages are looked for in the environment's NODE_PATH.

        Raises
        ------
        OSError
            If there is no Node.js, or it ended; why is on standard error.
        """
        node = shutil.which("node")
        if node is None:
            raise OSError("Node.js is not installed")
        self._process = subprocess.Popen(
            [node, str(PROGRAM), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        atexit.register(self._process.kill)
        self.process_id = self._process.pid
        self.versions = {name: str(value) for name, value in self._read().items()}

    def __call__(self, frame: np.ndarray) -> list[tuple[tuple[int, int, int, int], str]]:
        """Find faces.

        Parameters
        ----------
        frame : numpy.ndarray
            uint8, shape (height, width, 3), BGR.

        Returns
        -------
        list of tuple
            Left, top, width and height in pixels, and face-api's word for the expression.
        """
        height, width = frame.shape[:2]
        self._process.stdin.write(struct.pack("<II", width, height))
        self._process.stdin.write(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).data)
        self._process.stdin.flush()
        return [(tuple(box), expression) for *box, expression in self._read()]

    def _read(self) -> dict | list:
        line = self._process.stdout.readline()
        if not line:
            raise OSError(
                f"Node.js ended with code {self._process.wait()}: NODE_PATH must name a "
                "node_modules folder with face-api, tfjs and tfjs-backend-wasm"
            )
        return json.loads(line)
