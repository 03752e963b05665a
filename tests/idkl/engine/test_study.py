"""The Optuna study, with a stand-in for the training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.study import read_ranges, run_study

RANGES = {"A.X": (0.0, 1.0), "A.Y": (-2.0, 2.0)}


def test_the_study_finds_the_top_and_goes_on(tmp_path: Path) -> None:
    seen: list[int] = []

    def objective(number: int, values: dict[str, float]) -> float:
        seen.append(number)
        assert all(low <= values[key] <= high for key, (low, high) in RANGES.items())
        return -((values["A.X"] - 0.7) ** 2) - (values["A.Y"] + 1) ** 2

    first = run_study(objective, RANGES, 20, tmp_path)
    assert seen == list(range(20))
    best = run_study(objective, RANGES, 40, tmp_path)
    assert seen == list(range(40)) and len(best.trials) == 40  # the second call made the missing 20
    assert best.best_value >= first.best_value
    assert abs(best.best_params["A.X"] - 0.7) < 0.2 and abs(best.best_params["A.Y"] + 1) < 0.4


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_ranges([["A.X", "0", "1"]]) == {"A.X": (0.0, 1.0)}
    for words, message in ((["A", "1"], "least and the greatest"), (["A", "1", "1"], "smaller one")):
        with pytest.raises(UserError, match=message):
            read_ranges([words])
    with pytest.raises(UserError, match="given twice"):
        read_ranges([["A", "0", "1"], ["A", "0", "1"]])
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'idkl-fastreid\[study\]'"):
        run_study(lambda number, values: 0.0, RANGES, 1, tmp_path)
