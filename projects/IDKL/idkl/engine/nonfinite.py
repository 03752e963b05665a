"""What happens when a loss or a gradient is infinite or NaN."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from fastreid.utils import comm
from torch import Tensor, nn

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

logger = logging.getLogger(__name__)

GRADIENT = "the gradient"


class NonFiniteGuard:
    """Names what became infinite or NaN, writes which images were in that batch, and stops the run or lets it skip.

    Args:
        folder: of the run, where ``nonfinite_<iteration>.json`` is written.
        iters_per_epoch: steps of an epoch.
        max_skips: steps that a whole run may skip; 0: the first one stops it.

    Attributes:
        skipped: steps skipped so far.
    """

    def __init__(self, folder: Path, iters_per_epoch: int, max_skips: int) -> None:
        self._folder = folder
        self._iters_per_epoch = iters_per_epoch
        self.max_skips = max_skips
        self.skipped = 0

    def handle(self, iteration: int, names: Sequence[str], paths: Sequence[str]) -> None:
        """Write the batch down; return if the step is to be skipped.

        Args:
            iteration: of the step, from 0.
            names: of the loss terms, or :data:`GRADIENT` where every loss was finite.
            paths: of the batch's images.

        Raises:
            UserError: no more step may be skipped.
        """
        epoch = iteration // self._iters_per_epoch + 1
        path = self._folder / f"nonfinite_{iteration:07d}.json"
        record = {"epoch": epoch, "iteration": iteration, "terms": list(names), "img_paths": list(paths)}
        if comm.is_main_process():
            write_atomically(path, lambda file: file.write(json.dumps(record, indent=2).encode()))
        found = f"{', '.join(names)} became infinite or NaN in epoch {epoch} at iteration {iteration}"
        if self.skipped < self.max_skips:
            self.skipped += 1
            logger.warning(
                "%s: step skipped, %d of at most %d (SOLVER.NONFINITE_SKIPS); its images are in %s",
                found,
                self.skipped,
                self.max_skips,
                path,
            )
            return
        skipped = f" after {self.skipped} skipped steps" if self.skipped else ""
        raise UserError(
            f"{found}{skipped}; its images are in {path}: lower SOLVER.BASE_LR or the term's weight; --resume goes on "
            "from the last checkpoint"
        )


def blame(model: nn.Module, losses: dict[str, Tensor]) -> list[str]:
    """Which loss terms have an infinite or NaN gradient by themselves; :data:`GRADIENT` where none has.

    Args:
        losses: of ``model``, with their graph.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    guilty = []
    for name, loss in losses.items():
        if loss.requires_grad:
            gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            if not all(gradient.isfinite().all() for gradient in gradients if gradient is not None):
                guilty.append(f"{GRADIENT} of {name}")
    return guilty or [GRADIENT]


@torch.no_grad()
def restore_buffers(model: nn.Module, buffers: Sequence[Tensor]) -> None:
    """Copy back what the model's buffers (such as running statistics) were."""
    for buffer, kept in zip(model.buffers(), buffers, strict=True):
        buffer.copy_(kept)
