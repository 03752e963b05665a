"""CMC curves are the evaluation's own figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from datasets_ext import UserError
from idkl.evaluation import evaluate
from idkl.visualization.cmc import cmc_figure
from tests.idkl.visualization.made import make_embedded


def test_the_curves_go_through_the_rows_of_the_evaluation() -> None:
    models = [make_embedded(name="one", spread=1.5), make_embedded(name="two", spread=3.0)]
    figure = cmc_figure(models)
    assert len(figure.axes) == 2
    for number, model in enumerate(models):
        rows = evaluate(model.features, model.images, model.settings)
        for axes, row in zip(figure.axes, rows, strict=True):
            ranks, values = axes.lines[number].get_data()
            assert np.asarray(ranks).tolist() == list(range(1, 21))
            shown = [np.asarray(values)[k - 1] for k in (1, 5, 10, 20)]
            assert shown == pytest.approx([row[f"Rank-{k}"] for k in (1, 5, 10, 20)])
            label = axes.get_legend().get_texts()[number].get_text()
            assert label == f"{model.name}: Rank-1 {row['Rank-1']:.1f}, mAP {row['mAP']:.1f}"
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(styles) == 2


def test_different_protocols_are_not_compared() -> None:
    one = make_embedded(name="one")
    other = dataclasses.replace(one, name="other", settings=one.settings[:1])
    with pytest.raises(UserError, match="one and other are tested by different protocols"):
        cmc_figure([one, other])
