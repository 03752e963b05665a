"""What surrounds the step is compared with the CPU; without a GPU, the CPU with itself."""

from __future__ import annotations

import faiss
import pytest
import torch
from fastreid.config import CfgNode

from datasets_ext.augmentation import Augmentation
from idkl.benchmark import gpu_around
from idkl.benchmark.ceilings import Ceilings
from idkl.benchmark.gpu_report import Plan
from idkl.evaluation import benchmark
from idkl.search import bench
from idkl.search.bench import SearchTime


@pytest.fixture
def plan(cfg: CfgNode) -> Plan:
    return Plan(cfg, Ceilings({}, 1.0), warmup=1, steps=2)


def test_augmentation_agrees_in_every_bit(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = gpu_around.augmentation(plan)
    assert [row.remark for row in rows] == ["every bit as on the CPU"] * 2
    assert all(row.images_per_second == pytest.approx(8 / row.seconds) for row in rows if row.seconds)
    apply = Augmentation.apply
    monkeypatch.setattr(Augmentation, "apply", lambda self, *batch: apply(self, *batch) + 1e-4 * torch.rand(1))
    assert [row.remark for row in gpu_around.augmentation(plan)] == ["DIFFERS from the CPU"] * 2


def test_evaluation_agrees(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("QUERIES", 200), ("VISIBLE", 300), ("PAIRS", 60), ("REPEATS", 1)):
        monkeypatch.setattr(benchmark, name, value)
    rows = gpu_around.evaluation(plan)
    assert [row.what.partition(",")[0] for row in rows] == ["4 settings x 10 trials"] * 4
    assert all("plain results within 0.0e+00 points of the CPU's" in row.remark for row in rows)
    assert [row.ratio for row in rows[:2]] == [1, 1]


def test_search_is_compared(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pretend(entries: list[int], dimensions: int, kinds: list[str], device: str) -> list[SearchTime]:
        asked.append((*entries, dimensions, *kinds, device))
        return [SearchTime(entries[0], kinds[0], 0.5, 2.0, query_ms=4.0 / len(asked), batch_qps=1.0, size_mb=1.0)]

    monkeypatch.setattr(bench, "time_search", pretend)
    rows = gpu_around.search(plan)
    assert asked == [(100_000, 64, kind, "cpu") for kind in ("flat", "flat", "ivf", "ivf")]
    assert [row.ratio for row in rows] == [1, 2, 1, pytest.approx(4 / 3)]
    assert rows[0].seconds == 0.004 and rows[0].remark == "recall@10 0.500, built in 2.0 s"


def test_faiss_without_a_gpu_says_so(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    plan.cfg.MODEL.DEVICE = "cuda"
    (row,) = gpu_around.search(plan)
    assert row.remark == "this build of faiss has no GPU"
