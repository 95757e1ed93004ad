"""Write data_cards/dependencies.md: version and licence of all that requirements.lock installs.

`make licences` runs this. The licences are what pip-licenses reads from the installed packages;
what is not installed on the machine that writes the list, or names none, is in `READ_BY_HAND`.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "data_cards" / "dependencies.md"

ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT"),
    *("MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib"),
    "MPL-2.0",  # asks for the source of changed files of the package itself, and we change none
}
"""Licences that let anyone use, change and pass on affectkit together with the package."""

READ_BY_HAND = {
    "aiohappyeyeballs": "PSF-2.0",
    "aiohttp": "Apache-2.0 AND MIT",
    "aiosignal": "Apache-2.0",
    "appnope": "BSD-2-Clause",
    "colorama": "BSD",
    "frozenlist": "Apache-2.0",
    "multidict": "Apache-2.0",
    "namex": "Apache-2.0",
    "propcache": "Apache-2.0",
    "pywinpty": "MIT",
    "yarl": "Apache-2.0",
}
"""For other platforms and Pythons, from the metadata of their wheels; namex from its file."""

SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""SPDX's names of what packages write; "BSD" does not tell which one."""

BUNDLED = {
    r"lib(avcodec|avformat|avutil|avfilter|avdevice|swscale|swresample)\b": (
        "FFmpeg",
        "LGPL-2.1-or-later; shared libraries that can be replaced",
    ),
    r"libQt5\w+": ("Qt 5", "LGPL-3.0; shared libraries that can be replaced"),
    r"lib(gfortran|gomp|gcc_s|stdc\+\+)\b": (
        "GCC's runtime libraries",
        "GPL-3.0-or-later with GCC's runtime exception, which frees what uses them",
    ),
    r"libx265\b": ("x265", "GPL-2.0; an encoder, which affectkit never calls"),
    r"lib(heif|de265)\b": (
        "libheif and libde265",
        "LGPL-3.0; shared libraries that can be replaced",
    ),
    r"libquadmath\b": ("GCC's libquadmath", "LGPL-2.1-or-later; a shared library"),
}
"""Copyleft libraries inside wheels, by the names of their files."""

HEAD = """\
# What affectkit installs, and under which licence

Written by `make licences` from requirements.lock and from what the installed packages say about
themselves (pip-licenses): change that script, not this list. affectkit contains none of these
packages; pip fetches them. `BSD` stands where a package does not say which one. What is needed for
several things is named with the first: run time, an extra (`affectkit[onnx]`), or development.
"""


def normalise(name: str) -> str:
    """Write a package's name as the lock does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock() -> dict[str, tuple[str, set[str]]]:
    """Read requirements.lock: version of each package, and the names of those that need it."""
    pins: dict[str, tuple[str, set[str]]] = {}
    parents: set[str] = set()
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if pin := re.match(r"([a-z0-9][\w.-]*)==([^\s;\\]+)", line):
            parents = set()
            pins[normalise(pin[1])] = (pin[2], parents)
        elif parent := re.match(r"    #   (?:via )?([\w.-]+)|    # via ([\w.-]+)", line):
            parents.add(normalise(parent[1] or parent[2]))
    return pins


def find_uses() -> dict[str, str]:
    """Tell what each package of the lock is for: "run time", an extra's name, or "development"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    groups = {"run time": project["dependencies"]}
    groups |= {name: extras[name] for name in extras if name != "dev"}
    groups["development"] = extras["dev"]
    pins = read_lock()
    uses: dict[str, str] = {}
    for use, requirements in groups.items():
        names = {normalise(re.match(r"[\w.-]+", text).group()) for text in requirements}
        while names:
            for name in names:
                uses.setdefault(name, use)
            names = {name for name in pins if pins[name][1] & names} - set(uses)
    return {name: uses[name] for name in sorted(pins)}


def read_licences() -> dict[str, str]:
    """Ask pip-licenses for the licence of each installed package."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--with-system"]
    command += ["--format=json", f"--python={sys.executable}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = {}
    for row in json.loads(done.stdout):
        parts = [SPELLINGS.get(part, part) for part in re.split(r"; ", row["License"])]
        parts = [part for part in parts if part != "DFSG approved"]
        found[normalise(row["Name"])] = " AND ".join(dict.fromkeys(parts))
    return found


def is_allowed(licence: str) -> bool:
    """Tell whether an expression is: with AND all of its parts, with OR one of them."""
    return all(
        any(part.strip("() ") in ALLOWED for part in re.split(r"\bOR\b", parts))
        for parts in re.split(r"\bAND\b", licence)
    )


def find_bundled() -> dict[str, list[str]]:
    """Name the installed packages whose wheels hold copyleft libraries, by kind of library."""
    pins = read_lock()
    found: dict[str, set[str]] = {}
    for distribution in importlib.metadata.distributions():
        name = normalise(distribution.metadata["Name"])
        for file in distribution.files or () if name in pins else ():
            for pattern, (library, terms) in BUNDLED.items():
                if re.match(pattern, Path(file).name) and ".so" in Path(file).name:
                    found.setdefault(f"{library} ({terms})", set()).add(name)
    return {kind: sorted(found[kind]) for kind in sorted(found)}


def read_list(text: str) -> dict[str, tuple[str, str, str]]:
    """Read the list: version, licence and use of each package."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (\d\S*) \| (.+) \| (.+) \|$", text, flags=re.MULTILINE)
    return {name: (version, licence, use) for name, version, licence, use in rows}


def find_problems(
    pins: dict[str, tuple[str, set[str]]],
    uses: dict[str, str],
    listed: dict[str, tuple[str, str, str]],
) -> list[str]:
    """Compare the list with the lock, and its licences with what may be; one line a problem."""
    problems = [f"{name} is listed, but not in the lock" for name in listed if name not in pins]
    for name, (version, _) in pins.items():
        if name not in listed:
            problems.append(f"{name} {version} is not listed: run `make licences`")
            continue
        listed_version, licence, use = listed[name]
        if (listed_version, use) != (version, uses[name]):
            problems.append(
                f"{name} is listed as {listed_version} for {use}, it is {version} for "
                f"{uses[name]}: run `make licences`"
            )
        if licence == "UNKNOWN":
            problems.append(f"{name} names no licence: read its files, and note it in READ_BY_HAND")
        elif uses[name] != "development" and not is_allowed(licence):
            problems.append(f"{name}: {licence} is not in ALLOWED")
    return problems


def write_list() -> None:
    """Write the list.

    Raises
    ------
    SystemExit
        If a licence is unknown, or not in `ALLOWED`; nothing is written then.
    """
    pins, uses, licences = read_lock(), find_uses(), read_licences()
    listed = {}
    for name, (version, _) in sorted(pins.items()):
        licence = licences.get(name, "UNKNOWN")
        if licence == "UNKNOWN":
            licence = READ_BY_HAND.get(name, licence)
        listed[name] = (version, licence, uses[name])
    if problems := find_problems(pins, uses, listed):
        raise SystemExit("\n".join(problems))
    rows = [f"| {name} | {' | '.join(row)} |\n" for name, row in listed.items()]
    bundled = [f"- {kind}: in {', '.join(names)}\n" for kind, names in find_bundled().items()]
    LIST.write_text(
        f"{HEAD}\n## Other than permissive\n\n"
        "Of what is needed at run time, only libraries inside wheels, as built for Linux:\n\n"
        f"{''.join(bundled)}\n## All\n\n| package | version | licence | for |\n|---|---|---|---|\n"
        f"{''.join(rows)}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    write_list()
