"""How long training steps take, side by side, and how close they come to what the device can do."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastreid.config import CfgNode
from tabulate import tabulate

from datasets_ext.errors import UserError

from .ceilings import Ceilings, precision_of
from .measured_step import MeasuredStep, count_memory_and_work

_LOSSES = 5  # times that the losses are measured, after the steps


@dataclass(frozen=True)
class Setting:
    """A config to measure, and what the table calls it."""

    name: str
    cfg: CfgNode


@dataclass(frozen=True)
class StepTime:
    """One measured setting of the training step. What is None was not to be had."""

    name: str
    images: int  # of a step
    seconds: float  # median of the measured steps
    quartiles: tuple[float, float]  # between which the middle half of the steps lies
    images_per_second: float
    ratio: float  # how many times as fast as the first setting: median over pairs of steps
    losses_seconds: float | None  # of the losses' forward and backward pass by themselves
    losses_share: float | None  # of the step
    peak_gib: float | None  # the most memory in use at a time, measured by the GPU's allocator
    counted_gib: float | None  # the same by counting: parameters, gradients, Adam's moments, activations
    tflop: float | None  # of a step
    matmul_share: float | None  # of the measured rate of matrix products in the setting's precision
    copy_share: float | None  # of the measured rate of copies, for the bytes that operations read and write


@dataclass(frozen=True)
class _Raw:
    """What the clock and the allocator said of a setting."""

    seconds: list[float]
    losses_seconds: float | None
    peak_gib: float | None


def time_training_step(settings: Sequence[Setting], ceilings: Ceilings, warmup: int, steps: int) -> list[StepTime]:
    """Measure the whole step (forward, losses, backward, optimizer) of every setting on synthetic data.

    On a CPU the settings take turns, step by step, so that other work on the machine slows all alike; on a GPU they
    run one after the other, each with the memory to itself. All begin with the same weights, each with its own model.

    Args:
        settings: on one device; ratios are against the first.
        ceilings: of that device in the settings' precisions.
        warmup: steps before the measured ones.
        steps: measured steps.

    Raises:
        UserError: the settings are not on one device, one does not fit into the GPU's memory, or a loss is not finite.
    """
    device = torch.device(settings[0].cfg.MODEL.DEVICE)
    if any(torch.device(setting.cfg.MODEL.DEVICE) != device for setting in settings):
        raise UserError("settings are compared on one device: leave MODEL.DEVICE out of --vs")
    counts = [count_memory_and_work(setting.cfg) for setting in settings]
    turns = [settings] if device.type == "cpu" else [[setting] for setting in settings]
    raw = [result for together in turns for result in _measure(together, warmup, steps)]
    results = []
    for setting, measured, counted in zip(settings, raw, counts, strict=True):
        pairs = zip(raw[0].seconds, measured.seconds, strict=True)
        ratio = statistics.median(first / own for first, own in pairs)
        results.append(_summary(setting, measured, counted, ceilings, ratio))
    return results


def measure_alone(cfg: CfgNode, warmup: int, steps: int) -> float:
    """Images per second of ``cfg``'s step on synthetic data, by the median of the measured steps."""
    (raw,) = _measure([Setting("", cfg)], warmup, steps)
    return cfg.SOLVER.IMS_PER_BATCH / statistics.median(raw.seconds)


def _measure(settings: Sequence[Setting], warmup: int, steps: int) -> list[_Raw]:
    """Settings that take turns."""
    is_cuda = settings[0].cfg.MODEL.DEVICE.startswith("cuda")
    if is_cuda:
        gc.collect()  # the setting before may be held by a cycle
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    if any(setting.cfg.MODEL.COMPILE for setting in settings):
        torch.compiler.reset()  # it compiles the code of a few models only, and then silently runs it as it is
    try:
        measured = [MeasuredStep(setting.cfg) for setting in settings]
        seconds = [[step.run() for step in measured] for _ in range(warmup + steps)][warmup:]
    except torch.OutOfMemoryError:
        names = ", ".join(setting.name for setting in settings)
        raise UserError(f"{names}: does not fit into the GPU's memory; lower SOLVER.IMS_PER_BATCH") from None
    peak = torch.cuda.max_memory_allocated() / 2**30 if is_cuda else None
    results = []
    for step, own in zip(measured, zip(*seconds, strict=True), strict=True):
        step.check_losses()
        losses = [value for _ in range(_LOSSES) if (value := step.time_losses()) is not None]
        results.append(_Raw(list(own), statistics.median(losses) if losses else None, peak))
    return results


def _summary(setting: Setting, raw: _Raw, counted: Any, ceilings: Ceilings, ratio: float) -> StepTime:
    seconds, images = statistics.median(raw.seconds), setting.cfg.SOLVER.IMS_PER_BATCH
    low, high = np.percentile(raw.seconds, [25, 75]).tolist()
    memory, work = counted or (None, None)
    ceiling = ceilings.matmul[precision_of(setting.cfg)]
    return StepTime(
        name=setting.name,
        images=images,
        seconds=seconds,
        quartiles=(low, high),
        images_per_second=images / seconds,
        ratio=ratio,
        losses_seconds=raw.losses_seconds,
        losses_share=None if raw.losses_seconds is None else raw.losses_seconds / seconds,
        peak_gib=raw.peak_gib,
        counted_gib=None if memory is None else memory.total / 2**30,
        tflop=None if work is None else work.flops / 1e12,
        matmul_share=None if work is None else work.flops / 1e12 / seconds / ceiling,
        copy_share=None if work is None else work.bytes_moved / 1e9 / seconds / ceilings.copy,
    )


def describe_step(cfg: CfgNode) -> str:
    """One line: the model and its batch."""
    height, width = cfg.INPUT.SIZE_TRAIN
    what = f"{cfg.MODEL.META_ARCHITECTURE}, ResNet {cfg.MODEL.BACKBONE.DEPTH}"
    return f"{what}, {cfg.SOLVER.IMS_PER_BATCH} images of {height}x{width}"


def format_step_times(results: Sequence[StepTime]) -> str:
    """A text table, a line a setting."""
    rows = [
        (
            r.name,
            f"{r.seconds:.3f}",
            "{:.3f}..{:.3f}".format(*r.quartiles),
            f"{r.images_per_second:.1f}",
            f"{r.ratio:.2f}",
            _show(r.losses_share, ".1%"),
            _show(r.peak_gib, ".2f"),
            _show(r.counted_gib, ".2f"),
            _show(r.tflop, ".3g"),
            _show(r.matmul_share, ".0%"),
            _show(r.copy_share, ".0%"),
        )
        for r in results
    ]
    headers = (
        *("setting", "s / step", "middle half", "images / s", "times the first", "losses", "peak GiB"),
        *("counted GiB", "TFLOP / step", "of matmul", "of copy"),
    )
    return tabulate(rows, headers, disable_numparse=True)


def format_growth(results: Sequence[StepTime]) -> str:
    """A text table of how the step grows with the batch: what an image costs, and what of it the losses take."""
    rows = [
        (
            r.images,
            f"{r.seconds:.3f}",
            "{:.3f}..{:.3f}".format(*r.quartiles),
            f"{1e3 * r.seconds / r.images:.2f}",
            "-" if r.losses_seconds is None else f"{1e3 * r.losses_seconds:.2f}",
            _show(r.losses_share, ".2%"),
        )
        for r in results
    ]
    headers = ("images", "s / step", "middle half", "ms / image", "ms of the losses", "share of the step")
    return tabulate(rows, headers, disable_numparse=True, colalign=("right",) * len(headers))


def _show(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
