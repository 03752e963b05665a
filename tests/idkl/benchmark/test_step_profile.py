"""The profile names the step's operations and adds up."""

from __future__ import annotations

import pytest
from fastreid.config import CfgNode

from idkl.benchmark.step_profile import Operation, format_profile, profile_step


def test_the_operations_of_a_step(cfg: CfgNode) -> None:
    found = profile_step(cfg, warmup=1, steps=2)
    assert sum(op.share for op in found) == pytest.approx(1)
    assert [op.seconds for op in found] == sorted((op.seconds for op in found), reverse=True)
    named = {op.name: op for op in found}
    assert "aten::convolution_backward" in [op.name for op in found[:5]]
    assert named["aten::native_batch_norm"].calls == int(named["aten::native_batch_norm"].calls) > 10


def test_the_table() -> None:
    operations = [Operation("a" * 99, 3, 0.002, 0.5), Operation("b", 1.5, 0.001, 0.25), Operation("c", 2, 0.001, 0.25)]
    first, *_, others = format_profile(operations, 1).splitlines()[2:]
    assert first.split() == ["a" * 70, "3", "2.00", "50.0%"]
    assert others.split() == ["2", "others", "3.5", "2.00", "50.0%"]
    assert len(format_profile(operations, 3).splitlines()) == 2 + 3
