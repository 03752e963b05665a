"""The training loop: it can be stopped anywhere, and goes on as if it had not been."""

from __future__ import annotations

import errno
import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastreid.config import CfgNode
from fastreid.engine.defaults import DefaultTrainer
from fastreid.utils import comm
from fastreid.utils.events import EventStorage

from datasets_ext.errors import UserError

from .checkpoint import SafeCheckpointer
from .history import History, forget_after, history_of, restore_history
from .logs import is_defect
from .random_state import random_state, restore_random_state
from .stopping import STOPPED, StopRequest, StopRequestedError

if TYPE_CHECKING:
    from .checkpoint_hook import CheckpointHook
    from .hooks import WriterHook
    from .nonfinite import NonFiniteGuard
    from .selection import BestEpoch
    from .train_step import TrainStep

logger = logging.getLogger(__name__)

# What the file system says when it takes no more.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EACCES, errno.EPERM)


class ResumableTrainer(DefaultTrainer):
    """fast-reid's trainer with a loop over single steps, and everything that a run must know to go on.

    A subclass builds the parts below in its constructor.

    Attributes:
        start_iter: the step to begin with, from 0.
        start_epoch: how many epochs have ended, with their evaluation. When the steps of one more are done
            (``start_iter`` says so), what follows its last step is still to be done.
        stop_request: whether somebody asked for an end.
    """

    _trainer: TrainStep
    checkpointer: SafeCheckpointer
    checkpoint_hook: CheckpointHook
    writer_hook: WriterHook
    guard: NonFiniteGuard
    best: BestEpoch
    iters_per_epoch: int
    max_epoch: int

    def __init__(self, cfg: CfgNode) -> None:
        super(DefaultTrainer, self).__init__()
        self.cfg = cfg
        self.start_epoch = self.start_iter = 0
        self.stop_request = StopRequest()
        self._history: History = {}

    def run_state(self, epochs: int, steps: int) -> dict[str, Any]:
        """What a checkpoint says of the run besides its model, optimizer and schedule; all processes call it.

        Args:
            epochs: that have ended.
            steps: that are done.
        """
        return {
            "epoch": epochs - 1,  # the last one that ended, as fast-reid counts
            "iteration": steps,
            "iters_per_epoch": self.iters_per_epoch,
            "seed": self.cfg.SEED,
            "random_states": comm.all_gather(random_state()),
            "history": history_of(self.storage),
            "written": self.writer_hook.written,
            "skipped": self.guard.skipped,
            "best": self.best.state_dict(),
        }

    def resume_or_load(self, resume: bool = True) -> None:
        """Go on from the run folder's last checkpoint if ``resume`` and there is one, else load ``MODEL.WEIGHTS``.

        Raises:
            UserError: the checkpoint cannot be read, or is of a run that this config would not go on with.
        """
        if not (resume and self.checkpointer.has_checkpoint()):
            self.checkpointer.start_from(self.cfg.MODEL.WEIGHTS)
            return
        state = self.checkpointer.resume()
        self._check_same_run(state)
        self.start_epoch, self.start_iter = state["epoch"] + 1, state["iteration"]
        self.data_loader.batch_sampler.start_at(*divmod(self.start_iter, self.iters_per_epoch))
        self.optimizer._opt_called = True  # in another process: else torch may warn of a schedule that steps first
        self._history = state["history"]
        self.writer_hook.written = state["written"]
        self.guard.skipped = state["skipped"]
        self.best.load_state_dict(state["best"])
        self._restore_random_state(state["random_states"])
        if comm.is_main_process():
            forget_after(Path(self.cfg.OUTPUT_DIR) / "metrics.json", state["written"])
        logger.info(
            "Going on after iteration %d, in epoch %d of %d", self.start_iter, self.start_epoch + 1, self.max_epoch
        )

    def _check_same_run(self, state: dict[str, Any]) -> None:
        folder = self.cfg.OUTPUT_DIR
        if state["seed"] != self.cfg.SEED:
            raise UserError(
                f"the run in {folder} has SEED {state['seed']}, not {self.cfg.SEED}: leave SEED out, or choose another "
                "OUTPUT_DIR"
            )
        if state["iters_per_epoch"] != self.iters_per_epoch:
            raise UserError(
                f"an epoch of the run in {folder} has {state['iters_per_epoch']} iterations, with this config and data "
                f"it has {self.iters_per_epoch}: give the same images and batches, or choose another OUTPUT_DIR"
            )

    def _restore_random_state(self, states: list[dict[str, Any]]) -> None:
        if len(states) == comm.get_world_size():
            restore_random_state(states[comm.get_rank()])
        else:
            logger.warning("The run had %d processes: random states are not those it would have had", len(states))

    def train(self) -> OrderedDict[str, Any]:
        """Train to the last epoch.

        Returns:
            The last evaluation's results. A run that is finished already is only evaluated.

        Raises:
            SystemExit: with status :data:`STOPPED`, when a signal asked to stop; a checkpoint is written then.
        """
        if self.start_epoch >= self.max_epoch:
            logger.info("All %d epochs are done; raise SOLVER.MAX_EPOCH to train on", self.max_epoch)
            self.epoch = self.start_epoch - 1
            return self._evaluate_and_keep()
        with EventStorage(self.start_iter) as self.storage, self.stop_request.listening():
            restore_history(self.storage, self._history)
            self.iter, self.epoch = self.start_iter, self.start_epoch
            try:
                with _said_in_one_line():
                    self._run()
            except StopRequestedError:
                self._stop()
            except Exception as error:
                if is_defect(error):
                    logger.exception("The training failed at iteration %d", self.iter)
                raise
            finally:
                self._trainer.close()
                with _said_in_one_line():
                    self.after_train()
        return self._last_eval_results

    def _run(self) -> None:
        self.before_train()
        for epoch in range(self.start_epoch, self.max_epoch):
            self.epoch = epoch
            self.before_epoch()
            while self.iter < (epoch + 1) * self.iters_per_epoch:
                self.before_step()
                self.run_step()
                self.after_step()
                self.iter += 1
                if self.stop_request.agreed():
                    raise StopRequestedError
            self.storage.iter = self.iter - 1  # also when all its steps were done before the run was stopped
            self.after_epoch()

    def after_step(self) -> None:
        done = self.iter + 1
        is_logged = done % self.cfg.SOLVER.LOG_PERIOD == 0 or done % self.iters_per_epoch == 0
        if is_logged or self.checkpoint_hook.is_due(done):
            self._trainer.write_metrics()
        super().after_step()

    def _stop(self) -> None:
        """Write a checkpoint of the steps done, say where, and end."""
        self._trainer.write_metrics()
        name = self.checkpoint_hook.save(self.epoch, self.iter)
        logger.info(
            "Stopped as asked after iteration %d, in epoch %d of %d; saved %s: --resume goes on from there",
            self.iter,
            self.epoch + 1,
            self.max_epoch,
            Path(self.cfg.OUTPUT_DIR) / name,
        )
        raise SystemExit(STOPPED)


@contextmanager
def _said_in_one_line() -> Iterator[None]:
    """Let a full or read-only disk end the run with what was wrong, where, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise UserError(
            f"the run folder cannot be written{where}: {error.strerror}; free space or mend it, then --resume goes on "
            "from the last checkpoint"
        ) from None
