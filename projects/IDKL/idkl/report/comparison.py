"""A run's figures beside the paper's, with all that differs, and a verdict on whether they compare at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluation.results import LABELS
from . import paper
from .conditions import Condition, list_conditions
from .evaluated import EvaluatedOn
from .run import Run
from .tables import Figure, Line, build_lines, methods_of, setting_name

# Those that come first, and the others.
METRICS = (("Rank-1", "mAP"), ("Rank-10", "Rank-20"))


@dataclass(frozen=True)
class Beside:
    """One setting: the paper's figures by metric, ours by method and metric (none where we have not this setting)."""

    setting: str
    reported: dict[str, float]
    figures: dict[str, dict[str, Figure]]


@dataclass(frozen=True)
class Comparison:
    """A run and the paper's table of its dataset.

    ``here`` says what our figures are of, ``tables`` the metrics of each table to show, ``aside`` what else is known.
    """

    run: str
    dataset: str
    table: int
    here: str
    verdict: str
    incomparable: bool
    conditions: list[Condition]
    tables: list[list[str]]
    methods: list[str]
    rows: list[Beside]
    aside: str


def compare_with_paper(run: Run, evaluated: EvaluatedOn | None) -> Comparison | None:
    """The comparison of a run's last results; None where it has none, or the paper has no table of its protocol.

    Args:
        evaluated: None where the dataset is not at hand.
    """
    protocol = run.rows[0]["protocol"] if run.rows else None
    rows = [row for row in run.rows if row["protocol"] == protocol]
    if protocol not in paper.DATASETS:
        return None
    published = paper.DATASETS[protocol]
    lines = build_lines(run.name, run.last_model, rows)
    conditions = list_conditions(run.cfg, rows, evaluated)
    given = {metric for reported in published.reported for metric in reported.figures}
    verdict, incomparable = _verdict(conditions, published, evaluated)
    return Comparison(
        run=run.name,
        dataset=published.name,
        table=published.table,
        here=run.last_model,
        verdict=verdict,
        incomparable=incomparable,
        conditions=conditions,
        tables=[list(metrics) for metrics in METRICS if given.issuperset(metrics)],
        methods=methods_of(lines),
        rows=[_beside(reported, lines) for reported in published.reported],
        aside=_aside(protocol),
    )


def _beside(reported: paper.Reported, lines: Sequence[Line]) -> Beside:
    labels = {"mode": reported.mode, "shots": reported.shots, "direction": reported.direction}
    name = setting_name({label: labels.get(label) for label in LABELS})
    figures = next((line.figures for line in lines if line.setting == name), {})
    return Beside(name, reported.figures, figures)


def _verdict(
    conditions: Sequence[Condition], published: paper.Dataset, evaluated: EvaluatedOn | None
) -> tuple[str, bool]:
    """One or two sentences, and whether the figures cannot be compared."""
    if evaluated is not None and evaluated.generated:
        return (
            f"These figures do not compare with the paper's. This run was tested on {evaluated.identities} drawn "
            f"people, not on {published.name}: how well it finds them says that the code works, and nothing about how "
            "good the method is, or whether the paper's figures are reached."
        ), True
    differing = [condition.what.lower() for condition in conditions if condition.differs]
    if evaluated is None:
        return (
            "Whether these figures compare with the paper's cannot be told: the dataset was not at hand when this "
            f"report was written. Besides, these differ: {', '.join(differing) or 'none of the other conditions'}."
        ), True
    if differing:
        return f"Compare with care, for this is not as in the paper: {', '.join(differing)}.", "dataset" in differing
    return (
        "No condition that the paper tells differs. It does not tell whether its figures are re-ranked; the released "
        "code re-ranks."
    ), False


def _aside(protocol: str) -> str:
    if protocol != "sysu":
        return ""
    parts = [
        f"{rank_1:.1f} Rank-1 and {mAP:.1f} mAP in {mode}-search"
        for mode, (rank_1, mAP) in paper.PLAIN_BY_OTHERS.items()
    ]
    return (
        f"The authors' code re-ranks on SYSU-MM01, so the paper's figures stand nearer to re-ranked ones. Without "
        f"re-ranking a later paper's table lists IDKL, single-shot, at {' and '.join(parts)}."
    )
