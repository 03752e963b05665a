"""The processes that read a loader's images: what is said when one of them dies, or when no batch comes."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import signal
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader, Sampler

from .dataset import CrossModalityDataset, Draw
from .errors import UserError

logger = logging.getLogger(__name__)

NAMED = 3  # images of a batch that an error names
_READING: weakref.WeakSet[BaseProcess] = weakref.WeakSet()

Indices = list[int] | list[Draw]


class DrawnBatches(Sampler[Indices]):
    """The batches of a sampler, or of a list, and which of them a loader has drawn and not yet given.

    Attributes:
        waiting: those, the first one drawn first.
    """

    def __init__(self, batches: Sampler[Indices] | list[list[int]]) -> None:
        self.batches = batches
        self.waiting: deque[Indices] = deque()

    def __iter__(self) -> Iterator[Indices]:
        self.waiting.clear()
        for batch in self.batches:
            self.waiting.append(batch)
            yield batch

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # an endless sampler has none


def leave_signals(_worker: int) -> None:
    """Let only the main process act on Ctrl-C, SIGTERM and a hang-up, which often go to a job's every process: it may
    still need its workers to end in good order, and ends them. Workers of a main process that is gone end by
    themselves."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def watched(loader: DataLoader[Any]) -> Iterator[dict[str, Any]]:
    """The batches of a loader over a :class:`CrossModalityDataset` that draws from :class:`DrawnBatches`.

    Its ``timeout`` is half of the seconds that a batch may take: after the first half a warning says so.

    Raises:
        UserError: a worker has died, or no batch came in time; the latter names the images that it waited for.
    """
    drawn: DrawnBatches = loader.batch_sampler  # type: ignore[assignment]
    before = set(multiprocessing.active_children())
    batches = iter(loader)
    workers = set(multiprocessing.active_children()) - before
    _READING.update(workers)
    _name_the_dead()
    try:
        while (batch := _next(batches, loader, drawn, workers)) is not None:
            drawn.waiting.popleft()
            yield batch
    finally:
        # Now: once garbage is collected, torch's queues may be gone before it tells the workers to end.
        if workers:
            batches._shutdown_workers()  # type: ignore[attr-defined]
            _kill(workers)


def _next(
    batches: Iterator[dict[str, Any]], loader: DataLoader[Any], drawn: DrawnBatches, workers: set[BaseProcess]
) -> dict[str, Any] | None:
    """The next batch; None at the end."""
    late = False
    while True:
        try:
            return next(batches, None)
        except RuntimeError as error:
            if not str(error).startswith("DataLoader timed out"):
                raise _explain(error) from None
        images = _images(loader.dataset, drawn.waiting[0])  # type: ignore[arg-type]
        if late:
            _kill(workers)
            raise UserError(
                f"no batch came for {2 * loader.timeout:g} seconds; it has the images {images}: see whether their disk "
                "answers, or raise DATALOADER.TIMEOUT"
            )
        logger.warning("No batch came for %g seconds; waiting for the images %s", loader.timeout, images)
        late = True


def _explain(error: RuntimeError) -> Exception:
    """What the user reads of an error of torch's loader; any other error as it is."""
    if isinstance(error.__cause__, UserError):  # raised by the handler below while the loader waited
        return error.__cause__
    return _dead(str(error)) if str(error).startswith("DataLoader worker") else error


def _dead(reason: str) -> UserError:
    first = reason.partition("\n")[0].replace("DataLoader worker", "the loader's worker").rstrip(". ")
    return UserError(
        f"{first}: if memory was short, lower DATALOADER.NUM_WORKERS or PREFETCH_FACTOR; NUM_WORKERS 0 reads without "
        "workers"
    )


def _images(dataset: CrossModalityDataset, batch: Indices) -> str:
    indices = [entry.index if isinstance(entry, Draw) else entry for entry in batch]
    names = ", ".join(dataset.img_items[index][0] for index in indices[:NAMED])
    return names + (f" and {len(indices) - NAMED} more" if len(indices) > NAMED else "")


def _name_the_dead() -> None:
    """Let the death of a worker be a UserError. torch raises a RuntimeError as soon as it hears of one, wherever the
    main process is then: mostly in a training step."""
    theirs = signal.getsignal(signal.SIGCHLD)
    if not callable(theirs) or theirs.__module__ != "torch.utils.data._utils.signal_handling":
        return  # there is no worker, or this was done before
    if threading.current_thread() is not threading.main_thread():
        return

    def raise_named(number: int, frame: FrameType | None) -> None:
        try:
            theirs(number, frame)
        except RuntimeError as error:
            raise _dead(str(error)) from None

    signal.signal(signal.SIGCHLD, raise_named)


def _kill(workers: Iterable[BaseProcess]) -> None:
    """End those that are still there, such as those that a stuck disk holds."""
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if in_main else None
    for worker in workers:
        if worker.is_alive():
            worker.kill()
            worker.join()
    if before is not None:  # Python has no handlers any more when it is about to end
        signal.signal(signal.SIGCHLD, before)


@atexit.register
def _end_all() -> None:
    """Python would wait at its end for workers that a stuck disk holds."""
    _kill(_READING)
