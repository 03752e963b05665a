"""When a training writes its checkpoints, and which of them stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastreid.engine.train_loop import HookBase
from fastreid.utils import comm

from .checkpoint import SafeCheckpointer
from .checkpoint_file import run_checkpoints


class CheckpointHook(HookBase):
    """Saves every ``period`` epochs, every ``iterations`` steps, and at the end; keeps the newest ``keep`` of these
    files, the best and the final one.

    It stands after all hooks that change a state, and runs in every process, since each adds its random state.

    Args:
        state: what a checkpoint says beside the model and its optimizer, given how many epochs have ended and how many
            steps are done.
        iterations: 0: at epochs only.
    """

    def __init__(
        self,
        checkpointer: SafeCheckpointer,
        state: Callable[[int, int], dict[str, Any]],
        period: int,
        iterations: int,
        keep: int,
    ) -> None:
        self._checkpointer = checkpointer
        self._state = state
        self._period = period
        self._iterations = iterations
        self._keep = keep

    def is_due(self, steps: int) -> bool:
        """Whether a checkpoint is written once this many steps are done, apart from those at an epoch's end."""
        return self._iterations > 0 and steps % self._iterations == 0

    def after_step(self) -> None:
        if self.is_due(self.trainer.iter + 1):
            self.save(self.trainer.epoch, self.trainer.iter + 1)

    def save(self, epochs: int, steps: int) -> str:
        """Write a checkpoint between two steps, with so many of both done; returns its file name."""
        name = f"model_iter{steps:07d}"
        self._checkpointer.save(name, **self._state(epochs, steps))
        self._forget_old()
        return f"{name}.pth"

    def after_epoch(self) -> None:
        epoch = self.trainer.epoch
        state = self._state(epoch + 1, self.trainer.iter)
        if self.trainer.best.epoch == epoch:
            self._checkpointer.save("model_best", tag=False, **state)
        if epoch + 1 == self.trainer.max_epoch:
            self._checkpointer.save("model_final", **state)
        elif (epoch + 1) % self._period == 0:
            self._checkpointer.save(f"model_{epoch:04d}", **state)
        self._forget_old()

    def _forget_old(self) -> None:
        if comm.is_main_process():
            names = [path for path in run_checkpoints(Path(self._checkpointer.save_dir)) if self._steps(path)]
            for path in sorted(names, key=self._steps)[: -self._keep]:
                path.unlink()

    def _steps(self, path: Path) -> int:
        """Steps that a periodic checkpoint has behind it, by its name; 0 for the best, the final one, and any other."""
        name = re.fullmatch(r"model_(iter)?(\d+)", path.stem, re.ASCII)
        if name is None:
            return 0
        number = int(name[2])
        return number if name[1] else (number + 1) * self.trainer.iters_per_epoch
