"""Sweeps of the small config, and runs that are finished without having been trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from idkl.engine.sweep_plan import Run, Sweep, plan_sweep
from idkl.evaluation.results import INTERVALS, LABELS, METRICS, Row, write_results
from tests.small import CONFIGS

TGSA = "MODEL.IDKL.WEIGHTS.TGSA"


def plan(folder: Path, *over: str, overrides: tuple[str, ...] = ()) -> Sweep:
    return plan_sweep(
        [str(CONFIGS / "demo.yml")], [words.split() for words in over], ["OUTPUT_DIR", str(folder), *overrides]
    )


def make_row(mode: str, value: float, rerank: bool = False) -> Row:
    labels = dict.fromkeys(LABELS) | {"protocol": "sysu", "mode": mode, "rerank": rerank, "trials": 10}
    spread = {"std": dict.fromkeys(METRICS, 1.0), "ci95": {key: [value - 1.0, value + 1.0] for key in INTERVALS}}
    return labels | dict.fromkeys(METRICS, value) | spread


def finish(run: Run, value: float = 50.0, **decided: Any) -> None:
    """Leave in the run's folder what a finished training leaves."""
    nested: dict[str, Any] = {}
    for key, content in (run.config | decided).items():
        *parents, name = key.split(".")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = content
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "config.yaml").write_text(yaml.safe_dump(nested))
    write_results([make_row("all", value)], run.folder / "results.json")
    (run.folder / "model_final.pth").touch()
