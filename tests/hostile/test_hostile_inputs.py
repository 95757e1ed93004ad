"""More than 10,000 spoilt files: each is either read as promised, or refused with its name.

`worker.py` reads them in processes of its own, with bounds on time and memory, so that one that
hangs or ends the process is found too. What failed once is kept in corpus/.
"""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(3600)  # with room for a busy machine

GROUPS = {
    "media": {
        **{"jpeg": 1000, "png": 1000, "webp": 400, "gif": 700, "tiff": 800, "bmp": 700},
        **{"avif": 300, "jp2": 400, "ppm": 400, "heic": 300},
        **{"mp4": 150, "avi": 150, "mkv": 150},
    },
    "tables": {
        **{"folder-csv": 120, "affectnet-csv": 100, "affectfaces-csv": 80, "ferplus-csv": 80},
        **{"pixels-csv": 300, "npy": 100, "ferplus-npz": 100, "images-npz": 500, "zip": 200},
    },
    "documents": {
        **{"affectnet-json": 80, "card-json": 700, "manifest-json": 700, "benchmark-json": 400},
        **{"summary-json": 700, "metrics-json": 400, "report-json": 400, "device-json": 400},
        **{"bundle-json": 500},
    },
    "models": {
        **{"hashed-manifest": 400, "hashed-card": 400, "hashed-keras": 150, "tflite": 100},
        **{"onnx": 200, "frozen-graph": 100, "saved-model": 60, "keras": 120, "weights-h5": 200},
    },
    "progress": {
        **{"predict-journal": 300, "journal-log": 100, "course-summary": 250},
        **{"skipped-csv": 200, "executed-notebook": 200, "sweep-run": 150},
    },
    "shards": {
        **{"shard-index": 90, "shard-rows": 70, "shard-records": 40, "shard-receipt": 30},
        **{"training-backup": 200, "worker-backup": 150},
    },
}
"""How many spoilt inputs each reader gets, besides the kept ones."""

MOST_DEATHS = 5
MEMORY = 4 << 30
"""Bytes that any worker may have had in memory."""


QUICK_SHARE = 10
"""`make test` gives each reader one in so many of these inputs, `make test-all` all of them."""


def run_group(group, folder, share):
    """Run the workers of a group until every case was tried; gives counts by target, failures."""
    todo = [[name, 0, -(-count // share)] for name, count in GROUPS[group].items()]
    counts, failures, deaths = {}, [], 0
    while todo:
        command = [sys.executable, str(HERE / "worker.py"), str(folder)]
        command += [":".join(map(str, one)) for one in todo]
        # TensorFlow repeats bytes of a spoilt shard in its messages, so they need not be UTF-8.
        as_text = {"text": True, "encoding": "utf-8", "errors": "backslashreplace"}
        done = subprocess.run(command, capture_output=True, timeout=1500, **as_text)
        for line in done.stdout.splitlines():
            entry = json.loads(line)
            if "case" in entry:
                failures.append(entry)
            else:
                total = counts.setdefault(entry["target"], [])
                total.append(entry)
        finished = {name for name, entries in counts.items() if entries}
        if done.returncode == 0:
            break
        deaths += 1
        name, _, number = (folder / "progress").read_text().strip().partition(":")
        problem = f"the worker ended ({done.returncode}): {done.stderr[-2000:]}"
        failures.append({"target": name, "case": int(number), "problem": problem})
        if deaths > MOST_DEATHS or not number:
            break
        todo = [one for one in todo if one[0] not in finished]
        todo[0][1] = int(number) + 1
    return counts, failures


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Give a function from a group and a share to counts and failures; each is run once."""
    return cache(lambda group, share: run_group(group, tmp_path_factory.mktemp(group), share))


def ran(counts):
    return {
        name: sum(one[key] for one in entries for key in ("accepted", "refused", "failed"))
        for name, entries in counts.items()
    }


def check_group(group, share, outcome):
    counts, failures = outcome(group, share)
    assert failures == []
    wanted = {
        name: -(-count // share) + len(list((HERE / "corpus" / name).glob("*")))
        for name, count in GROUPS[group].items()
    }
    assert ran(counts) == wanted
    for name, entries in counts.items():
        assert all(entry["peak"] < MEMORY for entry in entries), name
        if share == 1:  # a target that takes nothing, or refuses nothing, tests nothing
            assert sum(entry["refused"] for entry in entries) > 0 or name == "affectnet-json", name


@pytest.mark.parametrize("group", GROUPS)
def test_a_tenth_of_the_spoilt_inputs_are_read_or_refused(group, outcome):
    check_group(group, QUICK_SHARE, outcome)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_spoilt_inputs_are_read_or_refused(group, outcome):
    check_group(group, 1, outcome)


@pytest.mark.slow
def test_ten_thousand_hostile_inputs_and_no_unexplained_traceback(outcome):
    results = [outcome(group, 1) for group in GROUPS]
    total = sum(sum(ran(counts).values()) for counts, _ in results)
    failures = [failure for _, failed in results for failure in failed]
    print(f"{total:,} inputs, {len(failures)} unexplained tracebacks")
    assert total >= 10_000
    assert failures == []
