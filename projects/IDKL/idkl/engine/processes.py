"""Several processes of one program: the first that fails ends all, and what it says is said once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from datasets_ext.errors import UserError

from .group import LostProcessError
from .stopping import STOPPED, on_signals

PERIOD = 0.2  # seconds between two looks at the processes
PATIENCE = 5.0  # seconds that a process which has lost another waits for that one's own message
FAREWELL = 10.0  # seconds to end in when asked to


class Kind(IntEnum):
    """How a process failed; of several failures at once, the lowest is the cause."""

    MISTAKE = 0  # of the user
    DEFECT = 1  # of the program
    KILLED = 2
    LOST = 3  # the others


@dataclass(frozen=True, order=True)
class Failure:
    """That a process failed, and what there is to say about it."""

    kind: Kind
    rank: int
    text: str


class DefectError(Exception):
    """A process raised what is no user's mistake; the text is its traceback."""


def run_processes(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]], first_rank: int) -> None:
    """Run ``target(*one)`` in a process of its own for each of ``arguments``, until all have ended.

    When one fails all others are ended. They also end when this process does, however it ends.

    Args:
        target: importable by name, as are the classes of its arguments.
        first_rank: the number of the first process, for messages.

    Raises:
        UserError: the mistake that a process raised, or that one was killed.
        DefectError: a process raised anything else.
        SystemExit: with status :data:`~.stopping.STOPPED`, when all stopped as this process was asked to.
    """
    children = _start(target, arguments, first_rank)
    try:
        with _passed_on(children) as received:
            failure = _wait(children)
    finally:
        _end(children)
    if failure is None:
        if any(child.process.exitcode == STOPPED for child in children):
            raise SystemExit(STOPPED)
        return
    if received and failure.kind == Kind.KILLED:  # before it could be asked to stop
        raise KeyboardInterrupt
    if failure.kind == Kind.DEFECT:
        raise DefectError(f"process {failure.rank} failed\n{failure.text}")
    raise UserError(failure.text)


class _Child:
    """A started process, and where its report arrives."""

    def __init__(self, process: BaseProcess, reports: Connection, rank: int) -> None:
        self.process = process
        self._reports = reports
        self._rank = rank

    def failure(self) -> Failure | None:
        """What is known of it so far; None while it runs, and when it ended well."""
        status = self.process.exitcode  # before the report, which a process sends before it ends
        try:
            if self._reports.poll():
                kind, text = self._reports.recv()
                return Failure(kind, self._rank, text)
        except EOFError:
            pass
        if status is None or status in (0, STOPPED):
            return None
        return Failure(Kind.KILLED, self._rank, _describe(self._rank, status))


def _start(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]], first_rank: int) -> list[_Child]:
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and a GPU's state half
    method = multiprocessing.get_start_method()
    children = []
    # Ctrl-C and a hang-up reach all processes of a terminal: those started now ignore them, and this one asks them to
    # stop.
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        for rank, one in enumerate(arguments, first_rank):
            reports, sender = context.Pipe(duplex=False)
            process = context.Process(target=_child, args=(sender, method, target, one))
            process.start()
            sender.close()
            children.append(_Child(process, reports, rank))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return children


@contextmanager
def _passed_on(children: Sequence[_Child]) -> Iterator[list[int]]:
    """Ask the processes to stop when this one is asked to; a second signal ends them. Gives the signals received."""
    received: list[int] = []

    def ask(number: int) -> None:
        received.append(number)
        for child in children:
            child.process.terminate()

    def end(number: int) -> None:
        raise KeyboardInterrupt

    with on_signals(ask, end):
        yield received


def _wait(children: Sequence[_Child]) -> Failure | None:
    """Wait until all have ended well, or until it is known why one has not."""
    failures: dict[_Child, Failure] = {}
    since = 0.0
    while True:
        running = [child for child in children if child.process.is_alive()]
        for child in children:
            if child not in failures and (failure := child.failure()) is not None:
                since = since or time.monotonic()
                failures[child] = failure
        cause = min(failures.values(), default=None)
        # Others may fail in the same moment, all of the same mistake for example.
        patience = PATIENCE if cause is not None and cause.kind == Kind.LOST else PERIOD
        if not running or (cause is not None and time.monotonic() >= since + patience):
            return cause
        time.sleep(PERIOD)


def _end(children: Sequence[_Child]) -> None:
    for child in children:
        child.process.terminate()
    for child in children:
        child.process.join(FAREWELL)  # returns when its loader's workers are gone, too, which see to that themselves
        child.process.kill()
        child.process.join()


def _describe(rank: int, status: int) -> str:
    if status > 0:
        how = f"ended with status {status}"
    else:
        how = f"was killed by signal {-status}" + (" (often out of memory)" if -status == signal.SIGKILL else "")
    return (
        f"process {rank} {how}; the others were ended, too; a training goes on from its last checkpoint with --resume"
    )


def _child(report: Connection, method: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """What each process runs."""
    # A loader's workers start as they do in the first process. Left alone, Python would spawn them here: seconds each.
    multiprocessing.set_start_method(method, force=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        target(*arguments)
    except LostProcessError as error:
        _fail(report, Kind.LOST, str(error))
    except UserError as error:
        _fail(report, Kind.MISTAKE, str(error))
    except Exception:
        _fail(report, Kind.DEFECT, traceback.format_exc())


def _fail(report: Connection, kind: Kind, text: str) -> None:
    report.send((kind, text))
    sys.exit(2)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # at once: the main thread may wait for another process that is gone, too
