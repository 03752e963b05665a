"""The line of a training log."""

from __future__ import annotations

import datetime
import logging
import sys

import torch
from fastreid.utils.events import EventStorage, EventWriter, get_event_storage

logger = logging.getLogger(__name__)

LEADING = ("total_loss", "cls_accuracy")
WINDOW = 20  # steps that a smoothed value covers, as in fast-reid's other writers


class LogWriter(EventWriter):
    """Logs epoch, iteration, losses, accuracies, learning rate, speed and time left.

    Stands in for fast-reid's printer, which divides by zero in its first lines.

    Args:
        max_iter: steps of the whole training.
        iters_per_epoch: steps of an epoch.
        max_epoch: epochs of the whole training.
    """

    def __init__(self, max_iter: int, iters_per_epoch: int, max_epoch: int) -> None:
        self._max_iter = max_iter
        self._iters_per_epoch = iters_per_epoch
        self._max_epoch = max_epoch

    def write(self) -> None:
        storage = get_event_storage()
        done = storage.iter + 1
        epoch = storage.iter // self._iters_per_epoch + 1
        parts = [f"epoch {epoch}/{self._max_epoch} iter {done}/{self._max_iter}", *_values(storage)]
        latest = storage.latest()
        parts.append(f"lr {latest['lr'][0]:.2e}")
        if "images_per_second" in latest:  # not where all steps so far were skipped
            parts.append(f"{latest['images_per_second'][0]:.1f} images/s")
        if "time" in latest:
            seconds = storage.history("time").median(1000) * (self._max_iter - done)
            parts.append(f"eta {datetime.timedelta(seconds=int(seconds))}")
        if torch.cuda.is_available():
            parts.append(f"max_mem {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB")
        # On a terminal the progress bar tells of the steps, and the line of an epoch's end is enough.
        is_short = sys.stdout.isatty() and done % self._iters_per_epoch != 0
        logger.log(logging.DEBUG if is_short else logging.INFO, "  ".join(parts))


def _values(storage: EventStorage) -> list[str]:
    """``name value`` of the total, the accuracies and every loss term, each the median of the last steps."""
    names = [name for name in storage.histories() if name.startswith("loss_") or name.endswith("_accuracy")]
    ordered = [*LEADING, *(name for name in names if name not in LEADING)]
    return [
        f"{name.removeprefix('loss_')} {storage.history(name).median(WINDOW):.3g}"
        for name in ordered
        if name in storage.histories()
    ]
