"""Ways to damage a file."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

Damage = Callable[[Random, bytearray], None]

HUGE = [b"\xff" * 4, b"\xff" * 8, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00\x00\x01\x00", b"\x7f" + b"\xff" * 7]
NUMBERS = [
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"2147483648",
    b"99999999999999999999",
    b"0" * 50,
    b"9" * 5000,
    b"1_0",
    b"0x1",
]


def _range(rng: Random, data: bytearray) -> slice:
    start = rng.randrange(len(data))
    return slice(start, min(start + rng.choice([1, 2, 4, 8, 16, 64, 300]), len(data)))


def flip_bit(rng: Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def set_byte(rng: Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.choice([0, 9, 10, 13, 32, 45, 48, 57, 58, 127, 255, rng.randrange(256)])


def truncate(rng: Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def extend(rng: Random, data: bytearray) -> None:
    data += rng.choice([rng.randbytes(rng.randint(1, 99)), bytes(99), bytes(data)])


def insert(rng: Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    data[start:start] = rng.choice([rng.randbytes(rng.randint(1, 16)), b"\n", b" ", b",", b"\x00", b"../", b"{", b"["])


def remove(rng: Random, data: bytearray) -> None:
    del data[_range(rng, data)]


def duplicate(rng: Random, data: bytearray) -> None:
    chunk = bytes(data[_range(rng, data)])
    start = rng.randrange(len(data))
    data[start:start] = chunk * rng.choice([1, 1, 1, 40])


def swap(rng: Random, data: bytearray) -> None:
    first, second = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    size = min(rng.choice([1, 4, 8, 64]), second - first, len(data) - second)
    data[first : first + size], data[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )


def zero(rng: Random, data: bytearray) -> None:
    place = _range(rng, data)
    data[place] = bytes(len(data[place]))


def scramble(rng: Random, data: bytearray) -> None:
    place = _range(rng, data)
    data[place] = rng.randbytes(len(data[place]))


def huge_size(rng: Random, data: bytearray) -> None:
    """Most binary formats say somewhere how much is to come."""
    value = rng.choice(HUGE)
    start = rng.randrange(len(data))
    data[start : start + len(value)] = value


def other_number(rng: Random, data: bytearray) -> None:
    found = list(re.finditer(rb"[0-9]+", data))
    if found:
        place = rng.choice(found)
        data[place.start() : place.end()] = rng.choice([*NUMBERS, str(rng.randrange(100)).encode()])


DAMAGES: tuple[Damage, ...] = (
    *(flip_bit, set_byte, truncate, extend, insert, remove, duplicate, swap, zero, scramble, huge_size, other_number),
)


def damage_file(rng: Random, path: Path, others: Sequence[bytes]) -> str:
    """Damage the file at ``path``; what was done. Now and then something else takes its place.

    Args:
        others: contents of files of other kinds.
    """
    if rng.random() < 0.06:
        return _replace(rng, path, others)
    data = bytearray(path.read_bytes())
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if data:
            damage = rng.choice(DAMAGES)
            damage(rng, data)
            done.append(damage.__name__)
    path.write_bytes(data)
    return ", ".join(done)


def _replace(rng: Random, path: Path, others: Sequence[bytes]) -> str:
    what = rng.choice(["empty", "missing", "folder", "link to itself", "link to nothing", "another kind", "random"])
    path.unlink()
    if what == "empty":
        path.touch()
    elif what == "folder":
        path.mkdir()
    elif what == "link to itself":
        path.symlink_to(path)
    elif what == "link to nothing":
        path.symlink_to(path.with_name("nothing"))
    elif what == "another kind":
        path.write_bytes(rng.choice(others))
    elif what == "random":
        path.write_bytes(rng.randbytes(rng.randint(1, 3000)))
    return what


def clear(path: Path) -> None:
    """Take away whatever is at ``path``."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
