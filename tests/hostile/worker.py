"""Feed hostile inputs to affectkit; run by the tests, as some may end the process.

python worker.py FOLDER TARGET:FIRST:COUNT ...

FIRST is 0, or where an earlier worker ended; -n are the kept ones. Before each case its number goes
to FOLDER/progress, so that whoever started this knows which one ended it. Written to the standard
output: one JSON line a failure, and one a target with the counts. A failed input is kept as
FOLDER/TARGET/failed-NUMBER: copy it to corpus/TARGET/ once the cause is mended.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import sys
import traceback
import warnings
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TextIO

from affectkit.machine import peak_memory

sys.path.insert(0, str(Path(__file__).parent))

SECONDS_A_CASE = 60
"""A case that takes longer hangs. Reading takes milliseconds; a busy machine gets some time."""

MEMORY = 3 << 30
"""Bytes that a worker may ask for beyond what it has when the libraries are loaded."""

FAMILY = (ValueError, OSError, ImportError)
"""What the command line turns into a message."""

CORPUS = Path(__file__).parent / "corpus"


def problem_of(error: BaseException, name: str) -> str | None:
    """Tell what is wrong with an error; None if a user can read it."""
    kind = type(error).__name__
    if not isinstance(error, FAMILY) or isinstance(error, UnicodeError):
        return f"{kind}: {error}"[:300]
    if name not in str(error):
        return f"the message does not name the file: {kind}: {error}"[:300]
    return None


def attempt(target: object) -> tuple[str, dict | None]:
    """Run one case; gives "accepted", "refused" or "failed", and what failed."""
    try:
        target.read()
    except Exception as error:  # noqa: BLE001
        problem = problem_of(error, target.name)
        if problem is None:
            return "refused", None
        lines = traceback.format_exception(error)
        return "failed", {"problem": problem, "traceback": "".join(lines)[-3000:]}
    return "accepted", None


def run_target(name: str, first: int, count: int, folder: Path, report: TextIO) -> None:
    """Run the kept inputs of a target and those with the numbers from `first` up to `count`."""
    import targets

    place = folder / name
    place.mkdir(exist_ok=True)
    with contextlib.chdir(place):
        target = targets.find_target(name)(place)
        kept = sorted((CORPUS / name).glob("*"))
        statistics = Path("/proc/self/statm")
        if statistics.exists():  # Linux
            limit = int(statistics.read_text().split()[0]) * resource.getpagesize() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        counts = {"accepted": 0, "refused": 0, "failed": 0}
        slowest, progress = 0.0, os.open(folder / "progress", os.O_WRONLY | os.O_CREAT)
        for number in range(-len(kept) if first == 0 else first, count):
            os.pwrite(progress, f"{name}:{number}".ljust(60).encode(), 0)
            if number < 0:
                content = kept[number].read_bytes()
                target.put(content)
            else:
                content = target.make(Random(f"{name} {number}"))
            faulthandler.dump_traceback_later(SECONDS_A_CASE, exit=True)
            start = perf_counter()
            outcome, failure = attempt(target)
            slowest = max(slowest, perf_counter() - start)
            faulthandler.cancel_dump_traceback_later()
            counts[outcome] += 1
            if failure is not None:
                (place / f"failed-{number}").write_bytes(content)
                report.write(json.dumps({"target": name, "case": number} | failure) + "\n")
        os.close(progress)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    peak = peak_memory()
    report.write(json.dumps({"target": name} | counts | {"slowest": slowest, "peak": peak}) + "\n")
    report.flush()


def main() -> None:
    """Run the targets of the command line."""
    # what libraries print goes nowhere, the report to the standard output
    report = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    faulthandler.enable()
    os.environ["TQDM_DISABLE"] = "1"
    warnings.simplefilter("ignore")
    for category in (DeprecationWarning, FutureWarning, RuntimeWarning):
        warnings.filterwarnings("error", category=category, module="affectkit")
    folder = Path(sys.argv[1])
    for words in sys.argv[2:]:
        name, first, count = words.split(":")
        run_target(name, int(first), int(count), folder, report)
    report.close()
    os._exit(0)  # threads of a library that still decodes are not waited for


if __name__ == "__main__":
    main()
