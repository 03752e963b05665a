"""What surrounds the training step, on a GPU and on the CPU beside it: augmentation, evaluation, search."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from fastreid.data.transforms import build_transforms
from torch import Tensor

from datasets_ext.augmentation import split_transforms

from ..device import synchronize
from ..evaluation.benchmark import EvaluationTime, official_settings, random_features, time_evaluation
from ..evaluation.evaluate import evaluate
from .gpu_report import Plan, Row


def augmentation(plan: Plan) -> list[Row]:
    """A batch's augmentation on the CPU and on the device: time, and whether they agree in every bit."""
    rows, (height, width) = plan.cfg.SOLVER.IMS_PER_BATCH, plan.cfg.INPUT.SIZE_TRAIN
    _, steps = split_transforms(build_transforms(plan.cfg, is_train=True))
    torch.manual_seed(0)
    images = torch.randint(256, (rows, 3, height, width), dtype=torch.uint8)
    draws = torch.stack([steps.draw(height, width) for _ in range(rows)])
    reference, results = steps.apply(images, draws), []
    for device in (torch.device("cpu"), plan.device):
        here = images.to(device), draws.to(device)
        seconds = _median_seconds(lambda here=here: steps.apply(*here), device, plan)  # type: ignore[misc]
        same = torch.equal(steps.apply(*here).cpu(), reference)
        remark = "every bit as on the CPU" if same else "DIFFERS from the CPU"
        results.append(Row("augmentation", f"{rows} images on {device}", seconds, rows / seconds, remark=remark))
    return results


def evaluation(plan: Plan) -> list[Row]:
    """The official evaluation with distances on the CPU and on the device: time, and whether the results agree."""
    images, settings = official_settings()
    features = random_features(images.pids, 2048)
    reference = evaluate(features, images, settings)
    rows: list[Row] = []
    first: list[EvaluationTime] = []
    for device in (torch.device("cpu"), plan.device):
        found = evaluate(features.to(device), images, settings)
        pairs = zip(found, reference, strict=True)
        gap = max(abs(own[key] - other[key]) for own, other in pairs for key in ("Rank-1", "mAP", "mINP"))
        measured = time_evaluation([2048], [], device)
        first = first or measured
        for own, other in zip(measured, first, strict=True):
            remark = f"{own.dimensions} dimensions; plain results within {gap:.1e} points of the CPU's"
            what = f"{own.what} on {device}"
            rows.append(Row("evaluation", what, own.seconds, ratio=other.seconds / own.seconds, remark=remark))
    return rows


def search(plan: Plan) -> list[Row]:
    """Indexes of 100,000 entries on the CPU and on faiss's GPU."""
    import faiss  # here, so that the other parts run where it is missing

    from ..search.bench import time_search

    if plan.device.type == "cuda" and faiss.get_num_gpus() == 0:
        return [Row("search", "faiss", remark="this build of faiss has no GPU")]
    rows = []
    for kind in ("flat", "ivf"):
        first = None
        for device in ("cpu", plan.device.type):
            (r,) = time_search([100_000], 64, [kind], device)
            first = first or r.query_ms
            remark = f"recall@10 {r.recall:.3f}, built in {r.build_seconds:.1f} s"
            what = f"{kind}, 100,000 x 64, a query on {device}"
            rows.append(Row("search", what, r.query_ms / 1e3, ratio=first / r.query_ms, remark=remark))
    return rows


def _median_seconds(call: Callable[[], Tensor], device: torch.device, plan: Plan) -> float:
    seconds = []
    for _ in range(plan.warmup + plan.steps):
        synchronize(device)
        start = time.perf_counter()
        call()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[plan.warmup :])
