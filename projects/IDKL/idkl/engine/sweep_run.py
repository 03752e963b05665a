"""The runs of a sweep, each in a process of its own, one after the other or one on each GPU."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from datasets_ext.errors import UserError

from ..evaluation.results import RESULTS, read_results
from .setup import make_folder
from .stopping import STOPPED
from .sweep_plan import Run

OUTPUT = "output.txt"
POLL_SECONDS = 0.2
STOP_SECONDS = 60  # that a run is given to finish its step and write a checkpoint


@dataclass(frozen=True)
class _Child:
    run: Run
    process: subprocess.Popen[bytes]
    began: float


def train_runs(
    runs: Iterable[Run],
    command: Callable[[Run], list[str]],
    gpus: Sequence[str | None],
    lock: int,
    report: Callable[[Run, str], None],
) -> None:
    """Train ``runs``, as many at a time as there are ``gpus``; one that fails does not stop the others.

    Args:
        command: the command of a run. What it prints goes to ``output.txt`` in the run's folder.
        gpus: a CUDA device a place, or None to leave the choice to the run.
        lock: file descriptor that the runs inherit, of :func:`.sweep_folder.opened`.
        report: is told of each run that it started and how it ended.

    Raises:
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP came; the runs were stopped first.
    """
    waiting, free = deque(runs), list(gpus)
    children: dict[str | None, _Child] = {}
    with _signals() as received:
        try:
            while waiting or children:
                if received:
                    raise KeyboardInterrupt
                while waiting and free:
                    run, gpu = waiting.popleft(), free.pop(0)
                    children[gpu] = _start(run, command(run), gpu, lock)
                    report(run, "started" + (f" on GPU {gpu}" if gpu is not None else ""))
                time.sleep(POLL_SECONDS)
                for gpu in [gpu for gpu, child in children.items() if child.process.poll() is not None]:
                    child = children.pop(gpu)
                    free.append(gpu)
                    report(child.run, _outcome(child))
        finally:
            _stop(list(children.values()))


def visible_gpus(numbers: Sequence[int], count: int) -> list[str]:
    """``CUDA_VISIBLE_DEVICES`` for each of the ``numbers`` among the ``count`` GPUs that this process sees.

    Raises:
        UserError: there is no such GPU, or one is named twice.
    """
    if len(set(numbers)) < len(numbers):
        raise UserError(f"--gpus {' '.join(map(str, numbers))} names a GPU twice: each trains one run at a time")
    if wrong := [number for number in numbers if not 0 <= number < count]:
        raise UserError(f"--gpus {wrong[0]}, but this machine has {count}, counted from 0: name others")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return [visible[number] if len(visible) >= count and visible[0] else str(number) for number in numbers]


def _start(run: Run, command: list[str], gpu: str | None, lock: int) -> _Child:
    make_folder(run.folder)
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu is not None else {})
    with (run.folder / OUTPUT).open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=[lock],
            start_new_session=True,  # a Ctrl-C at the terminal reaches the sweep alone, which stops the runs
        )
    return _Child(run, process, time.monotonic())


def _outcome(child: _Child) -> str:
    spent = datetime.timedelta(seconds=round(time.monotonic() - child.began))
    if child.process.returncode == 0:
        first = read_results(child.run.folder / RESULTS)[0]
        return f"finished in {spent}: Rank-1 {first['Rank-1']:.2f}, mAP {first['mAP']:.2f}"
    if child.process.returncode == STOPPED:
        return f"stopped after {spent} as it was asked to; the same command goes on with it"
    path = child.run.folder / OUTPUT
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    message = lines[-1].strip() if lines else "no message"
    return f"failed after {spent}: {message} (see {path})"


def _stop(children: Sequence[_Child]) -> None:
    """End the runs, which save what they did, and the workers of each."""
    for child in children:
        if child.process.poll() is None:
            os.killpg(child.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that ask for an end, but for those that are ignored (``nohup``), instead of ending."""
    received: list[int] = []
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in old.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
