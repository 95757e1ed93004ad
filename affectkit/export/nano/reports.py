"""Read what the scripts of a Nano's bundle write on the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NotRequired

import pandas as pd
from typing_extensions import TypedDict

from affectkit.files.json_forms import OPEN, Integer, Number, find_misfit, read_json

CONVERSION = (
    *("precision", "network", "engines", "nodes", "outside", "built", "build_seconds"),
    *("difference", "tolerance", "exit_code", "tensorflow", "tensorrt", "power_mode"),
)
TIME = (
    *("runtime", "threads", "n", "p50", "p90", "p99"),
    *("first_call_ms", "load_seconds", "peak_memory_mb", "difference"),
)


class _Device(TypedDict):
    __pydantic_config__ = OPEN
    tensorflow: str
    tensorrt_loaded: list[Integer] | None
    power_mode: str | None


class _Conversion(TypedDict):
    __pydantic_config__ = OPEN
    engines: Integer
    nodes: list[Integer]
    outside: dict[str, Integer]
    built: dict[str, Integer]
    build_seconds: NotRequired[Number]
    differences: NotRequired[dict[str, float]]  # NaN where an answer was
    tolerance: NotRequired[Number]


class _ConversionReport(TypedDict):
    __pydantic_config__ = OPEN
    precision: str
    exit_code: Integer
    networks: dict[str, _Conversion]
    device: _Device


class _Percentiles(TypedDict):
    __pydantic_config__ = OPEN
    n: Integer
    p50: Number
    p90: Number
    p99: Number


class _Timing(TypedDict):
    __pydantic_config__ = OPEN
    runtime: str
    threads: Integer
    milliseconds: _Percentiles
    first_call_ms: Number
    load_seconds: Number
    peak_memory_mb: Number
    differences: dict[str, dict[str, float]]  # NaN where an answer was


class _BenchmarkReport(TypedDict):
    __pydantic_config__ = OPEN
    runtimes: list[dict[str, object]]


def read_device_reports(folder: str | Path) -> dict[str, pd.DataFrame]:
    """Read what convert.py and benchmark.py wrote, from a folder and its sub-folders.

    Parameters
    ----------
    folder : str or Path
        Copied from the device.

    Returns
    -------
    dict of str to pandas.DataFrame
        "conversions", a row a network: engines that TF-TRT made, nodes in them, operations outside,
        engines that were built, greatest difference on the golden faces (None if nothing was
        built), exit code. "times", a row a runtime that was measured, in milliseconds a face.
        Either is empty if there is no such report.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If a report is damaged.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder copied from the device, {folder} is none")
    conversions = [row for path in sorted(folder.rglob("report.json")) for row in _networks(path)]
    times = [row for path in sorted(folder.rglob("benchmark.json")) for row in _runtimes(path)]
    return {
        "conversions": pd.DataFrame(conversions, columns=CONVERSION),
        "times": pd.DataFrame(times, columns=TIME),
    }


def _networks(path: Path) -> Iterator[dict[str, object]]:
    content = _read(path, "convert.py", _ConversionReport)
    for name, network in content.get("networks", {}).items():
        device = content["device"]
        yield {
            **network,
            "precision": content["precision"],
            "exit_code": content["exit_code"],
            "network": name,
            "outside": ", ".join(sorted(network["outside"])),
            "built": len(network["built"]),
            "difference": max(network.get("differences", {}).values(), default=None),
            "tensorflow": device["tensorflow"],
            "tensorrt": ".".join(map(str, device["tensorrt_loaded"] or [])),
            "power_mode": device["power_mode"],
        }


def _runtimes(path: Path) -> Iterator[dict[str, object]]:
    for runtime in _read(path, "benchmark.py", _BenchmarkReport).get("runtimes", []):
        if "error" not in runtime:
            _check(path, runtime, _Timing)
            found = [value for one in runtime["differences"].values() for value in one.values()]
            yield {**runtime, **runtime["milliseconds"], "difference": max(found, default=None)}


def _read(path: Path, script: str, form: object) -> dict[str, object]:
    """Read a script's report; an empty one if another program wrote it."""
    content = read_json(path, "a JSON file with a report", "copy it again")
    if content.get("script") != script:
        return {}
    _check(path, content, form)
    return content


def _check(path: Path, content: dict[str, object], form: object) -> None:
    if problem := find_misfit(content, form):
        raise ValueError(f"{path} is a damaged report ({problem}); copy it again")
