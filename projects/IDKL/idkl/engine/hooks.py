"""fast-reid's hooks where a current stack or the record of a run needs them otherwise."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tqdm
from fastreid.engine import hooks
from fastreid.engine.train_loop import HookBase
from torch import nn
from tqdm.contrib.logging import logging_redirect_tqdm

from ..modeling.gradient_reversal import GradientReversal, ramp
from .logs import LOGGERS


class EvalHook(hooks.EvalHook):
    """Evaluates every ``period`` epochs and after the last one, and, if asked, before the first step.

    fast-reid evaluates a last epoch that the period misses only after the writers wrote and the final checkpoint was
    saved, and does so even when that epoch failed.
    """

    def __init__(self, period: int, evaluate: Callable[[], dict[str, Any]], before: Callable[[], Any] | None) -> None:
        super().__init__(period, evaluate)
        self._before = before

    def before_train(self) -> None:
        if self._before is not None and self.trainer.start_epoch == 0:
            self._before()

    def after_epoch(self) -> None:
        done = self.trainer.epoch + 1
        if done % self._period == 0 or done == self.trainer.max_epoch:
            self._do_eval()

    def after_train(self) -> None:
        pass


class CheckpointHook(hooks.PeriodicCheckpointer):
    """Saves every ``period`` epochs and at the end; keeps the newest ``keep`` periodic files, the best and the final.

    The best is judged on a fresh evaluation only, and the value to beat is saved with every checkpoint.
    """

    def __init__(self, checkpointer: Any, period: int, keep: int) -> None:
        super().__init__(checkpointer, period)
        self.best_metric = -1.0
        self._keep = keep

    def after_epoch(self) -> None:
        epoch, storage = self.trainer.epoch, self.trainer.storage
        metric, iteration = storage.latest().get(self.metric_name, (-1.0, -1))
        is_best = iteration == storage.iter and metric > self.best_metric
        if is_best:
            self.best_metric = metric
        extra = {"epoch": epoch, "metric": metric, "best_metric": self.best_metric}
        if is_best:
            self.checkpointer.save("model_best", **extra)
        if epoch + 1 == self.max_epoch:
            self.checkpointer.save("model_final", **extra)
        elif (epoch + 1) % self.period == 0:
            self.checkpointer.save(f"model_{epoch:04d}", **extra)
        self._forget_old()

    def _forget_old(self) -> None:
        periodic = sorted(Path(self.checkpointer.save_dir).glob("model_[0-9]*.pth"))
        for path in periodic[: -self._keep]:
            path.unlink()


class WriterHook(hooks.PeriodicWriter):
    """Writes every ``period`` steps and once an epoch, after the evaluation, which then is always recorded."""

    def after_step(self) -> None:
        step = self.trainer.iter + 1
        if step % self._period == 0 and step % self.trainer.iters_per_epoch != 0:
            for writer in self._writers:
                writer.write()


class ReversalRamp(HookBase):
    """Lets a model's gradient reversal grow to its full strength over the first epochs.

    The strength follows from the iteration alone, so that a resumed run has the one that it would have had.

    Args:
        model: whose every :class:`GradientReversal` is set before each step.
        epochs: until the full strength.
    """

    def __init__(self, model: nn.Module, epochs: float) -> None:
        reversals = [module for module in model.modules() if isinstance(module, GradientReversal)]
        self._full = [(reversal, reversal.scale) for reversal in reversals]
        self._epochs = epochs

    def before_step(self) -> None:
        share = ramp(self.trainer.iter / (self._epochs * self.trainer.iters_per_epoch))
        for reversal, scale in self._full:
            reversal.scale = scale * share


class ProgressBar(HookBase):
    """A progress bar over all steps with the loss, when the output is a terminal."""

    def before_train(self) -> None:
        self._stack = ExitStack()
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
