"""Run folders without a training: random networks that are evaluated, and curves that are written by hand."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from fastreid.config import CfgNode

from idkl.engine.provenance import PROVENANCE, begin_session, training_session
from idkl.engine.setup import load_config
from idkl.engine.trainer import Trainer
from idkl.evaluation.results import METRICS, read_results, row_name, write_results
from tests.small import CONFIGS, SMALL

STEPS, EPOCHS = 8, 4  # of an epoch; of the training


def finished_run(folder: Path, seed: int) -> None:
    """A run that looks finished in ``folder``: the small config with a network of ``seed``, its results and curves.

    Of its evaluations, after epochs 2 and 4, the first is the best in every metric. ``FASTREID_DATASETS`` has the data.
    """
    cfg = small_config(folder, seed)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(cfg.dump(), encoding="utf-8")
    begin_session(folder / PROVENANCE, training_session(cfg, 0), goes_on=False)
    torch.manual_seed(seed)
    model = Trainer.build_model(cfg)
    torch.save({"model": model.state_dict()}, folder / "model_final.pth")
    Trainer.test(cfg, model)
    rows = read_results(folder / "results.json")
    write_results([{**row, **dict.fromkeys(METRICS, 5.0)} for row in rows], folder / "results_untrained.json")
    last = {"metric": 10.0} | {
        f"{row_name(row, rows)}/{metric}" if number else metric: row[metric]
        for number, row in enumerate(rows)
        for metric in METRICS
    }
    better = {name: value + 1 for name, value in last.items()}
    evaluations = {0: {"untrained/metric": 5.0, "untrained/Rank-1": 5.0}, 2 * STEPS: better, EPOCHS * STEPS: last}
    write_metrics(folder, {step: evaluations.get(step, {}) for step in range(0, EPOCHS * STEPS + 1, STEPS // 2)})


def small_config(folder: Path, seed: int) -> CfgNode:
    """The demo's config at a size for tests, for a run in ``folder``."""
    keys = ["OUTPUT_DIR", folder, "SEED", seed, "MODEL.DEVICE", "cpu", "MODEL.HEADS.NUM_CLASSES", 5]
    words = [str(word) for word in (*keys, "SOLVER.MAX_EPOCH", EPOCHS, *SMALL)]
    return load_config(argparse.Namespace(config_file=str(CONFIGS / "demo.yml"), opts=words, resume=False))


def write_metrics(folder: Path, records: dict[int, dict[str, float]]) -> None:
    """``metrics.json`` with a falling loss at every step of ``records`` after the first, and what these say besides."""
    lines = []
    for step, values in records.items():
        losses = {"total_loss": 9.0 - step / 10, "loss_tgsa": 1.0, "lr": 0.001} if step else {}
        lines.append(json.dumps({"iteration": max(step - 1, 0), **losses, **values}))
    (folder / "metrics.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
