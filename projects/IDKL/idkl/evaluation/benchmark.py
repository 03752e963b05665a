"""How long the evaluation takes and how much memory, on random features at the size of SYSU-MM01's test set."""

from __future__ import annotations

import ctypes
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor

from ..device import synchronize
from .evaluate import evaluate
from .images import Images
from .protocol import Setting, Trial
from .ranking import IntArray
from .rerank import ReRanking
from .sysu import TRIALS, from_permutations

# The official test set: infrared queries; visible images; the (camera, identity) pairs that these come from.
IDENTITIES, QUERIES, VISIBLE, PAIRS = 96, 3803, 6775, 301
MULTI_SHOT = 3010  # gallery images of an all-search multi-shot trial
REPEATS = 5
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class EvaluationTime:
    """One measured evaluation."""

    what: str
    dimensions: int
    pool: int  # visible images
    seconds: float  # median of the repeats
    product_seconds: float  # median of one Q @ G.T over all visible images, measured between the repeats
    ratio: float  # of the two
    peak_memory_gib: float | None  # of the process, above what it held before; None where the system does not tell


def time_evaluation(dimensions: Sequence[int], scales: Sequence[int], device: torch.device) -> list[EvaluationTime]:
    """Measure plain and re-ranked evaluation of the official settings, then of multi-shot galleries that grow.

    Args:
        dimensions: of the features; each is measured.
        scales: how many times as many gallery images; at the first of the ``dimensions``.
        device: that of the features, where distances are computed.
    """
    results = []
    images, settings = official_settings()
    for count in dimensions:
        features = random_features(images.pids, count).to(device)
        results.append(_measure("4 settings x 10 trials, plain", features, images, settings, None))
        results.append(_measure("4 settings x 10 trials, and re-ranked", features, images, settings, ReRanking()))
    for scale in scales:
        images, setting, one = _grown(scale)
        features = random_features(images.pids, dimensions[0]).to(device)
        results.append(_measure(f"gallery x {scale}: 10 trials, plain", features, images, [setting], None))
        results.append(_measure(f"gallery x {scale}: 1 trial, and re-ranked", features, images, [one], ReRanking()))
    return results


def format_evaluation_times(results: Sequence[EvaluationTime]) -> str:
    """A text table, a line a measurement."""
    rows = [
        (
            r.what,
            r.dimensions,
            r.pool,
            f"{r.seconds:.2f}",
            f"{r.product_seconds:.3f}",
            f"{r.ratio:.2f}",
            "not measured" if r.peak_memory_gib is None else f"{r.peak_memory_gib:.2f} GiB",
        )
        for r in results
    ]
    headers = ("evaluation", "dimensions", "visible images", "s", "s of Q @ G.T", "ratio", "peak memory above")
    return tabulate(rows, headers, disable_numparse=True)


def _spread(total: int, parts: int) -> IntArray:
    """``total`` in ``parts`` that differ by at most 1."""
    return np.arange(total + parts - 1, total - 1, -1) // parts


def _labels(scale: int) -> IntArray:
    """Camera and identity, int64 [N, 2], of queries, then of the visible images."""
    query = np.array([(3 + 3 * (i % 2), 1 + i // 2) for i in range(2 * IDENTITIES)])
    pairs = np.array([(camera, 1 + i) for camera in (1, 2, 4, 5) for i in range(IDENTITIES)])
    chosen = np.sort(np.random.default_rng(0).choice(len(pairs), PAIRS, replace=False))
    return np.concatenate(
        [
            query.repeat(_spread(QUERIES, len(query)), axis=0),
            pairs[chosen].repeat(_spread(VISIBLE, PAIRS) * scale, axis=0),
        ]
    )


def _images(labels: IntArray) -> Images:
    cameras, identities = labels.T
    return Images([f"cam{camera}/{pid:04d}/{row}.jpg" for row, (camera, pid) in enumerate(labels)], identities, cameras)


def official_settings() -> tuple[Images, list[Setting]]:
    """Images with the numbers of SYSU-MM01's test set, and its four settings of ten trials."""
    labels = _labels(1)
    images = _images(labels)
    groups = images.group(map(tuple, labels.tolist()))
    rng = np.random.default_rng(1)
    permutations = {
        key: 1 + rng.permuted(np.tile(np.arange(len(rows)), (TRIALS, 1)), axis=1) for key, rows in groups.items()
    }
    return images, from_permutations(images.camids, groups, permutations)


def _grown(scale: int) -> tuple[Images, Setting, Setting]:
    """Images with ``scale`` times the visible ones, and ten trials or one with ``scale`` times the gallery."""
    images = _images(_labels(scale))
    rng = np.random.default_rng(2)
    query = np.arange(QUERIES)
    trials = tuple(
        Trial(query, QUERIES + rng.choice(VISIBLE * scale, MULTI_SHOT * scale, replace=False)) for _ in range(TRIALS)
    )
    ignore = np.where(images.camids == 3, 2, -1), images.camids
    ten, one = (
        Setting("sysu", "all", 10 * scale, "infrared-to-visible", None, True, ignore, some)
        for some in (trials, trials[:1])
    )
    return images, ten, one


def random_features(pids: IntArray, dimensions: int) -> Tensor:
    """Random features float32 [N, D] with a part that an identity's images share."""
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(IDENTITIES + 1, dimensions, generator=generator)
    return torch.randn(len(pids), dimensions, generator=generator).add_(shared[torch.from_numpy(pids)], alpha=0.3)


def _measure(
    what: str, features: Tensor, images: Images, settings: Sequence[Setting], reranking: ReRanking | None
) -> EvaluationTime:
    query, gallery = features[:QUERIES], features[QUERIES:]
    seconds, product, peak = [], [], None
    query @ gallery.T
    for repeat in range(1 if reranking else REPEATS):
        synchronize(features.device)
        start = time.perf_counter()
        query @ gallery.T
        synchronize(features.device)
        middle = time.perf_counter()
        held = _memory_gib("VmRSS") if repeat == 0 else None
        evaluate(features, images, settings, reranking)
        product.append(middle - start)
        seconds.append(time.perf_counter() - middle)
        if held is not None:
            highest = _memory_gib("VmHWM")
            peak = None if highest is None else highest - held
    median, plain = statistics.median(seconds), statistics.median(product)
    return EvaluationTime(what, features.shape[1], len(gallery), median, plain, median / plain, peak)


def _memory_gib(entry: str) -> float | None:
    """``VmRSS``, memory held now, which also begins a new peak; or ``VmHWM``, the peak. None where not told."""
    try:
        if entry == "VmRSS":
            ctypes.CDLL(None).malloc_trim(0)  # else memory that is free already would hide what is asked for next
            _RESET.write_text("5")
        found = re.search(rf"{entry}:\s+(\d+) kB", _STATUS.read_text())
    except (OSError, AttributeError):  # not Linux
        return None
    return int(found[1]) / 2**20 if found else None
