"""The benchmark measures the real step; speed itself is not tested."""

from __future__ import annotations

import pytest
import torch
from fastreid.config import CfgNode

from idkl.engine import benchmark


def test_every_mode_is_measured_and_compared_with_the_first(cfg: CfgNode, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: float(next(clock)))
    fp32, bf16 = benchmark.time_training_step(cfg, ["fp32", "bf16"], warmup=1, steps=2)
    # Each step reads the clock for its own start and end and twice for the loader between them: 3 ticks.
    assert (fp32.mode, fp32.seconds, fp32.images_per_second, fp32.ratio) == ("fp32", 3.0, 8 / 3, 1.0)
    assert (bf16.seconds, bf16.ratio, bf16.peak_memory_gib) == (3.0, 1.0, None)
    table = benchmark.format_step_times([fp32, bf16])
    assert "bf16" in table and "not measured" in table


def test_the_synthetic_batch_is_in_the_samplers_order(cfg: CfgNode) -> None:
    batch = next(iter(benchmark.SyntheticLoader(cfg)))
    assert batch["images"].shape == (8, 3, 64, 32) and batch["modalities"].tolist() == [0] * 4 + [1] * 4
    assert batch["targets"].tolist() == [0, 0, 1, 1] * 2


def test_the_measured_step_trains(cfg: CfgNode, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[torch.nn.Module] = []
    build = benchmark.Trainer.build_model
    monkeypatch.setattr(benchmark.Trainer, "build_model", lambda config: models.append(build(config)) or models[-1])
    benchmark.time_training_step(cfg, ["fp32"], warmup=0, steps=1)
    torch.manual_seed(0)
    fresh = build(cfg).state_dict()
    trained = models[0].state_dict()
    assert not torch.equal(trained["backbone.stem.0.weight"], fresh["backbone.stem.0.weight"])
