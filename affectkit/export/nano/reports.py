"""Read what the scripts of a Nano's bundle write on the device."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affectkit.files.json_forms import read_json

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
        try:
            device = content["device"]
            for name, network in content["networks"].items():
                row = {key: content[key] for key in ("precision", "exit_code")}
                row |= {key: network.get(key) for key in ("engines", "nodes", "build_seconds")}
                row |= {
                    "network": name,
                    "outside": ", ".join(sorted(network["outside"])),
                    "built": len(network["built"]),
                    "difference": max(network.get("differences", {}).values(), default=None),
                    "tolerance": network.get("tolerance"),
                    "tensorflow": device["tensorflow"],
                    "tensorrt": ".".join(map(str, device["tensorrt_loaded"] or [])),
                    "power_mode": device["power_mode"],
                }
                rows.append(row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} is a damaged report ({error!r}); copy it again") from error
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
        try:
            for runtime in content["runtimes"]:
                if "error" in runtime:
                    continue
                row = runtime | runtime["milliseconds"]
                row["difference"] = max(
                    value for one in runtime["differences"].values() for value in one.values()
                )
                rows.append({name: row[name] for name in BENCHMARK_COLUMNS})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} is damaged ({error!r}); copy it again") from error
    return pd.DataFrame(rows, columns=BENCHMARK_COLUMNS)


def _read(folder: str | Path, name: str, script: str) -> list[tuple[Path, dict]]:
    """Read the JSON files of that name that a script wrote."""
    if not str(folder):
        return []
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder copied from the device, {folder} is none")
    found = []
    for path in sorted(folder.rglob(name)):
        content = read_json(path, "a JSON file with a report", "copy it again")
        if content.get("script") == script:
            found.append((path, content))
    return found
