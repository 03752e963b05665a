"""The trainer: fast-reid's, on any device, with cross-modality loaders and evaluation."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from fastreid.config import CfgNode
from fastreid.engine import hooks
from fastreid.engine.train_loop import HookBase
from fastreid.evaluation import inference_on_dataset
from fastreid.modeling.meta_arch import build_model
from fastreid.utils import comm
from fastreid.utils.events import EventWriter, JSONWriter, TensorboardXWriter
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from datasets_ext.batches import DeviceLoader
from datasets_ext.errors import UserError
from datasets_ext.loaders import build_test_loader, build_train_loader

from ..evaluation.evaluator import CrossModalityEvaluator, FlipTest
from ..evaluation.results import RESULTS, Row, format_table
from ..modeling.pretrained import load_pretrained
from .checkpoint import SafeCheckpointer
from .checkpoint_hook import CheckpointHook
from .checks import evaluation_methods
from .data_parallel import data_parallel
from .hooks import EvalHook, LayerFreeze, ProgressBar, ReversalRamp, WriterHook
from .nonfinite import NonFiniteGuard
from .optimizer import LRScheduler, build_optimizer
from .provenance import keep_results
from .resumable import ResumableTrainer
from .selection import BestEpoch
from .train_step import TrainStep
from .trained_on import TrainingData
from .writers import LogWriter

logger = logging.getLogger(__name__)

UNTRAINED_RESULTS = "results_untrained.json"

Evaluation = tuple[DeviceLoader, CrossModalityEvaluator]


class Trainer(ResumableTrainer):
    """fast-reid's default trainer for visible-infrared data.

    The constructor stands in for fast-reid's, which needs a GPU (loader, DDP, AMP), fixes the epoch's length before
    it knows the sampler, and keeps parameters in contiguous copies that torch >= 2.0 silently stops training.

    Args:
        cfg: complete and checked (see :mod:`idkl.engine.setup`), with a seed.
    """

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__(cfg)
        data_loader, self.iters_per_epoch = self.build_train_loader(cfg)
        identities = data_loader.dataset.num_classes
        if cfg.MODEL.HEADS.NUM_CLASSES not in (0, identities):
            raise UserError(
                f"MODEL.HEADS.NUM_CLASSES is {cfg.MODEL.HEADS.NUM_CLASSES}, but {identities} identities train: give 0"
            )
        cfg = self.auto_scale_hyperparams(cfg, identities)
        # Before the first step: a protocol's missing file should not be found out after the first epochs.
        self.evaluations = {name: self.build_evaluator(cfg, name) for name in cfg.DATASETS.TESTS}
        model = self.build_model(cfg)
        optimizer = self.build_optimizer(cfg, model)
        if comm.get_world_size() > 1:
            model = data_parallel(cfg, model)
        amp = cfg.SOLVER.AMP
        self.guard = NonFiniteGuard(Path(cfg.OUTPUT_DIR), self.iters_per_epoch, cfg.SOLVER.NONFINITE_SKIPS)
        # A CPU is not made to wait by a look at a value, and a step can be skipped only before it is taken.
        looks = data_loader.device.type == "cpu" or self.guard.max_skips > 0
        dtype = getattr(torch, amp.DTYPE) if amp.ENABLED else None
        self._trainer = TrainStep(model, data_loader, optimizer, dtype, self.guard.handle, looks)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer, self.iters_per_epoch)
        self.best = BestEpoch(cfg.DATASETS.TESTS[0])
        states = {"optimizer": optimizer, **self.scheduler}
        if self.grad_scaler is not None:
            states["grad_scaler"] = self.grad_scaler
        self.checkpointer = SafeCheckpointer(
            model,
            cfg.OUTPUT_DIR,
            TrainingData.of(cfg, data_loader.dataset.split),
            save_to_disk=comm.is_main_process(),
            **states,
        )
        self.max_epoch = cfg.SOLVER.MAX_EPOCH
        self.max_iter = self.max_epoch * self.iters_per_epoch
        self.warmup_iters = cfg.SOLVER.WARMUP_ITERS
        self.delay_epochs = cfg.SOLVER.DELAY_EPOCHS
        self.cfg = cfg
        self.writer_hook = WriterHook(self.build_writers, cfg.SOLVER.LOG_PERIOD)
        self.checkpoint_hook = CheckpointHook(
            self.checkpointer,
            self.run_state,
            cfg.SOLVER.CHECKPOINT_PERIOD,
            cfg.SOLVER.CHECKPOINT_ITERS,
            cfg.SOLVER.CHECKPOINT_KEEP,
        )
        self.register_hooks(self.build_hooks())

    def build_hooks(self) -> list[HookBase]:
        cfg = self.cfg
        built: list[HookBase] = [hooks.IterationTimer()]
        if cfg.MODEL.IDKL.REVERSAL_RAMP > 0:
            built.append(ReversalRamp(self.model, cfg.MODEL.IDKL.REVERSAL_RAMP))
        if cfg.TEST.PRECISE_BN.ENABLED:
            built.append(hooks.PreciseBN(self.model, self._precise_bn_loader(), cfg.TEST.PRECISE_BN.NUM_ITER))
        if len(cfg.MODEL.FREEZE_LAYERS) > 0 and cfg.SOLVER.FREEZE_ITERS > 0:
            built.append(LayerFreeze(self.model, cfg.MODEL.FREEZE_LAYERS, cfg.SOLVER.FREEZE_ITERS))
        before = self._evaluate_untrained if cfg.TEST.EVAL_START else None
        # A run that is stopped in an evaluation begins it anew: what changes a state stands behind it.
        built += [
            EvalHook(cfg.TEST.EVAL_PERIOD, self._evaluate_and_keep, before, self.stop_request.interruptible),
            LRScheduler(self.optimizer, self.scheduler),
            self.writer_hook,
            self.checkpoint_hook,
        ]
        return [*built, ProgressBar()] if comm.is_main_process() else built

    def build_writers(self, written: int) -> list[EventWriter]:
        """The writers of the main process, which go on after iteration ``written``."""
        if not comm.is_main_process():
            return []
        folder = self.cfg.OUTPUT_DIR
        records = JSONWriter(os.path.join(folder, "metrics.json"))
        events = TensorboardXWriter(folder, purge_step=written + 1)
        records._last_write = events._last_write = written
        return [LogWriter(self.max_iter, self.iters_per_epoch, self.max_epoch), records, events]

    def _evaluate_and_keep(self) -> OrderedDict[str, Any]:
        results = self._last_eval_results = self.test(self.cfg, self.model, self.evaluations)
        if comm.is_main_process():
            judged = results if len(self.evaluations) == 1 else results[self.best.dataset]
            self.best.update(self.epoch, collect_rows(self.evaluations), judged["metric"])
        return results

    def _evaluate_untrained(self) -> None:
        results = self.evaluate(self.cfg, self.model, self.evaluations)
        if comm.is_main_process():
            rows = collect_rows(self.evaluations)
            self.storage.put_scalars(
                **{f"untrained/{name}": value for result in results.values() for name, value in result.items()},
                smoothing_hint=False,
            )
            keep_results(rows, Path(self.cfg.OUTPUT_DIR) / UNTRAINED_RESULTS)
            logger.info("The network before its first step\n%s", format_table(rows))

    def _precise_bn_loader(self) -> DeviceLoader:
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATALOADER.NUM_WORKERS = 0
        cfg.DATASETS.NAMES = (cfg.TEST.PRECISE_BN.DATASET,)
        return self.build_train_loader(cfg)[0]

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> tuple[DeviceLoader, int]:
        """The training loader and the number of its batches in an epoch."""
        return build_train_loader(cfg, seed=cfg.SEED, combineall=cfg.DATASETS.COMBINEALL)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str, output_dir: str | None = None) -> Evaluation:
        loader, root = build_test_loader(cfg, dataset_name)
        rules = cfg.TEST.GALLERY or None, *evaluation_methods(cfg)
        return loader, CrossModalityEvaluator(dataset_name, loader.dataset, root, *rules)

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        backbone = cfg.MODEL.BACKBONE
        if backbone.PRETRAIN and backbone.NAME == "build_resnet_backbone":
            # fast-reid's own ResNet would look for ImageNet weights with a package that it does not ask for.
            cfg = cfg.clone()
            cfg.defrost()
            cfg.MODEL.BACKBONE.PRETRAIN = False
            model = build_model(cfg)
            load_pretrained(model.backbone, backbone)
        else:
            model = build_model(cfg)
        if cfg.MODEL.CHANNELS_LAST:
            model = model.to(memory_format=torch.channels_last)
        if cfg.MODEL.COMPILE:
            model.backbone.compile()
        logger.debug("Model:\n%s", model)
        return model

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(cfg, model)

    @classmethod
    def evaluate(cls, cfg: CfgNode, model: nn.Module, evaluations: dict[str, Evaluation]) -> OrderedDict[str, Any]:
        """Run every test set's evaluator; results by dataset name."""
        if isinstance(model, DistributedDataParallel):  # each process runs its share of the images by itself
            model = model.module
        tested = FlipTest(model) if cfg.TEST.FLIP.ENABLED else model
        return OrderedDict(
            (name, inference_on_dataset(tested, loader, evaluator)) for name, (loader, evaluator) in evaluations.items()
        )

    @classmethod
    def test(
        cls, cfg: CfgNode, model: nn.Module, evaluations: dict[str, Evaluation] | None = None
    ) -> OrderedDict[str, Any]:
        """Evaluate, print the table and write ``results.json``.

        Args:
            evaluations: loader and evaluator of each of ``DATASETS.TESTS``; built when not given.

        Returns:
            The results of the only test set, or those of several by name.
        """
        if evaluations is None:
            evaluations = {name: cls.build_evaluator(cfg, name) for name in cfg.DATASETS.TESTS}
        results = cls.evaluate(cfg, model, evaluations)
        if comm.is_main_process():
            rows = collect_rows(evaluations)
            keep_results(rows, Path(cfg.OUTPUT_DIR) / RESULTS)
            logger.info("Results\n%s", format_table(rows))
        return next(iter(results.values())) if len(results) == 1 else results


def collect_rows(evaluations: dict[str, Evaluation]) -> list[Row]:
    """Result rows of all test sets, one after the other."""
    return [row for _, evaluator in evaluations.values() for row in evaluator.rows]
