"""Let atheris look for inputs that reach new code of affectkit; no part of the tests.

    pip install atheris
    python tests/hostile/coverage_fuzz.py TARGET [SECONDS]

What it finds is written to crash-* in the working directory: copy it to corpus/TARGET/ once it is
mended. The seeds are the target's valid inputs and the kept ones.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
from worker import CORPUS, attempt

os.environ["TQDM_DISABLE"] = "1"


def main() -> None:
    """Fuzz one target."""
    name, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "60"
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=["affectkit"]):
        import targets

        kind = targets.find_target(name)
    folder = Path(tempfile.mkdtemp())
    (folder / "work").mkdir()
    (folder / "seeds").mkdir()
    target = kind(folder / "work")
    kept = [path.read_bytes() for path in (CORPUS / name).glob("*")]
    for number, seed in enumerate([*target.seeds, *kept]):
        (folder / "seeds" / str(number)).write_bytes(seed)

    def one(content: bytes) -> None:
        target.put(content)
        failure = attempt(target)[1]
        if failure is not None:
            raise RuntimeError(failure["problem"] + "\n" + failure["traceback"])

    options = [f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=60"]
    atheris.Setup([sys.argv[0], str(folder / "seeds"), *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
