"""The paper's tables and figures as sweeps, on its data or on drawn people, at its scale or at a CPU's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from fastreid.data.datasets import DATASET_REGISTRY
from tabulate import tabulate

from datasets_ext.cross_modality import datasets_root
from datasets_ext.errors import UserError
from datasets_ext.generated import LAYOUTS

from ..engine.setup import merge_config
from ..engine.sweep_plan import CONFIG, Sweep, flatten, flatten_nested, plan_sweep
from ..engine.sweep_summary import SWEEP_RESULTS
from .paper import ABLATION, DATASETS, Dataset

CONFIGS = Path(__file__).parents[2] / "configs"
QUICK = CONFIGS / "quick.yml"
# People of the study in projects/IDKL/README.md: half of them train, three images a camera.
GENERATED = {"ids": 200, "images": 3, "seed": 11}
LAMBDAS = ("0", "0.1", "0.2", "0.4", "0.6", "0.8", "1.0")
WEIGHTS = "MODEL.IDKL.WEIGHTS."


@dataclass(frozen=True)
class Published:
    """One row of the paper's figures, in percent, and which of our result rows it stands beside."""

    name: str
    figures: dict[str, float]
    labels: dict[str, Any]
    values: dict[str, Any]  # of the sweep's keys


def _table(dataset: Dataset) -> tuple[Published, ...]:
    rows = [({"mode": r.mode, "shots": r.shots, "direction": r.direction}, r.figures) for r in dataset.reported]
    named = [(", ".join(str(value) for value in labels.values() if value is not None), labels, f) for labels, f in rows]
    return tuple(Published(name, figures, labels, {}) for name, labels, figures in named)


PUBLISHED = {
    **{f"table{dataset.table}": _table(dataset) for dataset in DATASETS.values()},
    "table4": tuple(Published(row, f, {"mode": "all", "shots": 1}, {CONFIG: row}) for row, f in ABLATION.items()),
}


@dataclass(frozen=True)
class Part:
    """One sweep of an experiment."""

    name: str
    configs: tuple[str, ...]  # below projects/IDKL/configs, without the ending
    over: tuple[tuple[str, ...], ...] = ()  # keys and values, besides the seeds


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper."""

    title: str
    dataset: str  # its name in the registry
    layout: str  # of drawn people
    parts: tuple[Part, ...]
    overrides: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ("1", "2", "3")


EXPERIMENTS = {
    "table1": Experiment("IDKL on SYSU-MM01", "SYSU_MM01", "sysu", (Part("idkl", ("sysu",)),)),
    "table2": Experiment("IDKL on RegDB", "RegDB", "regdb", (Part("idkl", ("regdb",), (("DATASETS.SPLIT", "1-10"),)),)),
    "table3": Experiment("IDKL on LLCM", "LLCM", "llcm", (Part("idkl", ("llcm",)),), ("TEST.GALLERY", "full")),
    "table4": Experiment(
        "What each loss term brings", "SYSU_MM01", "sysu", (Part("rows", tuple(f"ablation/{row}" for row in ABLATION)),)
    ),
    "fig5": Experiment(
        "The weights of the terms",
        "SYSU_MM01",
        "sysu",
        tuple(Part(key.lower(), ("sysu",), ((WEIGHTS + key, *LAMBDAS),)) for key in ("IP", "TGSA", "CSA")),
    ),
    "fig6": Experiment(
        "Features of the baseline, and of IDKL without and with TGSA",
        "SYSU_MM01",
        "sysu",
        (Part("base", ("ablation/row1_base",)), Part("idkl", ("sysu",), ((WEIGHTS + "TGSA", "0", "0.6"),))),
    ),
}


def quick_overrides() -> list[str]:
    """What ``quick.yml`` makes small, as KEY VALUE KEY VALUE ..."""
    nested = yaml.safe_load(QUICK.read_text(encoding="utf-8"))
    pairs = [(key, value) for key, value in flatten_nested(nested) if key not in ("_BASE_", "OUTPUT_DIR")]
    return [str(word) for key, value in pairs if not key.startswith("DATASETS.") for word in (key, value)]


def plan(experiment: Experiment, folder: Path, seeds: Sequence[str], overrides: Sequence[str]) -> list[Sweep]:
    """The sweeps of an experiment, checked, each in a folder of its own below ``folder``.

    Args:
        overrides: KEY VALUE KEY VALUE ..., which come after the experiment's own.
    """
    return [
        plan_sweep(
            [str(CONFIGS / f"{config}.yml") for config in part.configs],
            [("SEED", *seeds), *part.over],
            [*experiment.overrides, *overrides, "OUTPUT_DIR", str(folder / part.name)],
        )
        for part in experiment.parts
    ]


def draw(experiment: Experiment, folder: Path, workers: int) -> Path:
    """Draw people in the layout of the experiment's dataset, unless they are there; returns the folder of datasets."""
    root = folder / DATASET_REGISTRY.get(experiment.dataset).dataset_dir
    LAYOUTS[experiment.layout](root, GENERATED["ids"], GENERATED["images"], GENERATED["seed"], workers=workers)
    return folder


def find_real(experiment: Experiment) -> None:
    """Look for the experiment's dataset.

    Raises:
        UserError: it is not there; says what to put where.
    """
    try:
        DATASET_REGISTRY.get(experiment.dataset).find_root(datasets_root())
    except UserError as error:
        raise UserError(
            f"{error}; README.md, Real data, has its files. --dataset generated draws people instead"
        ) from None


def changed(sweeps: Sequence[Sweep], overrides: Sequence[str]) -> list[str]:
    """Lines ``KEY value (paper: value)`` for what the overrides change in the first config."""
    file = sweeps[0].config_files[0]
    paper, ours = (flatten(merge_config(file, words)) for words in ([], list(overrides)))
    return [f"{key} {ours[key]} (paper: {paper[key]})" for key in paper if ours[key] != paper[key]]


def compare(name: str, sweeps: Sequence[Sweep]) -> str:
    """The paper's figures beside ours, plain and re-ranked, as a text table; "-" where a run is missing."""
    summary = json.loads((sweeps[0].folder / SWEEP_RESULTS).read_text(encoding="utf-8"))["summary"]
    metrics = list(PUBLISHED[name][0].figures)
    head = ["", *(f"{metric} {who}" for metric in metrics for who in ("paper", "ours", "re-ranked"))]
    lines = []
    for row in PUBLISHED[name]:
        found = [
            ours
            for ours in summary
            if row.labels.items() <= ours.items() and row.values.items() <= ours["values"].items()
        ]
        plain, reranked = (next((o for o in found if o["rerank"] is flag), None) for flag in (False, True))
        cells = [
            text
            for metric in metrics
            for text in (f"{row.figures[metric]:.2f}", _figure(plain, metric), _figure(reranked, metric))
        ]
        lines.append([row.name, *cells])
    return tabulate(lines, head, disable_numparse=True, colalign=("left", *["right"] * (len(head) - 1)))


def _figure(row: dict[str, Any] | None, metric: str) -> str:
    if row is None:
        return "-"
    return f"{row[metric]:.2f}±{row['std'][metric]:.2f}" if row["runs"] > 1 else f"{row[metric]:.2f}"
