"""A training step on synthetic data that can be timed, with its losses apart."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from fastreid.config import CfgNode
from fastreid.utils.events import EventStorage
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException

from datasets_ext.errors import UserError

from ..device import synchronize
from ..engine.setup import set_precision
from ..engine.train_step import TrainStep
from ..engine.trainer import Trainer
from ..modeling.map_tensors import map_tensors
from .step_counts import StepCounts, count_step
from .step_memory import StepMemory, step_memory


class SyntheticLoader:
    """The same random batch on the device again and again, in the sampler's order: it costs a step nothing.

    Args:
        cfg: its batch size, instances, image size and device.

    Raises:
        UserError: the batch size holds no whole number of identities.
    """

    def __init__(self, cfg: CfgNode) -> None:
        self.device = torch.device(cfg.MODEL.DEVICE)
        rows, instances = cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE
        if instances < 2 or instances % 2 or rows % instances:
            raise UserError(
                f"SOLVER.IMS_PER_BATCH {rows} must be a multiple of DATALOADER.NUM_INSTANCE {instances}, and that even"
            )
        images = torch.rand(rows, 3, *cfg.INPUT.SIZE_TRAIN, generator=torch.Generator().manual_seed(0)) * 255
        targets = torch.arange(rows // instances).repeat_interleave(instances // 2).repeat(2)
        modalities = torch.arange(2).repeat_interleave(rows // 2)
        batch = {"images": images, "targets": targets, "modalities": modalities}
        self.batch = {name: value.to(self.device) for name, value in batch.items()}

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield dict(self.batch)


def for_synthetic_data(cfg: CfgNode, *overrides: Any) -> CfgNode:
    """``cfg`` with random weights and, where it does not say their number, SYSU-MM01's 395 identities.

    Args:
        overrides: KEY, VALUE, KEY, VALUE, ...
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.BACKBONE.PRETRAIN = False
    cfg.MODEL.HEADS.NUM_CLASSES = cfg.MODEL.HEADS.NUM_CLASSES or 395
    cfg.merge_from_list(list(overrides))
    return cfg


class MeasuredStep:
    """The whole step of ``cfg``: forward, losses, backward, optimizer. Every step of the same ``cfg`` begins with the
    same weights."""

    def __init__(self, cfg: CfgNode) -> None:
        cfg = for_synthetic_data(cfg)
        set_precision(cfg)
        torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
        torch.manual_seed(0)
        self._loader = SyntheticLoader(cfg)
        self.device = self._loader.device
        self.model = Trainer.build_model(cfg)
        amp = cfg.SOLVER.AMP
        dtype = getattr(torch, amp.DTYPE) if amp.ENABLED else None
        optimizer, looks = Trainer.build_optimizer(cfg, self.model), self.device.type == "cpu"
        self._step = TrainStep(self.model, self._loader, optimizer, dtype, _refuse, looks)
        self._step.iter = 0
        self._storage = EventStorage()
        self._outputs: Any = None  # of the head, without their graph
        self._criterion: Any = getattr(self.model, "criterion", None)
        if self._criterion is not None:
            self._hook = self.model.get_submodule("heads").register_forward_hook(self._keep_outputs)

    def _keep_outputs(self, _module: nn.Module, _inputs: Any, outputs: Any) -> None:
        self._outputs = map_tensors(outputs, Tensor.detach)
        self._hook.remove()

    def run(self) -> float:
        """Seconds of one step. A GPU is waited for before and after, so that the time is the step's own."""
        with self._storage:  # where fast-reid's Baseline writes to
            synchronize(self.device)
            start = time.perf_counter()
            self._step.run_step()
            synchronize(self.device)
            seconds = time.perf_counter() - start
        self._step.iter += 1
        return seconds

    def check_losses(self) -> dict[str, float]:
        """The losses of the last step so far, by name.

        Raises:
            UserError: one of the steps so far had a loss that was infinite or NaN; on a CPU :meth:`run` says so itself.
        """
        with self._storage as storage:
            self._step.write_metrics()
        return {name: value for name, (value, _) in storage.latest().items() if name.startswith("loss")}

    def time_losses(self) -> float | None:
        """Seconds of the criterion's forward and backward pass, from the head's outputs of the first step and back to
        them; None for a model whose losses are not apart. On a GPU no less than within the step, where the next
        operation is prepared while one runs."""
        if self._criterion is None:
            return None
        outputs = map_tensors(self._outputs, lambda value: value.detach().requires_grad_())
        synchronize(self.device)
        start = time.perf_counter()
        batch = self._loader.batch
        sum(self._criterion(outputs, batch["targets"], batch["modalities"]).values()).backward()
        synchronize(self.device)
        return time.perf_counter() - start


def _refuse(iteration: int, names: Sequence[str], paths: Sequence[str]) -> None:
    raise UserError(f"{', '.join(names)} became infinite or NaN at iteration {iteration}: lower SOLVER.BASE_LR")


def count_memory_and_work(cfg: CfgNode) -> tuple[StepMemory, StepCounts] | None:
    """What a step of ``cfg`` holds at its peak, and what it has to compute and move, without what it computes twice to
    save memory. None for a model that asks for the content of its input, as fast-reid's Baseline does."""
    amp = cfg.SOLVER.AMP
    dtype = getattr(torch, amp.DTYPE) if amp.ENABLED else None
    frugal = for_synthetic_data(cfg, "MODEL.COMPILE", False)
    plain = for_synthetic_data(frugal, "MODEL.BACKBONE.CHECKPOINT_STAGES", (), "MODEL.BACKBONE.CHUNKS", 1)
    batch = SyntheticLoader(plain).batch
    model = Trainer.build_model(plain)
    try:
        memory = step_memory(model if frugal == plain else Trainer.build_model(frugal), batch, dtype)
        return memory, count_step(model, batch, dtype)
    except DataDependentOutputException:
        return None
