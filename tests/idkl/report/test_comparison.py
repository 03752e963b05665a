"""The paper's figures beside ours: which conditions differ, and what the verdict makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from idkl.engine.setup import merge_config
from idkl.evaluation.results import METRICS
from idkl.report import paper
from idkl.report.comparison import Comparison, compare_with_paper
from idkl.report.conditions import list_conditions
from idkl.report.evaluated import EvaluatedOn
from idkl.report.run import Run
from tests.small import CONFIGS

REAL = {
    "sysu": EvaluatedOn(96, 3803, 301, False),
    "regdb": EvaluatedOn(206, 2060, 2060, False),
    "llcm": EvaluatedOn(351, 5000, 7000, False),
}
GALLERIES = {"sysu": ("official", 10), "regdb": (None, 1), "llcm": ("agw", 10)}


def row(protocol: str, rerank: bool, **labels: Any) -> dict[str, Any]:
    gallery, trials = GALLERIES[protocol]
    figures = {"std": dict.fromkeys(METRICS, 1.0), "ci95": {"Rank-1": [69.0, 71.0], "mAP": [69.0, 71.0]}}
    fixed = {"protocol": protocol, "mode": None, "shots": None, "direction": None, "gallery": gallery}
    return {**fixed, "rerank": rerank, "trials": trials, **dict.fromkeys(METRICS, 70.0), **figures, **labels}


def compare(protocol: str, *overrides: str, evaluated: EvaluatedOn | None) -> Comparison:
    cfg = merge_config(str(CONFIGS / f"{protocol}.yml"), list(overrides))
    first = paper.DATASETS[protocol].reported[0]
    labels = {"mode": first.mode, "shots": first.shots, "direction": first.direction}
    rows = [row(protocol, rerank, **labels) for rerank in (False, True)]
    found = compare_with_paper(Run("mine", Path(), cfg, rows, [], [], None, True), evaluated)
    assert found is not None
    return found


def differing(comparison: Comparison) -> set[str]:
    return {condition.what for condition in comparison.conditions if condition.differs}


@pytest.mark.parametrize(("protocol", "expected"), [("sysu", set()), ("regdb", {"Gallery"}), ("llcm", {"Gallery"})])
def test_the_papers_configs_on_real_data_differ_only_where_the_paper_is_not_followed(
    protocol: str, expected: set[str]
) -> None:
    found = compare(protocol, evaluated=REAL[protocol])
    assert differing(found) == expected and not found.incomparable
    assert ("not as in the paper: gallery." in found.verdict) == bool(expected)
    assert [c.what for c in found.conditions if c.differs is None] == ["Re-ranking"]
    assert found.dataset == paper.DATASETS[protocol].name and found.methods == ["plain", "re-ranked"]


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("MODEL.META_ARCHITECTURE", "Baseline", {"Method", "Loss weights"}),
        ("MODEL.BACKBONE.DEPTH", "18x", {"Network"}),
        ("MODEL.BACKBONE.WITH_IBN", "True", {"Network"}),
        ("MODEL.BACKBONE.PRETRAIN", "False", {"Network"}),
        ("INPUT.SIZE_TEST", "[256, 128]", {"Input, height x width"}),
        ("SOLVER.IMS_PER_BATCH", "60", {"Training batch"}),
        ("DATALOADER.NUM_INSTANCE", "8", {"Training batch"}),
        ("SOLVER.BASE_LR", "0.001", {"Schedule"}),
        ("SOLVER.STEPS", "[60]", {"Schedule"}),
        ("MODEL.IDKL.WEIGHTS.TGSA", "0.0", {"Loss weights"}),
    ],
)
def test_every_condition_is_noticed(key: str, value: str, what: set[str]) -> None:
    assert differing(compare("sysu", key, value, evaluated=REAL["sysu"])) == what


def test_data_that_is_drawn_incomplete_or_not_at_hand_does_not_compare() -> None:
    drawn = compare("sysu", evaluated=EvaluatedOn(96, 3803, 301, True))
    assert drawn.incomparable and "do not compare with the paper's" in drawn.verdict
    part = compare("sysu", evaluated=EvaluatedOn(96, 3000, 301, False))
    assert part.incomparable and "dataset" in part.verdict
    unknown = compare("sysu", evaluated=None)
    assert unknown.incomparable and "cannot be told" in unknown.verdict and unknown.conditions[0].differs is None


def test_figures_stand_beside_their_setting_and_nothing_beside_others() -> None:
    found = compare("sysu", evaluated=REAL["sysu"])
    assert [beside.setting for beside in found.rows] == [
        f"{mode}-search, {shots}-shot" for mode in ("all", "indoor") for shots in ("single", "multi")
    ]
    assert found.rows[0].reported == {"Rank-1": 81.42, "Rank-10": 97.38, "Rank-20": 98.89, "mAP": 79.85}
    assert found.rows[0].figures["re-ranked"]["mAP"].mean == 70.0 and found.rows[1].figures == {}
    assert found.tables == [["Rank-1", "mAP"], ["Rank-10", "Rank-20"]]
    assert compare("regdb", evaluated=REAL["regdb"]).tables == [["Rank-1", "mAP"]]


def test_another_gallery_rule_and_number_of_trials_are_noticed() -> None:
    cfg = merge_config(str(CONFIGS / "sysu.yml"), [])
    for gallery, trials, expected in (("official", 10, False), ("agw", 10, True), ("official", 1, True)):
        rows = [row("sysu", False, mode="all", shots=1, gallery=gallery, trials=trials)]
        conditions = {c.what: c for c in list_conditions(cfg, rows, REAL["sysu"])}
        assert conditions["Gallery"].differs is expected


def test_a_run_without_results_is_not_compared() -> None:
    cfg = merge_config(str(CONFIGS / "sysu.yml"), [])
    assert compare_with_paper(Run("mine", Path(), cfg, [], [], [], None, False), None) is None
