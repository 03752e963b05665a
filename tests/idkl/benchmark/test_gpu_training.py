"""The parts of the GPU's measurement, on a CPU: which settings they compare, and what they find out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from fastreid.config import CfgNode

from datasets_ext.errors import UserError
from idkl.benchmark import gpu_training
from idkl.benchmark.ceilings import Ceilings
from idkl.benchmark.gpu_report import Plan
from idkl.benchmark.step_time import Setting, StepTime
from tests.idkl.benchmark.test_step_time import ROW

CEILINGS = Ceilings(dict.fromkeys(("fp32", "TF32", "fp16", "bf16"), 1.0), 1.0)


@pytest.fixture
def plan(cfg: CfgNode, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.delitem(gpu_training.KINDS, "fp16")  # very slow on a CPU
    return Plan(cfg, CEILINGS, warmup=0, steps=1)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, CfgNode]:
    """The configs by name of setting; none is really measured, and bf16 does not fit."""
    seen: dict[str, CfgNode] = {}

    def pretend(settings: Sequence[Setting], ceilings: Ceilings, warmup: int, steps: int) -> list[StepTime]:
        (setting,) = settings
        seen[setting.name] = setting.cfg
        if setting.name == "bf16":
            raise UserError("bf16: does not fit")
        return [StepTime(**{**vars(ROW), "images_per_second": 10.0 * len(seen)})]

    monkeypatch.setattr(gpu_training, "time_training_step", pretend)
    return seen


def test_exactness(plan: Plan) -> None:
    fp32, tf32, bf16 = gpu_training.exactness(plan)
    for row in (fp32, tf32):  # on a CPU there is no TF32, and it agrees with itself
        assert row.remark.startswith("losses within 0.0e+00 of the CPU's fp32")
    assert fp32.what == "fp32, 8 images" and "finite after 1 more steps" in fp32.remark
    assert 1e-5 < float(bf16.remark.split()[2]) < 1


def test_losses_that_break_are_no_exactness(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    class Breaking(gpu_training.MeasuredStep):
        def run(self) -> float:
            seconds = super().run()
            with torch.no_grad():
                self.model.heads.shared.weight.fill_(math.inf)
            return seconds

    monkeypatch.setattr(gpu_training, "MeasuredStep", Breaking)
    with pytest.raises(UserError, match="became infinite or NaN at iteration 1"):
        gpu_training.exactness(plan)


def test_precisions_and_layouts(plan: Plan, measured: dict[str, CfgNode]) -> None:
    rows = gpu_training.precision(plan)
    names = ["fp32", "fp32, channels last", "TF32", "TF32, channels last", "bf16", "bf16, channels last"]
    assert [row.what for row in rows] == list(measured) == names
    assert [cfg.MODEL.CHANNELS_LAST for cfg in measured.values()] == [False, True] * 3
    assert [cfg.SOLVER.TF32 for cfg in measured.values()][:4] == [False, False, True, True]
    assert [cfg.SOLVER.AMP.ENABLED for cfg in measured.values()] == [False] * 4 + [True] * 2
    assert [row.ratio for row in rows] == [1, 2, 3, 4, None, 6]
    assert rows[4].remark == "bf16: does not fit" and rows[5].remark == "losses 1.0% of the step"


@pytest.mark.parametrize(
    ("part", "name", "key", "expected"),
    [
        (gpu_training.switches, "with MODEL.COMPILE", "MODEL.COMPILE", True),
        (gpu_training.switches, "without SOLVER.FUSED", "SOLVER.FUSED", False),
        (gpu_training.switches, "with CUDNN_BENCHMARK", "CUDNN_BENCHMARK", True),
        (gpu_training.memory, "CHECKPOINT_STAGES (1, 2)", "MODEL.BACKBONE.CHECKPOINT_STAGES", (1, 2)),
        (gpu_training.memory, "CHUNKS 4", "MODEL.BACKBONE.CHUNKS", 4),
        (gpu_training.growth, "64 images", "SOLVER.IMS_PER_BATCH", 64),
    ],
)
def test_settings(plan: Plan, measured: dict[str, CfgNode], part: Any, name: str, key: str, expected: object) -> None:
    rows = part(plan)
    assert len(rows) == len(measured) >= 3 and rows[0].ratio == 1
    first, changed = (dict(_flat(cfg)) for cfg in (next(iter(measured.values())), measured[name]))
    assert {name for name in first if first[name] != changed[name]} == {key} and changed[key] == expected


def _flat(cfg: CfgNode, prefix: str = "") -> list[tuple[str, Any]]:
    return [
        item
        for name, value in cfg.items()
        for item in (_flat(value, f"{prefix}{name}.") if isinstance(value, CfgNode) else [(prefix + name, value)])
    ]


def test_the_profile(plan: Plan) -> None:
    rows = gpu_training.profiled(plan)
    assert len(rows) == 12 and "`aten::convolution_backward`" in [row.what for row in rows]
    assert all(row.seconds and "% of the step, " in row.remark for row in rows)
