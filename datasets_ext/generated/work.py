"""What every layout shares: the parameters, and the drawing of many people by several processes."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from datasets_ext.errors import UserError
from datasets_ext.generated.folder import begin, finish, is_complete
from datasets_ext.generated.identity import CueStrength
from datasets_ext.generated.sight import AS_DESCRIBED

GENERATOR_VERSION = 1  # raise it whenever the same parameters no longer give the same bytes
MOST = 9999  # identities and images are numbered with four digits
LINES = 5  # of progress, where no terminal shows a bar


@dataclass(frozen=True)
class Parameters:
    """What determines a generated data set."""

    layout: str
    ids: int
    images: int
    seed: int
    cues: CueStrength

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        for name, value, least, most in (
            ("--ids", self.ids, 4, MOST),
            ("--images", self.images, 1, MOST),
            ("--seed", self.seed, 0, 2**31 - 1),
        ):
            if not least <= value <= most:
                raise UserError(f"{name} is {value}: give a whole number from {least} to {most}")

    def as_json(self) -> dict[str, Any]:
        """The content of generated.json."""
        record = {"generator_version": GENERATOR_VERSION, **asdict(self)}
        if self.cues.specific == AS_DESCRIBED:  # as drawn before there was a choice: such a folder stays complete
            del record["cues"]["specific"]
        return record


def halves(ids: int, entropy: list[int]) -> tuple[list[int], list[int]]:
    """Identities 1..``ids`` in random order, half for training, half (rounded down) for test."""
    order = (1 + np.random.default_rng(entropy).permutation(ids)).tolist()
    return order[ids // 2 :], order[: ids // 2]


def generate(
    root: Path,
    parameters: Parameters,
    write_person: Callable[[Path, Parameters, int], int],
    write_lists: Callable[[Path, Parameters], None],
    workers: int,
) -> bool:
    """Write a data set into ``root`` unless it is there; whether it was written.

    ``write_person(root, parameters, pid)`` runs in ``workers`` processes and returns the number of its images.
    Raises UserError for a folder that holds anything else and for what the file system refuses.
    """
    if workers < 1:
        raise UserError(f"--workers is {workers}: give at least 1")
    record = parameters.as_json()
    try:
        if is_complete(root, record):
            return False
        begin(root, record)
        _for_each(partial(write_person, root, parameters), range(1, parameters.ids + 1), workers)
        write_lists(root, parameters)
        finish(root)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write the data set to {root}: {reason}; make that possible or choose another --root"
        ) from error
    return True


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends the workers


def _for_each(write: Callable[[int], int], pids: Sequence[int], workers: int) -> None:
    """Call ``write(pid)`` for every identity, with one worker in this process. Raises UserError if one was killed."""
    if workers == 1:
        _report(map(write, pids), len(pids))
        return
    # Forking is safe here (no threads run yet) and spares each worker the slow import of torch.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(min(workers, len(pids)), context, _ignore_interrupt) as pool:
        try:
            _report(pool.map(write, pids), len(pids))
        except BrokenProcessPool as error:
            raise UserError("a drawing process was killed (out of memory?): try fewer --workers") from error
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C draw no further people


def _report(counts: Iterable[int], people: int) -> None:
    """A bar on a terminal, else a few lines, as each person is done."""
    terminal = sys.stderr.isatty()
    images = 0
    bar = tqdm(counts, total=people, unit="person", disable=not terminal)
    for done, count in enumerate(bar, start=1):
        images += count
        if not terminal and (done * LINES) // people > ((done - 1) * LINES) // people:
            print(f"drew {done} of {people} people, {images} images", flush=True)
