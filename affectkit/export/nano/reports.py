"""Read what the scripts of a Nano's bundle write on the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NotRequired

import pandas as pd
from typing_extensions import TypedDict

from affectkit.files.json_forms import OPEN, Integer, Number, find_misfit, read_json

CONVERSION_COLUMNS = [
    "precision",
    "network",
    "engines",
    "nodes",
    "outside",
    "built",
    "build_seconds",
    "difference",
    "tolerance",
    "exit_code",
    "tensorflow",
    "tensorrt",
    "power_mode",
]

BENCHMARK_COLUMNS = [
    "runtime",
    "threads",
    "n",
    "p50",
    "p90",
    "p99",
    "first_call_ms",
    "load_seconds",
    "peak_memory_mb",
    "difference",
]


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


def read_conversions(folder: str | Path) -> pd.DataFrame:
    """Read every report of convert.py in a folder and its sub-folders.

    Parameters
    ----------
    folder : str or Path
        Copied from the device; "" for none.

    Returns
    -------
    pandas.DataFrame
        `CONVERSION_COLUMNS`, a row a network: engines that TF-TRT made, nodes in them, operations
        outside, engines that were built, greatest difference on the golden faces (None if nothing
        was built), exit code. Empty if there is no report.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If a report is damaged.
    """
    rows = []
    for path, content in _read(folder, "report.json", "convert.py"):
        _check(path, content, _ConversionReport)
        device = content["device"]
        rows += [
            {
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
            for name, network in content["networks"].items()
        ]
    return pd.DataFrame(rows, columns=CONVERSION_COLUMNS)


def read_benchmarks(folder: str | Path) -> pd.DataFrame:
    """Read every result of benchmark.py in a folder and its sub-folders.

    Parameters
    ----------
    folder : str or Path
        Copied from the device; "" for none.

    Returns
    -------
    pandas.DataFrame
        `BENCHMARK_COLUMNS`, a row a runtime that was measured, times in milliseconds a face. Empty
        if there is none.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If a file is damaged.
    """
    rows = []
    for path, content in _read(folder, "benchmark.json", "benchmark.py"):
        _check(path, content, _BenchmarkReport)
        for runtime in content["runtimes"]:
            if "error" in runtime:
                continue
            _check(path, runtime, _Timing)
            differences = [
                value for one in runtime["differences"].values() for value in one.values()
            ]
            difference = max(differences, default=None)
            rows.append({**runtime, **runtime["milliseconds"], "difference": difference})
    return pd.DataFrame(rows, columns=BENCHMARK_COLUMNS)


def _read(folder: str | Path, name: str, script: str) -> Iterator[tuple[Path, dict]]:
    """Read the JSON files of that name that a script wrote."""
    if not str(folder):
        return
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder copied from the device, {folder} is none")
    for path in sorted(folder.rglob(name)):
        content = read_json(path, "a JSON file with a report", "copy it again")
        if content.get("script") == script:
            yield path, content


def _check(path: Path, content: dict[str, object], form: object) -> None:
    if problem := find_misfit(content, form):
        raise ValueError(f"{path} is a damaged report ({problem}); copy it again")
