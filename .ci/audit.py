"""Look for known security holes in what requirements.lock installs, with pip-audit.

`make audit` runs this. It needs the network, so `make test` does not. Ends with 0 only if every
package was looked up and none has a known hole; 1 if one has; 3 if some could not be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
SERVICES = ("pypi", "osv")
CLEAN, HOLES, NOT_AUDITED = 0, 1, 3


def ask(service: str) -> tuple[dict[str, list[dict]], dict[str, str]]:
    """Ask one service.

    Returns
    -------
    known : dict
        Package and version to its holes, each with `id` and `fix_versions`.
    unknown : dict
        Package to the reason why it was not looked up; "all" if none was.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--no-deps"]
    command += ["--disable-pip", "--format=json", "--progress-spinner=off"]
    command += [f"--vulnerability-service={service}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rows = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines() or ["pip-audit gave no answer"]
        return {}, {"all": lines[-1]}
    known = {f"{row['name']} {row['version']}": row["vulns"] for row in rows if "vulns" in row}
    return known, {row["name"]: row["skip_reason"] for row in rows if "skip_reason" in row}


def report(known: dict[str, list[dict]], unknown: dict[str, str]) -> int:
    """Print what was found, and give the exit code."""
    for package, holes in sorted(known.items()):
        for hole in holes:
            fixed = ", ".join(hole["fix_versions"]) or "no version yet"
            print(f"{package}: {hole['id']}, mended in {fixed}")
    if unknown:
        reason = next(iter(unknown.values()))
        which = "any package" if not known else f"{len(unknown)} of the packages"
        print(
            f"NOT AUDITED: the service for known holes did not tell about {which} ({reason}). "
            "This is no clean result: run it again where the service can be reached.",
            file=sys.stderr,
        )
    if any(known.values()):
        return HOLES
    if unknown or not known:
        return NOT_AUDITED
    print(f"{len(known)} packages, no known hole")
    return CLEAN


def main() -> int:
    """Ask the services in turn until one knows all packages."""
    answers = []
    for service in SERVICES:
        answers.append(ask(service))
        if answers[-1][0] and not answers[-1][1]:
            break
    return report(*max(answers, key=lambda answer: len(answer[0])))


if __name__ == "__main__":
    raise SystemExit(main())
