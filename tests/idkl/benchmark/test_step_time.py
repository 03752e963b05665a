"""The benchmark takes turns, compares pair by pair and divides by the right ceilings; speed itself is not tested."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from fastreid.config import CfgNode

from datasets_ext.errors import UserError
from idkl.benchmark import step_time
from idkl.benchmark.ceilings import Ceilings
from idkl.benchmark.step_counts import StepCounts
from idkl.benchmark.step_memory import StepMemory
from idkl.benchmark.step_time import Setting, StepTime, format_growth, format_step_times, time_training_step

CEILINGS = Ceilings(matmul={"fp32": 2.0, "bf16": 8.0, "TF32": 4.0}, copy=100.0)
SECONDS = {"plain": [9, 2, 4, 8], "bf16": [9, 1, 1, 8]}  # the first of each is warm-up


class Clockwork:
    """Stands for a measured step: runs as long as SECONDS says."""

    turns: list[str]
    failing = ""

    def __init__(self, cfg: CfgNode) -> None:
        self.name = "bf16" if cfg.SOLVER.AMP.ENABLED else "plain"
        self._seconds: Iterator[int] = iter(SECONDS[self.name])

    def run(self) -> float:
        if self.name == self.failing:
            raise torch.OutOfMemoryError
        self.turns.append(self.name)
        return float(next(self._seconds))

    def check_losses(self) -> dict[str, float]:
        return {}

    def time_losses(self) -> float | None:
        return None if self.name == "plain" else 0.25


@pytest.fixture
def settings(cfg: CfgNode, monkeypatch: pytest.MonkeyPatch) -> list[Setting]:
    monkeypatch.setattr(Clockwork, "turns", [], raising=False)
    monkeypatch.setattr(step_time, "MeasuredStep", Clockwork)
    counted = StepMemory(parameters=2**30, kept=0, peak=2**29), StepCounts(flops=2 * 10**12, bytes_moved=10**11)
    monkeypatch.setattr(step_time, "count_memory_and_work", lambda cfg: counted)
    other = cfg.clone()
    other.merge_from_list(["SOLVER.AMP.ENABLED", True, "SOLVER.AMP.DTYPE", "bfloat16"])
    return [Setting("plain", cfg), Setting("bf16", other)]


def test_settings_take_turns_and_are_compared_pair_by_pair(settings: list[Setting]) -> None:
    plain, bf16 = time_training_step(settings, CEILINGS, warmup=1, steps=3)
    assert Clockwork.turns == ["plain", "bf16"] * 4
    assert (plain.seconds, plain.quartiles, plain.images_per_second, plain.ratio) == (4, (3, 6), 2, 1)
    assert (bf16.seconds, bf16.images_per_second) == (1, 8)
    assert bf16.ratio == 2  # the median of 2 / 1, 4 / 1, 8 / 8; the medians' ratio would be 4
    # 2 TFLOP in 4 s of 2 TFLOP/s; 100 GB in 4 s of 100 GB/s.
    assert (plain.matmul_share, plain.copy_share) == (0.25, 0.25)
    assert (bf16.matmul_share, bf16.copy_share) == (0.25, 1)  # 2 TFLOP in 1 s of 8 TFLOP/s
    assert (plain.losses_share, bf16.losses_share, bf16.losses_seconds) == (None, 0.25, 0.25)
    assert (plain.counted_gib, plain.tflop, plain.peak_gib) == (1.5, 2, None)


def test_on_a_gpu_each_has_the_memory_to_itself(settings: list[Setting], monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([3 * 2**30, 2**30])
    for name, value in (("empty_cache", lambda: None), ("reset_peak_memory_stats", lambda: None)):
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: next(peaks))
    for setting in settings:
        setting.cfg.MODEL.DEVICE = "cuda"
    plain, bf16 = time_training_step(settings, CEILINGS, warmup=1, steps=3)
    assert Clockwork.turns == ["plain"] * 4 + ["bf16"] * 4
    assert (plain.peak_gib, bf16.peak_gib) == (3, 1)
    assert plain.matmul_share == 2 / 4 / 4  # of TF32, which SOLVER.TF32 lets a GPU use
    monkeypatch.setattr(Clockwork, "failing", "plain")
    with pytest.raises(UserError, match="plain: does not fit into the GPU's memory; lower SOLVER.IMS_PER_BATCH"):
        time_training_step(settings, CEILINGS, warmup=1, steps=3)


def test_two_devices_are_not_compared(settings: list[Setting]) -> None:
    settings[1].cfg.MODEL.DEVICE = "cuda"
    with pytest.raises(UserError, match="leave MODEL.DEVICE out of --vs"):
        time_training_step(settings, CEILINGS, warmup=0, steps=1)


def test_a_real_step_is_measured(cfg: CfgNode) -> None:
    (row,) = time_training_step([Setting("plain", cfg)], CEILINGS, warmup=0, steps=2)
    assert row.images == 8 and row.quartiles[0] <= row.seconds <= row.quartiles[1]
    assert row.images_per_second == 8 / row.seconds
    assert row.losses_share is not None and 0 < row.losses_share < 1
    assert row.tflop is not None and row.matmul_share == row.tflop / row.seconds / 2


def test_a_model_alone(cfg: CfgNode, settings: list[Setting]) -> None:
    assert step_time.measure_alone(settings[0].cfg, warmup=1, steps=3) == 8 / 4


ROW = StepTime(
    name="plain",
    images=20,
    seconds=2.0,
    quartiles=(1.5, 2.5),
    images_per_second=10.0,
    ratio=1.0,
    losses_seconds=0.02,
    losses_share=0.01,
    peak_gib=None,
    counted_gib=1.5,
    tflop=0.5,
    matmul_share=0.25,
    copy_share=None,
)


def test_the_table() -> None:
    *_, line = format_step_times([ROW]).splitlines()
    assert line.split() == ["plain", "2.000", "1.500..2.500", "10.0", "1.00", "1.0%", "-", "1.50", "0.5", "25%", "-"]


def test_the_table_of_growth() -> None:
    *_, line = format_growth([ROW]).splitlines()
    assert line.split() == ["20", "2.000", "1.500..2.500", "100.00", "20.00", "1.00%"]
