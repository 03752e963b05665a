"""How long a training step takes, in full and in mixed precision."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from fastreid.config import CfgNode
from fastreid.utils.events import EventStorage
from tabulate import tabulate

from .train_step import TrainStep
from .trainer import Trainer

MODES = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class StepTime:
    """One measured mode of the training step."""

    mode: str
    seconds: float  # median of the measured steps
    images_per_second: float
    ratio: float  # how many times as fast as the first mode of the run
    peak_memory_gib: float | None  # of the GPU's allocator; None on a CPU


class SyntheticLoader:
    """The same random batch on the device again and again, in the sampler's order: it costs a step nothing.

    Args:
        cfg: its batch size, instances, image size and device.
    """

    def __init__(self, cfg: CfgNode) -> None:
        self.device = torch.device(cfg.MODEL.DEVICE)
        rows, per_modality = cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE // 2
        images = torch.rand(rows, 3, *cfg.INPUT.SIZE_TRAIN, generator=torch.Generator().manual_seed(0)) * 255
        targets = torch.arange(rows // 2 // per_modality).repeat_interleave(per_modality).repeat(2)
        modalities = torch.arange(2).repeat_interleave(rows // 2)
        batch = {"images": images, "targets": targets, "modalities": modalities}
        self._batch = {name: value.to(self.device) for name, value in batch.items()}

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            yield dict(self._batch)


def time_training_step(cfg: CfgNode, modes: list[str], warmup: int, steps: int) -> list[StepTime]:
    """Measure the whole step (forward, losses, backward, optimizer) of ``cfg``'s model on synthetic data.

    Every mode begins with the same weights. A GPU is waited for around each step, so that a step's time is its own.

    Args:
        modes: of :data:`MODES`; ratios are against the first.
        warmup: steps before the measured ones.
        steps: measured steps; their median is reported.
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.BACKBONE.PRETRAIN = False
    cfg.MODEL.HEADS.NUM_CLASSES = cfg.MODEL.HEADS.NUM_CLASSES or 395  # those of SYSU-MM01
    results: list[StepTime] = []
    for mode in modes:
        seconds, memory = _measure(cfg, mode, warmup, steps)
        first = results[0].seconds if results else seconds
        results.append(StepTime(mode, seconds, cfg.SOLVER.IMS_PER_BATCH / seconds, first / seconds, memory))
    return results


def _measure(cfg: CfgNode, mode: str, warmup: int, steps: int) -> tuple[float, float | None]:
    torch.manual_seed(0)
    loader = SyntheticLoader(cfg)
    model = Trainer.build_model(cfg)
    optimizer, _ = Trainer.build_optimizer(cfg, model)
    step = TrainStep(model, loader, optimizer, MODES[mode])
    is_cuda = loader.device.type == "cuda"
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    with EventStorage() as storage:
        for iteration in range(warmup + steps):
            step.iter = storage.iter = iteration
            start = time.perf_counter()
            step.run_step()
            if is_cuda:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        step.write_metrics()
    memory = torch.cuda.max_memory_allocated() / 2**30 if is_cuda else None
    return statistics.median(seconds[warmup:]), memory


def format_step_times(results: list[StepTime]) -> str:
    """A text table, a line a mode."""
    rows = [
        (r.mode, f"{r.seconds:.3f}", f"{r.images_per_second:.1f}", f"{r.ratio:.2f}", _memory(r.peak_memory_gib))
        for r in results
    ]
    return tabulate(rows, ("mode", "s / step", "images / s", "times the first", "peak memory"), disable_numparse=True)


def _memory(gib: float | None) -> str:
    return "not measured" if gib is None else f"{gib:.2f} GiB"
