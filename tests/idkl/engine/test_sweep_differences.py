"""Paired differences of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from idkl.engine.sweep_differences import differences, format_differences
from idkl.engine.sweep_plan import CONFIG, Run
from idkl.evaluation.results import Row
from tests.sweeps import TGSA, make_row

KEYS = [CONFIG, "SEED", TGSA]


def result(config: str, seed: int, value: float, weight: float = 0.6, mode: str = "all") -> tuple[Run, list[Row]]:
    values: dict[str, Any] = {CONFIG: config, "SEED": seed, TGSA: weight}
    return Run(values, Path("x"), "x.yml", [], {}), [make_row(mode, value), make_row(mode, value / 2, rerank=True)]


def test_against_a_loop_over_pairs() -> None:
    numbers = np.random.default_rng(0).uniform(0, 100, (2, 4))
    results = [result(name, seed, numbers[c, seed]) for seed in range(4) for c, name in enumerate(("base", "idkl"))]
    plain, reranked = differences(results, KEYS)
    own = [numbers[1, seed] - numbers[0, seed] for seed in range(4)]
    assert plain["values"] == {CONFIG: "idkl", TGSA: 0.6} and plain["reference"] == {CONFIG: "base", TGSA: 0.6}
    assert (plain["pairs"], plain["rerank"], reranked["rerank"]) == (4, False, True)
    assert plain["mAP"] == pytest.approx(sum(own) / 4) and reranked["mAP"] == pytest.approx(sum(own) / 8)
    assert plain["std"]["mAP"] == pytest.approx(np.std(own))
    text = format_differences([plain, reranked])
    assert text.startswith(f"Differences from {CONFIG} base, {TGSA} 0.6 (points, paired by seed and split; mean±")
    assert f"{sum(own) / 4:.2f}±{np.std(own):.2f}" in text


def test_only_runs_that_share_seed_and_setting_are_paired() -> None:
    results = [result("base", 1, 10.0), result("base", 2, 20.0), result("idkl", 2, 25.0), result("idkl", 3, 90.0)]
    (plain, _) = differences(results, KEYS)
    assert (plain["pairs"], plain["mAP"], plain["std"]["mAP"]) == (1, 5.0, 0.0)
    assert "±" not in format_differences([plain])
    assert differences([*results[:2], result("idkl", 1, 5.0, mode="indoor")], KEYS) == []
    assert differences(results[:2], KEYS) == []
