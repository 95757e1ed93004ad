"""Compare new benchmark runs with the committed baseline, by ratios within each run.

Usage::

    python benchmarks/compare_baseline.py FOLDER [--baseline FOLDER] [--tolerance 0.25]

Milliseconds of two machines, or of two days, can't be compared; that int8 takes 0.6 times as long
as float16 can. Prints a table of each benchmark that both folders have, and ends with exit code 1
if a ratio is worse than tolerated, with 2 if nothing can be compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from affectkit.course import BASELINE, compare_ratios, load_runs


def main(command: list[str]) -> int:
    """Compare, print, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the new runs")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--tolerance", type=float, default=0.25,
                        help="share by which a ratio may be worse")  # fmt: skip
    arguments = parser.parse_args(command)
    try:
        new, baseline = load_runs(arguments.folder), load_runs(arguments.baseline)
        common = [name for name in new if name in baseline]
        if not common:
            raise ValueError(
                f"{arguments.folder} has {', '.join(new)}, the baseline {', '.join(baseline)}: "
                "nothing in common"
            )
        compared = {
            name: compare_ratios(new[name], baseline[name], arguments.tolerance) for name in common
        }
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    worse = 0
    for name, table in compared.items():
        print(f"\n{name}: {new[name].path.name} against {baseline[name].path.name}")
        for row in table.itertuples(index=False):
            mark = "WORSE" if row.worse else "ok"
            print(
                f"  {mark:5s} {row.name}: {row.baseline:.3f} -> {row.new:.3f} ({row.change:+.0%}, "
                f"{row.better} is better)"
            )
        worse += int(table["worse"].sum())
    print(f"\n{worse} worse by more than {arguments.tolerance:.0%}")
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
