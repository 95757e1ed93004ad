"""What every target has: valid files, spoilt ones, and a reader that must take or refuse them."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from mutations import mutate, spoil_document


class Target:
    """A reader and the file that it is given.

    Attributes
    ----------
    path : Path
        The file that is spoilt.
    name : str
        What a message has to say, so that a user finds the file.
    seeds : tuple of bytes
        Valid contents.
    tokens : tuple of bytes
        Planted into them.
    """

    file = "hostile.bin"
    tokens: tuple[bytes, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / self.file
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.name = self.path.name
        self.seeds = tuple(self.make_seeds())
        for seed in self.seeds:  # the valid ones must be taken, or the test tests nothing
            self.put(seed)
            self.read()

    def make_seeds(self) -> list[bytes]:
        raise NotImplementedError

    def put(self, content: bytes) -> None:
        self.path.write_bytes(content)

    def make(self, random: Random) -> bytes:
        content = mutate(random, random.choice(self.seeds), self.seeds, self.tokens)
        self.put(content)
        return content

    def read(self) -> None:
        raise NotImplementedError


class Document(Target):
    """A JSON document, spoilt in its structure or as bytes."""

    file = "hostile.json"

    def document(self) -> dict:
        raise NotImplementedError

    def make_seeds(self) -> list[bytes]:
        self.valid = self.document()
        return [json.dumps(self.valid).encode()]

    def make(self, random: Random) -> bytes:
        content = spoil_document(random, self.valid)
        self.put(content)
        return content
