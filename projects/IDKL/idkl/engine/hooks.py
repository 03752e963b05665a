"""fast-reid's hooks where a current stack or the record of a run needs them otherwise."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import tqdm
from fastreid.engine import hooks
from fastreid.engine.train_loop import HookBase
from fastreid.utils.events import EventWriter
from torch import nn
from tqdm.contrib.logging import logging_redirect_tqdm

from ..modeling.gradient_reversal import GradientReversal, ramp
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

    def before_epoch(self) -> None:
        if self._before is not None and self.trainer.iter == 0:
            with self._interruptible():
                self._before()

    def after_epoch(self) -> None:
        done = self.trainer.epoch + 1
        if done % self._period == 0 or done == self.trainer.max_epoch:
            with self._interruptible():
                self._do_eval()

    def after_train(self) -> None:
        pass


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
