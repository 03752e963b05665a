"""fast-reid's hooks where a current stack or the record of a run needs them otherwise."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import tqdm
from fastreid.engine import hooks
from fastreid.engine.train_loop import HookBase
from fastreid.utils import comm
from fastreid.utils.events import EventWriter
from tqdm.contrib.logging import logging_redirect_tqdm

from .checkpoint import SafeCheckpointer
from .checkpoint_file import run_checkpoints
from .logs import LOGGERS


class EvalHook(hooks.EvalHook):
    """Evaluates every ``period`` epochs and after the last one, and, if asked, before the first step.

    fast-reid evaluates a last epoch that the period misses only after the writers wrote and the final checkpoint was
    saved, and does so even when that epoch failed.

    Args:
        evaluate: what is run; it changes no state of the training.
        before: the same before the first step; None: not.
        interruptible: a context in which a request to stop may end it.
    """

    def __init__(
        self,
        period: int,
        evaluate: Callable[[], dict[str, Any]],
        before: Callable[[], Any] | None,
        interruptible: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__(period, evaluate)
        self._before = before
        self._interruptible = interruptible

    def before_train(self) -> None:
        if self._before is not None and self.trainer.start_iter == 0:
            with self._interruptible():
                self._before()

    def after_epoch(self) -> None:
        done = self.trainer.epoch + 1
        if done % self._period == 0 or done == self.trainer.max_epoch:
            with self._interruptible():
                self._do_eval()

    def after_train(self) -> None:
        pass


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
        """Steps that a periodic checkpoint has behind it, by its name; 0 for the best and the final one."""
        number = path.stem.removeprefix("model_")
        if number.startswith("iter"):
            return int(number.removeprefix("iter"))
        return (int(number) + 1) * self.trainer.iters_per_epoch if number.isdecimal() else 0


class WriterHook(HookBase):
    """Writes every ``period`` steps and once an epoch, after the evaluation, which then is always recorded.

    Args:
        build: the writers, which begin after the given iteration.

    Attributes:
        written: the last iteration written.
    """

    def __init__(self, build: Callable[[int], list[EventWriter]], period: int) -> None:
        self._build = build
        self._period = period
        self._writers: list[EventWriter] = []
        self.written = -1

    def before_train(self) -> None:
        self._writers = self._build(self.written)

    def after_step(self) -> None:
        step = self.trainer.iter + 1
        if step % self._period == 0 and step % self.trainer.iters_per_epoch != 0:
            self._write()

    def after_epoch(self) -> None:
        self._write()

    def _write(self) -> None:
        for writer in self._writers:
            writer.write()
        self.written = self.trainer.storage.iter

    def after_train(self) -> None:
        for writer in self._writers:
            writer.close()


class LayerFreeze(hooks.LayerFreeze):
    """fast-reid's, but the layers stay frozen after an evaluation, which puts all of a model into training again."""

    def before_step(self) -> None:
        if self.is_frozen and self.trainer.iter < self.freeze_iters:
            for name, module in self.model.named_children():
                if name in self.freeze_layers:
                    module.eval()
        super().before_step()


class ProgressBar(HookBase):
    """A progress bar over all steps with the loss, when the output is a terminal."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def before_train(self) -> None:
        self._bar = tqdm.tqdm(
            total=self.trainer.max_iter,
            initial=self.trainer.start_iter,
            unit="step",
            disable=not sys.stdout.isatty(),
            file=sys.stdout,
        )
        self._stack.enter_context(self._bar)
        if not self._bar.disable:
            self._stack.enter_context(logging_redirect_tqdm(LOGGERS))
            for logger in LOGGERS:
                logger.handlers[-1].setLevel(logging.INFO)  # tqdm's stand-in for the terminal's handler takes all

    def after_step(self) -> None:
        latest = self.trainer.storage.latest()
        if "total_loss" in latest:
            self._bar.set_postfix(epoch=self.trainer.epoch + 1, loss=f"{latest['total_loss'][0]:.3g}", refresh=False)
        self._bar.update()

    def after_train(self) -> None:
        self._stack.close()
