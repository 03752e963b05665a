"""CMC curves: how often a query's identity is among its k nearest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from datasets_ext.errors import UserError

from ..evaluation.metrics import average_scores
from ..evaluation.results import RANKS
from ..evaluation.scoring import score_settings
from .canvas import COLORS, DASHES, MARKERS, in_style, new_figure
from .embedded import Embedded
from .ranks import describe_setting


@in_style
def cmc_figure(models: Sequence[Embedded]) -> Figure:
    """A panel a setting of the protocol, a line a model: the mean over trials of CMC at ranks 1 to 20, plain distances.

    The band is a standard deviation over trials to either side; the legend has Rank-1 and mAP.

    Args:
        models: one or more, tested by the same protocol.

    Raises:
        UserError: the protocols differ, or a trial has no query with a match.
    """
    titles = [describe_setting(setting) for setting in models[0].settings]
    for one, other in pairwise(models):
        if [describe_setting(setting) for setting in other.settings] != titles:
            raise UserError(f"{one.name} and {other.name} are tested by different protocols: compare them one by one")
    columns = min(2, len(titles))
    rows = -(-len(titles) // columns)
    figure = new_figure(4.4 * columns, 3.4 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    ranks = np.arange(1, max(RANKS) + 1)
    for number, model in enumerate(models):
        style = {"color": COLORS[number % len(COLORS)], "linestyle": DASHES[number % len(DASHES)]}
        for axes, (scores, *_) in zip(grid, score_settings(model.feature_set, model.settings), strict=False):
            trials = [average_scores(trial, max(RANKS)) for trial in scores]
            curves = 100 * np.array([trial.cmc for trial in trials])
            mean, spread = curves.mean(axis=0), curves.std(axis=0)
            label = f"{model.name}: Rank-1 {mean[0]:.1f}, mAP {100 * np.mean([trial.mAP for trial in trials]):.1f}"
            marked = [rank - 1 for rank in RANKS]
            axes.plot(ranks, mean, marker=MARKERS[number % len(MARKERS)], markevery=marked, label=label, **style)
            axes.fill_between(ranks, mean - spread, mean + spread, color=style["color"], alpha=0.18, linewidth=0)
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(title, size=9)
        axes.grid(alpha=0.3)
        axes.set_xticks(RANKS)
        axes.legend(loc="lower right", frameon=False, fontsize=8)
    figure.supxlabel("rank k", size=9)
    figure.supylabel("queries with a match among the first k (percent)", size=9)
    return figure
