"""A training's course: its evaluations, the best of them, and epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from idkl.evaluation.results import METRICS, row_name
from idkl.report.history import read_history
from tests.run_folders import STEPS, write_metrics


def evaluation(metric: float, **values: float) -> dict[str, float]:
    return {"metric": metric, **dict.fromkeys(METRICS, metric), **values}


def test_the_best_epoch_is_the_first_of_the_highest(tmp_path: Path) -> None:
    scores = {1: 10.0, 2: 30.0, 3: 30.0, 4: 20.0}
    write_metrics(tmp_path, {0: {"untrained/metric": 99.0}} | {STEPS * e: evaluation(v) for e, v in scores.items()})
    history = read_history(tmp_path, 4)
    assert history is not None
    assert history.evaluated == [STEPS * epoch for epoch in scores]
    assert history.best == 2 * STEPS and history.epoch(history.best) == 2
    assert history.value("mAP", 3 * STEPS) == 30.0 and history.value("mAP", 5) is None
    unfinished = read_history(tmp_path, None)
    assert unfinished is not None and unfinished.epoch(2 * STEPS) is None


def test_no_evaluation_and_no_file(tmp_path: Path) -> None:
    assert read_history(tmp_path, 4) is None
    write_metrics(tmp_path, {0: {}, 4: {}})
    history = read_history(tmp_path, 4)
    assert history is not None and history.evaluated == [] and history.best is None


@pytest.mark.parametrize("missing", [False, True])
def test_rows_of_an_evaluation_on_the_way(tmp_path: Path, missing: bool) -> None:
    labels: dict[str, Any] = {"protocol": "sysu", "mode": "all", "shots": 1, "direction": "infrared-to-visible"}
    rows = [{**labels, "gallery": "official", "rerank": rerank, "trials": 10} for rerank in (False, True)]
    name = row_name(rows[1], rows)
    reranked = {f"{name}/{metric}": 50.0 + place for place, metric in enumerate(METRICS)}
    if missing:
        del reranked[f"{name}/mINP"]
    write_metrics(tmp_path, {0: {}, STEPS: evaluation(40.0, **reranked)})
    history = read_history(tmp_path, 1)
    assert history is not None
    found = history.rows(STEPS, rows)
    if missing:
        assert found == []
    else:
        assert [[row[metric] for metric in METRICS] for row in found] == [
            [40.0] * 6,
            [50.0, 51.0, 52.0, 53.0, 54.0, 55.0],
        ]
        assert all(row["std"] is None and row["ci95"] is None and row["mode"] == "all" for row in found)
