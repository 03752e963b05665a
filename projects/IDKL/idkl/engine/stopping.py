"""A training that is asked to stop finishes its step, writes a checkpoint, and ends with a status of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

import torch
import torch.distributed as dist
from fastreid.utils import comm

# The status of a training that stopped when asked, with everything saved: ``--resume`` goes on. (EX_TEMPFAIL of BSD's
# sysexits: try again.)
STOPPED = 75
# Ctrl-C; what a scheduler sends before it takes a machine away; a terminal that closes.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME = 1.0  # seconds


class StopRequestedError(Exception):
    """Ends an evaluation that need not be finished now."""


class StopRequest:
    """Whether a signal has asked this process to stop. A second one ends it at once, as it does by default.

    Attributes:
        received: the signal, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._interruptible = False

    def listening(self) -> AbstractContextManager[None]:
        """Take the signals for as long as this lasts."""
        return on_signals(self._receive, _end)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal end what runs in here, by :class:`StopRequestedError`: something that changes no state.

        With several processes it does not, as the others would wait for this one.
        """
        self._interruptible = comm.get_world_size() == 1
        try:
            if self._interruptible and self.received is not None:
                raise StopRequestedError
            yield
        finally:
            self._interruptible = False

    def agreed(self) -> bool:
        """Whether any process was asked to stop; all processes call it after the same step."""
        asked = self.received is not None
        if comm.get_world_size() == 1:
            return asked
        flag = torch.tensor(int(asked))
        dist.all_reduce(flag, dist.ReduceOp.MAX, group=comm._get_global_gloo_group())
        return bool(flag)

    def _receive(self, number: int) -> None:
        self.received = number
        if self._interruptible:
            raise StopRequestedError


@contextmanager
def on_signals(first: Callable[[int], None], second: Callable[[int], None]) -> Iterator[None]:
    """Call ``first`` with the first signal that asks for an end and ``second`` with the next, but with none that are
    ignored (``nohup``). What follows within :data:`SAME` seconds is the same wish, sent to a process and its group."""
    since = 0.0

    def receive(number: int, frame: FrameType | None) -> None:
        nonlocal since
        if not since:
            since = time.monotonic()
            first(number)
        elif time.monotonic() > since + SAME:
            second(number)

    old = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in old.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, receive)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _end(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
