"""Seeded ways to spoil bytes and JSON documents."""

from __future__ import annotations

import copy
import json
import struct
import zlib
from random import Random

EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Whole numbers at which sizes and counts go wrong."""

DEEP = "[" * 100_000
TEXTS = (
    *("", " ", "\0", "\n", "..", "../../outside", "/etc/passwd", "C:\\x", "..\\..\\x", "~root"),
    *("=1+1", "\u202egpj.exe", "\ud800", "é" * 300, "self", "nan", "1e999", "0" * 5000, "x" * 5000),
    *("None", "__class__", "{0}", "%s", "\x1b[2J", "int32", "object", "file:///etc/passwd"),
)
VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, -0.0),
    *(1e308, float("inf"), float("-inf"), float("nan"), [], {}, [[]], [None], {"": None}),
    *([1, "a", None], {"value": {}}, [{}], [[1, 2], [3]]),
    *TEXTS,
)
"""What no key of a document expects."""


def mutate(
    random: Random, content: bytes, others: tuple[bytes, ...] = (), tokens: tuple[bytes, ...] = ()
) -> bytes:
    """Spoil some content in one to six ways; `others` are spliced in, `tokens` are planted."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 6))):
        if not data:
            data += random.randbytes(random.randrange(1, 40))
        kind = random.randrange(10 if tokens else 9)
        # headers are where most of a format's numbers are, so half of all changes go there
        limit = min(len(data), 256) if random.random() < 0.5 else len(data)
        place = random.randrange(limit)
        if kind in (0, 1):
            for _ in range(random.choice((1, 1, 4, 16))):
                data[random.randrange(limit)] ^= 1 << random.randrange(8)
        elif kind == 2:
            data[place] = random.choice((0, 1, 0x20, 0x7F, 0x80, 0xFE, 0xFF))
        elif kind == 3:
            width, form = random.choice(((2, "H"), (4, "I"), (8, "Q")))
            number = random.choice(EDGES) & ((1 << 8 * width) - 1)
            data[place : place + width] = struct.pack(random.choice("<>") + form, number)
        elif kind == 4:
            del data[place:]
        elif kind == 5:
            del data[place : place + random.choice((1, 2, 4, 16, 256))]
        elif kind == 6:
            data[place:place] = random.randbytes(random.choice((1, 2, 4, 16, 256)))
        elif kind == 7:
            part = bytes(data[place : place + random.choice((1, 4, 16, 64, 1024))])
            data[place:place] = part * random.choice((1, 2, 50))
        elif kind == 8 and others:
            other = random.choice(others)
            start = random.randrange(len(other) or 1)
            data[place : place + random.randrange(1, 200)] = other[start : start + 200]
        elif kind == 9:
            token = random.choice(tokens)
            if random.random() < 0.5:
                data[place:place] = token
            else:
                data[place : place + len(token)] = token
    return bytes(data)


def spoil_document(random: Random, document: object) -> bytes:
    """Spoil a JSON document: values, keys and structure; a quarter of them as bytes too."""
    if random.random() < 0.02:
        return random.choice(
            (DEEP.encode(), b'{"a":' * 50_000, b"1" * 5000, b"\xff\xfe", b'"\\ud800"', b"{}" * 2)
        )
    document = copy.deepcopy(document)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        places = list(_places(document))
        if not places:
            document = random.choice(VALUES)
            break
        holder, key = random.choice(places)
        kind = random.randrange(6)
        if kind <= 2:
            holder[key] = copy.deepcopy(random.choice(VALUES))
        elif kind == 3:
            del holder[key]
        elif kind == 4 and isinstance(holder, dict):
            holder[random.choice(TEXTS)] = holder.pop(key)
        else:
            other, name = random.choice(places)
            if name in (other if isinstance(other, dict) else range(len(other))):
                holder[key] = copy.deepcopy(other[name])
    text = json.dumps(document, ensure_ascii=random.random() < 0.5)
    content = text.encode("utf-8", "surrogatepass")
    return mutate(random, content) if random.random() < 0.25 else content


def _places(document: object) -> list[tuple[object, object]]:
    """Give (container, key) of every value in a document."""
    found, waiting = [], [document]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])
    return found if isinstance(document, (dict, list)) else []


def mend_png(content: bytes) -> bytes:
    """Give a spoilt PNG its check sums back, so that what lies behind them is read."""
    data, place = bytearray(content), 8
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        end = place + 8 + size
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data)
