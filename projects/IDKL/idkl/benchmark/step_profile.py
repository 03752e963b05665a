"""Where a training step's time goes, operation by operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastreid.config import CfgNode
from tabulate import tabulate
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from .measured_step import MeasuredStep

_NAME = 70  # letters of an operation's name in the table: those of GPU kernels are long


@dataclass(frozen=True)
class Operation:
    """One kind of operation: on a GPU a kernel, on a CPU one of torch's operators."""

    name: str
    calls: float  # a step
    seconds: float  # a step, without the operations that it calls itself
    share: float  # of the time of all operations


def profile_step(cfg: CfgNode, warmup: int, steps: int) -> list[Operation]:
    """Profile the training step on synthetic data; the longest operations come first.

    Args:
        warmup: steps before the profiled ones.
        steps: profiled steps, 1 or more.
    """
    step = MeasuredStep(cfg)
    for _ in range(warmup):
        step.run()
    is_cuda = step.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if is_cuda else ProfilerActivity.CPU]) as profiler:
        for _ in range(steps):
            step.run()
    events = [event for event in profiler.key_averages() if not event.is_user_annotation]
    if is_cuda:
        events = [event for event in events if event.device_type == DeviceType.CUDA]
    times = [(event, event.self_device_time_total if is_cuda else event.self_cpu_time_total) for event in events]
    total = sum(time for _, time in times)
    times.sort(key=lambda pair: -pair[1])
    return [Operation(event.key, event.count / steps, 1e-6 * time / steps, time / total) for event, time in times]


def format_profile(operations: Sequence[Operation], top: int) -> str:
    """A text table of the ``top`` longest operations and of all others together."""
    rows = [(op.name[:_NAME], f"{op.calls:g}", f"{1e3 * op.seconds:.2f}", f"{op.share:.1%}") for op in operations[:top]]
    if others := operations[top:]:
        seconds, share = sum(op.seconds for op in others), sum(op.share for op in others)
        calls = sum(op.calls for op in others)
        rows.append((f"{len(others)} others", f"{calls:g}", f"{1e3 * seconds:.2f}", f"{share:.1%}"))
    alignment = ("left", "right", "right", "right")
    return tabulate(
        rows, ("operation", "calls / step", "ms / step", "share"), disable_numparse=True, colalign=alignment
    )
