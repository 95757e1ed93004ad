"""The scripts of a Nano's bundle, and the preprocessing that is cut out for them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from affectkit.preprocess import Preprocessing, crop_face, halve, resize_face, scale_pixels

FOLDER = Path(__file__).parent / "device"
"""Where the scripts are."""

COPIED = (crop_face, resize_face, halve, scale_pixels)
"""The functions of `affectkit.preprocess` that the device needs."""

HEAD = '''\
"""How a face is cut out and scaled. Copied from affectkit/preprocess.py: change it there.

Written by `affectkit export --format nano`, without the annotations that Python 3.6 can't read.
"""

from collections import namedtuple

import cv2
import numpy as np

Preprocessing = namedtuple("Preprocessing", {fields})
'''


def script_sources() -> dict[str, str]:
    """Give the source of each script that runs on the device, by file name."""
    scripts = {
        path.name: path.read_text("utf-8")
        for path in sorted(FOLDER.glob("*.py"))
        if path.name != "__init__.py"
    }
    return scripts | {"face_preprocessing.py": preprocessing_source()}


def preprocessing_source() -> str:
    """Cut `COPIED` out of the package, as source for Python 3.6."""
    fields = list(inspect.signature(Preprocessing).parameters)
    parts = [HEAD.format(fields=fields)]
    for function in COPIED:
        tree = ast.parse(inspect.getsource(function))
        parts.append(ast.unparse(_Bare().visit(tree)) + "\n")
    return "\n\n".join(parts)


class _Bare(ast.NodeTransformer):
    """Takes the annotations off."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node
