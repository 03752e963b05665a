"""A few damaged files of every kind; ``python -m tests.fuzz`` reads thousands."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from datasets_ext.errors import UserError

from . import run
from .damage import DAMAGES, clear, damage_file
from .kind import Kind, same
from .kinds import FAMILIES
from .run import BAD, GOOD, run_cases

COUNT = 12
SLOW = ("check_dataset", "config")  # read 3 each


@pytest.mark.parametrize("family", FAMILIES)
def test_damaged_files_are_read_as_they_are_or_refused_in_one_line(
    family: Callable[[Path], list[Kind]], tmp_path: Path
) -> None:
    kinds = family(tmp_path)
    others = [b"PK\x03\x04", b"{}", kinds[0].files[0].read_bytes()]
    for kind in kinds:
        count = 3 if kind.name.startswith(SLOW) else COUNT
        cases = list(run_cases(kind, 0, 0, count, others))
        assert [case.index for case in cases] == list(range(count))
        assert [case for case in cases if case.outcome in BAD] == []
        assert {case.outcome for case in cases} <= set(GOOD)


def _lines(path: Path) -> None:
    raise UserError("one\ntwo")


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda path: int(path.name), "traceback"),
        (lambda path: path.read_bytes(), "silent"),
        (lambda path: os.abort(), "crash"),
        (lambda path: os._exit(0), "crash"),
        (lambda path: time.sleep(60), "hang"),
        (_lines, "several lines"),
    ],
)
def test_what_a_bad_reader_does_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Any], outcome: str
) -> None:
    monkeypatch.setattr(run, "SECONDS", 1)
    path = tmp_path / "file"
    content = b"0123456789" * 9
    path.write_bytes(content)
    kind = Kind("bad", [path], lambda: content if path.read_bytes() == content else read(path))
    seed = next(s for s in range(99) if _damaged(Random(f"bad {s} 0"), path, content) not in (content, b"", None))
    first, second = run_cases(kind, seed, 0, 2, [b"other"])
    assert first.outcome == outcome, first
    assert (first.index, second.index) == (0, 1)  # what the first one left is gone


def _damaged(rng: Random, path: Path, content: bytes) -> bytes | None:
    rng.choice([path])
    damage_file(rng, path, [b"other"])
    found = path.read_bytes() if path.is_file() else None
    clear(path)
    path.write_bytes(content)
    return found


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_changes_a_file(damage: Callable[[Random, bytearray], None]) -> None:
    content = bytes(range(256)) + b"12345"
    changed = 0
    for seed in range(20):
        data = bytearray(content)
        damage(Random(seed), data)
        again = bytearray(content)
        damage(Random(seed), again)
        assert data == again
        changed += data != content
    assert changed >= 15


def test_sameness() -> None:
    values = [1, 1.0, "1", [1], (1,), {"a": 1}, np.ones(1), np.ones(1, np.float32), np.ones((1, 1)), None]
    for i, a in enumerate(values):
        assert [same(a, b) for b in values] == [i == j for j in range(len(values))]
    assert same(float("nan"), float("nan")) and same([np.nan], [np.nan]) and not same(np.array([0.0]), np.array([-0.0]))
