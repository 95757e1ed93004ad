"""Write data_cards/platforms.md: on which systems and Pythons pip finds all that affectkit needs.

Run by `make platforms`; needs the network. uv resolves the dependencies of pyproject.toml for each
system, wheels only, as nobody compiles TensorFlow. Where it can't, what has no wheel is taken out
of the list, and the rest is tried again, so that all that is missing is named.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "data_cards" / "platforms.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "Linux, x86-64 (glibc 2.28 or newer)": ("x86_64-manylinux_2_28", ""),
    "Linux, 64-bit Arm (glibc 2.28 or newer)": ("aarch64-manylinux_2_28", ""),
    "Windows, x86-64": ("x86_64-pc-windows-msvc", ""),
    "Windows, Arm": ("aarch64-pc-windows-msvc", ""),
    "macOS 14 or newer, Apple silicon": ("aarch64-apple-darwin", "14.0"),
    "macOS 13, Apple silicon": ("aarch64-apple-darwin", "13.0"),
    "macOS 12, Apple silicon": ("aarch64-apple-darwin", "12.0"),
    "macOS 14 or newer, Intel": ("x86_64-apple-darwin", "14.0"),
}
"""Name of the system: uv's name of it, and the version of macOS."""

HEAD = """# Where affectkit installs

Made by `make platforms`: uv resolves what `pip install affectkit` needs, wheels only, for each
system and version of Python. "yes" means that there is a wheel of everything; else the packages
without one are named. It is the resolver's answer: the tests run on Linux, x86-64.

"""


def missing_packages(platform: str, macos: str, python: str) -> list[str]:
    """Name the dependencies that have no wheel for a system and a Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {canonicalize_name(Requirement(one).name): one for one in project["dependencies"]}
    listed, missing = dict(wanted), set()

    def resolve(requirements: Iterable[str], *options: str) -> str:
        """Give what uv says against it, nothing if it can be installed."""
        command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--only-binary", ":all:"]
        command += ["--python-platform", platform, "--python-version", python, *options]
        done = subprocess.run(
            command, input="\n".join(requirements), capture_output=True, encoding="utf-8",
            env=os.environ | ({"MACOSX_DEPLOYMENT_TARGET": macos} if macos else {}),
        )  # fmt: skip
        return done.stderr if done.returncode else ""

    while True:
        message = resolve(wanted.values())
        if not message:
            # uv also blames old versions, which it tries because something else is missing
            return sorted(
                name for name in missing if resolve([listed.get(name, name)], "--no-deps")
            )
        blamed, asking = read_message(message)
        given_up = blamed & set(wanted) or asking & set(wanted)
        if not blamed or not given_up:
            raise RuntimeError(f"can't tell what is missing from:\n{message}")
        for name in given_up:
            del wanted[name]
        missing |= blamed


def read_message(message: str) -> tuple[set[str], set[str]]:
    """Name what uv says has no wheel that fits, and what of the list asks for that."""
    text = " ".join(message.split())  # uv breaks its lines
    hints = r"(?:found wheels|[Ww]heels are (?:available|required)) for `([\w.-]+)`"
    found = re.findall(hints, text), re.findall(r"you require ([\w.-]+)", text)
    blamed, asking = ({canonicalize_name(name) for name in names} for names in found)
    return blamed, asking


def write_card() -> None:
    """Ask for every system and Python, and write the table."""
    lines = [
        f"| system | {' | '.join(f'Python {python}' for python in PYTHONS)} |",
        "|---|" + "---|" * len(PYTHONS),
    ]
    for name, (platform, macos) in SYSTEMS.items():
        answers = []
        for python in PYTHONS:
            missing = missing_packages(platform, macos, python)
            answers.append(f"no: {', '.join(missing)}" if missing else "yes")
        lines.append(f"| {name} | {' | '.join(answers)} |")
        print(lines[-1], flush=True)
    CARD.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_card()
