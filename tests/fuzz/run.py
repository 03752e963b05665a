"""Damaging files of a kind and reading them, in a process of its own: a crash or a hang is an outcome, too."""

from __future__ import annotations

import faulthandler
import logging
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, NamedTuple

from datasets_ext.errors import UserError

from .damage import clear, damage_file
from .kind import Kind, same

SECONDS = 20  # in which a file must be read or refused
MEMORY = 4 * 2**30  # bytes that reading may ask for beyond what the process has

GOOD = ("same", "refused", "other")
BAD = ("silent", "traceback", "several lines", "hang", "crash")


class Case(NamedTuple):
    """One damaged file: its number, the outcome, and what was done and came of it."""

    index: int
    outcome: str
    detail: str


class OutOfTime(BaseException):
    """Not an Exception: reading must not take it for damage."""


def run_cases(kind: Kind, seed: int, first: int, count: int, others: Sequence[bytes]) -> Iterator[Case]:
    """Damage and read ``count`` files. Case ``first`` + i depends on nothing but kind, seed and its number."""
    end = first + count
    pristine = {path: path.read_bytes() for path in kind.files}
    while first < end:
        for case in _in_child(lambda start=first: _cases(kind, seed, range(start, end), pristine, others)):
            yield case
            first = case.index + 1


def _cases(
    kind: Kind, seed: int, indices: range, pristine: Mapping[Path, bytes], others: Sequence[bytes]
) -> Iterator[Case]:
    for path, content in pristine.items():
        clear(path)  # what a crash may have left
        path.write_bytes(content)
    expected = kind.read()
    for index in indices:
        rng = Random(f"{kind.name} {seed} {index}")
        path = rng.choice(kind.files)
        done = damage_file(rng, path, others)
        yield Case(index, "begun", f"{path.name}: {done}")
        outcome, detail = _read(kind, path, expected)
        yield Case(index, outcome, detail)
        clear(path)
        path.write_bytes(pristine[path])


def _read(kind: Kind, path: Path, expected: Any) -> tuple[str, str]:
    signal.alarm(SECONDS)
    try:
        value = kind.read()
        if same(value, expected):
            return "same", ""
        return ("other" if kind.says(value, path) else "silent"), ""
    except UserError as error:
        lines = str(error).splitlines()
        return ("refused" if len(lines) == 1 else "several lines"), str(error)
    except OutOfTime:
        return "hang", ""
    except BaseException:
        return "traceback", traceback.format_exc()
    finally:
        signal.alarm(0)


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


def _in_child(cases: Callable[[], Iterator[Case]]) -> Iterator[Case]:
    """The finished cases of a forked process; if it dies or hangs in one, that one comes as the last."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(cases, writing)
    os.close(writing)
    begun: Case | None = None
    for case in _received(reading):
        if case is None:
            os.kill(child, signal.SIGKILL)
        elif case.outcome == "begun":
            begun = case
        else:
            yield case._replace(detail=f"{begun.detail if begun else ''} | {case.detail}")
            begun = None
    os.close(reading)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if begun is not None:
        yield Case(begun.index, "hang" if code == -signal.SIGKILL else "crash", f"{begun.detail} | exit {code}")
    elif code != 0:
        raise RuntimeError(f"the fuzzing process ended with {code} between two files")


def _be_child(cases: Callable[[], Iterator[Case]], writing: int) -> None:
    code = 1
    try:
        faulthandler.disable()
        logging.disable(logging.CRITICAL)
        signal.signal(signal.SIGALRM, _out_of_time)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
        for case in cases():
            text = f"{case.index}\0{case.outcome}\0{case.detail}".replace("\n", "\1")
            os.write(writing, text.encode("utf-8", "backslashreplace")[:30000] + b"\n")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _received(reading: int) -> Iterator[Case | None]:
    """Cases from the pipe; None when none came for too long, as Python's alarm does not reach into C code."""
    waiting = b""
    while True:
        if not select.select([reading], [], [], 3 * SECONDS)[0]:
            yield None
            return
        data = os.read(reading, 2**16)
        if not data:
            return
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            index, outcome, detail = line.decode().replace("\1", "\n").split("\0", 2)
            yield Case(int(index), outcome, detail)
