"""How long embedding takes, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from tabulate import tabulate

from .agreement import Embed

BATCHES = (1, 16)
RUNS = 11  # measured, after one that is not


@dataclass(frozen=True)
class Latency:
    """Median milliseconds of a batch by what embeds it."""

    batch: int
    milliseconds: dict[str, float]


def time_embedding(functions: Mapping[str, Embed], size: tuple[int, int]) -> list[Latency]:
    """Time functions on batches of random images of a height and width; they take turns, so that other work on the
    machine slows all alike."""
    return [_time(functions, batch, size) for batch in BATCHES]


def _time(functions: Mapping[str, Embed], batch: int, size: tuple[int, int]) -> Latency:
    images = torch.rand(batch, 3, *size) * 255
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(1 + RUNS):
        for name, function in functions.items():
            begin = time.perf_counter()
            function(images)
            seconds[name].append(time.perf_counter() - begin)
    return Latency(batch, {name: 1e3 * statistics.median(values[1:]) for name, values in seconds.items()})


def format_latencies(latencies: Sequence[Latency]) -> str:
    """A text table, a line a batch size; the ratio is that of the first function's time to the last one's."""
    names = list(latencies[0].milliseconds)
    rows = []
    for latency in latencies:
        times = [latency.milliseconds[name] for name in names]
        rows.append([str(latency.batch), *(f"{value:.1f}" for value in times), f"{times[0] / times[-1]:.2f}"])
    headers = ["batch", *(f"{name}, ms" for name in names), "times as fast"]
    return tabulate(rows, headers, disable_numparse=True, colalign=("right",) * len(headers))
