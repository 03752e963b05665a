"""A run in short: its two main figures, and one sentence that a newcomer understands."""

from __future__ import annotations

from dataclasses import dataclass

from .evaluated import EvaluatedOn
from .run import Run
from .tables import Figure, Line, build_lines

SHOWN = ("Rank-1", "mAP")
PLAIN = "plain"


@dataclass(frozen=True)
class Card:
    """``data``: what it was tested on; ``figures``: plain ones of the first setting by metric, none before the first
    evaluation; ``of``: what they are of."""

    name: str
    data: str
    of: str
    figures: dict[str, Figure]
    sentence: str


def make_card(run: Run, evaluated: EvaluatedOn | None) -> Card:
    """The card of a run; ``evaluated`` is None where the dataset is not at hand."""
    data = ", ".join(run.cfg.DATASETS.TESTS)
    if evaluated is not None:
        kind = "drawn people in the layout of " if evaluated.generated else ""
        data = f"{kind}{data}: {evaluated.queries} queries of {evaluated.identities} people"
    if not run.rows:
        return Card(run.name, data, "", {}, "This run has not been evaluated yet.")
    line = build_lines(run.name, run.last_model, run.rows)[0]
    figures = {metric: line.figures[PLAIN][metric] for metric in SHOWN}
    return Card(run.name, data, f"{line.setting}, plain, {line.model}", figures, _sentence(run, line))


def _sentence(run: Run, line: Line) -> str:
    found = line.figures[PLAIN]["Rank-1"].mean
    text = f"For {found:.0f} of 100 queries the first image found shows the right person"
    if run.untrained:
        before = build_lines(run.name, "", run.untrained)[0].figures[PLAIN]["Rank-1"].mean
        text += f"; before training it was {before:.0f} of 100"
    return f"{text}."


def remark(run: Run) -> str:
    """Which epochs the rows of a run are, and how they were chosen."""
    if not run.rows or run.history is None or not run.history.evaluated:
        return "No evaluation was recorded during the training, so the best epoch is not known."
    count = len(run.history.evaluated)
    times = "once" if count == 1 else f"{count} times"
    if not run.is_of_last_evaluation:
        return (
            "results.json was written by an evaluation after the training, so its rows are those of the checkpoint "
            "that was evaluated then, not necessarily of the last epoch."
        )
    if run.best_step is None:
        return (
            f"The network was evaluated {times} during the training, and the last time was the best: last and best "
            "epoch are the same. The last epoch was not chosen by its test score."
        )
    return (
        f"The network was evaluated {times} during the training. The last epoch was not chosen by its test score. "
        "The best epoch was, so its figures flatter it: new people would be found less well. It is what model_best.pth "
        f"holds{'' if run.best else '; its spread and intervals were not kept'}."
    )
