"""Configs, checkpoints, results, and the state of a sweep."""

from __future__ import annotations

import argparse
import ast
import json
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from idkl.engine.checkpoint_file import read_checkpoint
from idkl.engine.load_weights import load_weights
from idkl.engine.setup import load_config
from idkl.engine.sweep_folder import opened, state_of
from idkl.engine.sweep_plan import flatten, flatten_nested
from idkl.evaluation.results import format_table, read_results, row_name, write_results
from tests.small import CONFIGS, REPOSITORY
from tests.sweeps import finish, make_row, plan

from .kind import Kind

DECIDED = ("SEED", "MODEL.DEVICE", "_BASE_")


def run_kinds(folder: Path) -> list[Kind]:
    return [_config(folder), _checkpoint(folder), _results(folder), _sweep(folder)]


def _config(folder: Path) -> Kind:
    own = folder / "projects" / "IDKL" / "configs"
    shutil.copytree(CONFIGS, own)
    shutil.copytree(REPOSITORY / "configs", folder / "configs")
    files = [own / "demo.yml", own / "base.yml", folder / "configs" / "cross_modality.yml"]

    def read() -> Any:
        args = argparse.Namespace(config_file=str(files[0]), opts=["SEED", "1"], resume=False)
        return flatten(load_config(args))

    def says(value: dict[str, Any], path: Path) -> bool:
        """Every key that the three texts have has that value, the nearest text's first."""
        wanted: dict[str, Any] = {}
        for file in reversed(files):
            wanted |= dict(flatten_nested(yaml.safe_load(file.read_text(encoding="utf-8"))))
            if file is not files[0] and not _is_base_of(file, files):
                wanted = {}
        keys = [key for key in wanted if key not in DECIDED]
        return all(_plain(value[key]) == _plain(wanted[key]) for key in keys)

    return Kind("config", files, read, says)


def _is_base_of(file: Path, files: list[Path]) -> bool:
    """Whether the text before it still names it as its base."""
    before = files[files.index(file) - 1]
    base = yaml.safe_load(before.read_text(encoding="utf-8")).get("_BASE_")
    return base is not None and (before.parent / base).resolve() == file.resolve()


def _plain(value: Any) -> Any:
    """A value as yacs takes it: texts that are Python's literals are those."""
    if isinstance(value, str):
        try:
            return _plain(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            return value
    return list(value) if isinstance(value, tuple) else value


def _checkpoint(folder: Path) -> Kind:
    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))

    path = folder / "model.pth"
    torch.manual_seed(0)
    state = {"model": model().state_dict(), "optimizer": {"state": {0: torch.ones(3)}, "lr": [0.1]}, "epoch": 3}
    torch.save(state, path)

    def read() -> Any:
        checkpoint = read_checkpoint(str(path))
        loaded = model()
        load_weights(loaded, checkpoint["model"])
        return {**checkpoint, "model": dict(loaded.state_dict())}

    return Kind("checkpoint", [path], read)


def _results(folder: Path) -> Kind:
    path = folder / "results.json"
    write_results([make_row("all", 50.25), make_row("indoor", 60.5, rerank=True)], path)

    def read() -> Any:
        rows = read_results(path)
        names = [row_name(row, rows) for row in rows]
        return rows, names, format_table(rows)

    def says(value: Any, path: Path) -> bool:
        """Numbers within their limits: another digit is another result, and nobody can tell."""
        rows = json.loads(path.read_text(encoding="utf-8"))
        return value[0] == rows and all(0 <= row["mAP"] <= 100 and row["trials"] >= 1 for row in rows)

    return Kind("results.json", [path], read, says)


def _sweep(folder: Path) -> Kind:
    sweep = plan(folder / "sweep", "SEED 1 2")
    with opened(sweep):
        finish(sweep.runs[0])
    files = [folder / "sweep" / "sweep.json", sweep.runs[0].folder / "config.yaml"]

    def read() -> Any:
        with opened(sweep):
            return [state_of(run) for run in sweep.runs]

    def says(value: Any, path: Path) -> bool:
        """A run whose config is gone has not begun."""
        return value == ["new", "new"] and not files[1].exists()

    return Kind("sweep", files, read, says)
