"""Ceilings are the best of what was timed; here a clock that ticks at every look does the timing."""

from __future__ import annotations

import itertools

import pytest
import torch
from fastreid.config import CfgNode

from idkl.benchmark import ceilings
from idkl.benchmark.ceilings import Ceilings, format_ceilings, measure_ceilings, precision_of


def test_the_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(ceilings.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setitem(ceilings._SIDES, "cpu", (10, 20))
    monkeypatch.setitem(ceilings._COPIED, "cpu", 1000)
    found = measure_ceilings(torch.device("cpu"), ["fp32", "bf16", "fp32"])
    # A call takes one tick: 2 * 20**3 operations of the larger product, 1000 bytes read and 1000 written.
    assert found.matmul == {"fp32": 16000 / 1e12, "bf16": 16000 / 1e12} and found.copy == 2000 / 1e9


def test_the_fastest_of_the_repeats_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([0.0, 0.0, 0.3, 0.3, 0.4, 0.4, 0.6])  # for the end, then before and after each of three calls
    monkeypatch.setattr(ceilings.time, "perf_counter", lambda: next(looks))
    calls: list[int] = []
    assert ceilings._fastest(lambda: calls.append(0), torch.device("cpu")) == pytest.approx(0.1)
    assert len(calls) == 1 + 3


@pytest.mark.parametrize(
    ("amp", "dtype", "tf32", "device", "expected"),
    [
        (False, "float16", True, "cpu", "fp32"),
        (False, "float16", True, "cuda", "TF32"),
        (False, "float16", False, "cuda:0", "fp32"),
        (True, "float16", True, "cuda", "fp16"),
        (True, "bfloat16", False, "cpu", "bf16"),
    ],
)
def test_precisions(cfg: CfgNode, amp: bool, dtype: str, tf32: bool, device: str, expected: str) -> None:
    keys = ["SOLVER.AMP.ENABLED", amp, "SOLVER.AMP.DTYPE", dtype, "SOLVER.TF32", tf32, "MODEL.DEVICE", device]
    cfg.merge_from_list(keys)
    assert precision_of(cfg) == expected


def test_tf32_is_set_for_its_own_products_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(call: object, device: torch.device) -> float:
        seen.append(torch.backends.cuda.matmul.allow_tf32)
        return 1.0

    monkeypatch.setattr(ceilings, "_fastest", look)
    monkeypatch.setitem(ceilings._SIDES, "cpu", (8,))
    before = torch.backends.cuda.matmul.allow_tf32
    measure_ceilings(torch.device("cpu"), ["fp32", "TF32", "bf16"])
    assert seen[:3] == [False, True, False] and torch.backends.cuda.matmul.allow_tf32 == before


def test_the_line() -> None:
    line = format_ceilings(Ceilings({"fp32": 0.1234, "bf16": 1.5}, 8.25))
    assert line == "ceilings measured here: matrix products fp32 0.123, bf16 1.5 TFLOP/s; copies 8.25 GB/s"
