"""The evaluation benchmark: its made-up test set has the real sizes, and what it prints was measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from idkl.evaluation import benchmark
from idkl.evaluation.benchmark import format_evaluation_times, time_evaluation


def test_the_made_up_test_set_has_the_real_sizes() -> None:
    images, settings = benchmark.official_settings()
    infrared = np.isin(images.camids, (3, 6))
    assert infrared.sum() == 3803 and (~infrared).sum() == 6775 and len(set(images.pids)) == 96
    sizes = [{len(trial.gallery) for trial in setting.trials} for setting in settings]
    assert [(s.mode, s.shots, len(s.trials)) for s in settings] == [
        ("all", 1, 10),
        ("all", 10, 10),
        ("indoor", 1, 10),
        ("indoor", 10, 10),
    ]
    assert sizes[0] == {301} and sizes[1] == {3010}
    assert all(len(trial.query) == 3803 for setting in settings for trial in setting.trials)


def test_every_line_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("QUERIES", 400), ("VISIBLE", 700), ("PAIRS", 60), ("MULTI_SHOT", 300)):
        monkeypatch.setattr(benchmark, name, value)
    results = time_evaluation([8, 16], [1, 2], torch.device("cpu"))
    assert [(r.dimensions, r.pool) for r in results] == [(8, 700)] * 2 + [(16, 700)] * 2 + [(8, 700)] * 2 + [
        (8, 1400)
    ] * 2
    for result in results:
        assert result.seconds > 0 and result.ratio == result.seconds / result.product_seconds
        assert result.peak_memory_gib is None or 0 <= result.peak_memory_gib < 2
    table = format_evaluation_times(results).splitlines()
    assert len(table) == 2 + len(results) and "gallery x 2: 1 trial, and re-ranked" in table[-1]
