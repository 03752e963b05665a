"""What a sweep's table says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from idkl.engine.sweep_plan import Run
from idkl.engine.sweep_summary import format_sweep, summarize
from tests.sweeps import TGSA, make_row


def test_summary_against_a_naive_one() -> None:
    generator = torch.Generator().manual_seed(0)
    keys, results = ["SEED", TGSA, "DATASETS.SPLIT"], []
    for seed in (1, 2):
        for weight in (0.0, 0.6):
            for split in (1, 2, 3):
                values = {"SEED": seed, TGSA: weight, "DATASETS.SPLIT": split}
                numbers = (torch.rand(3, generator=generator) * 100).tolist()
                rows = [make_row("all", numbers[0]), make_row("all", numbers[1], True), make_row("indoor", numbers[2])]
                results.append((Run(values, Path("x"), "a.yml", [], {}), rows))
    summary = summarize(results, keys)
    assert [(row["values"], row["mode"], row["rerank"]) for row in summary] == [
        ({TGSA: weight}, mode, rerank)
        for weight in (0.0, 0.6)
        for mode, rerank in (("all", False), ("all", True), ("indoor", False))
    ]
    for row in summary:
        own = [
            r["mAP"]
            for run, rows in results
            for r in rows
            if run.values[TGSA] == row["values"][TGSA] and (r["mode"], r["rerank"]) == (row["mode"], row["rerank"])
        ]
        mean = sum(own) / len(own)
        assert row["runs"] == len(own) == 6
        assert row["mAP"] == pytest.approx(mean) == row["Rank-1"]
        assert row["std"]["mAP"] == pytest.approx(math.sqrt(sum((value - mean) ** 2 for value in own) / 6))


def test_the_table() -> None:
    runs = [
        (Run({"SEED": seed, TGSA: weight}, Path("x"), "a.yml", [], {}), [make_row("all", weight + seed)])
        for seed in (10, 30)
        for weight in (0.0, 0.6)
    ]
    text = format_sweep(runs, summarize(runs, ["SEED", TGSA])).splitlines()
    assert text[0].startswith("protocol sysu, mode all, rerank no, trials 10 (percent, mean±population")
    assert text[2].split()[:3] == ["TGSA", "runs", "Rank-1"]
    assert text[4].split()[:3] == ["0.0", "2", "20.00±10.00"]
    assert text[text.index("Each run") + 5].split()[:3] == ["10", "0.6", "10.60"]
    alone = format_sweep(runs[:2], summarize(runs[:2], ["SEED", TGSA]))
    assert "one run each" in alone and "±" not in alone and "Each run" not in alone
