"""The Fig. 5 style plot of a sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.sweep_plan import CONFIG
from idkl.visualization.sweep import sweep_figure
from tests.sweeps import TGSA, make_row


def write(path: Path, values: dict[tuple[str, float], float]) -> Path:
    rows = [
        make_row("all", mean + rerank, rerank=bool(rerank)) | {"values": {CONFIG: name, TGSA: weight}, "runs": 3}
        for (name, weight), mean in values.items()
        for rerank in (0, 1)
    ]
    path.write_text(json.dumps({"summary": rows}))
    return path


def test_lines_points_and_spread(tmp_path: Path) -> None:
    numbers = {("base", 0.6): 31.0, ("base", 0.0): 30.0, ("idkl", 0.0): 40.0, ("idkl", 0.6): 42.0}
    figure = sweep_figure([write(tmp_path / "a.json", numbers), write(tmp_path / "b.json", numbers)])
    above, below = figure.axes[0], figure.axes[2]
    assert (above.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == (
        "Rank-1 (%)",
        "mAP (%)",
        "IDKL.WEIGHTS.TGSA",
    )
    lines = [container.lines[0] for container in above.containers]
    assert [line.get_xydata().tolist() for line in lines] == [[[0.0, 30.0], [0.6, 31.0]], [[0.0, 40.0], [0.6, 42.0]]]
    (bars,) = above.containers[0].lines[2]
    assert bars.get_segments()[0].tolist() == [[0.0, 29.0], [0.0, 31.0]]  # mean -1 and +1 standard deviation


def test_a_sweep_that_cannot_be_drawn(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {("base", 0.6): 1.0, ("idkl", 0.6): 2.0})
    with pytest.raises(UserError, match="is over 0 keys with several numbers"):
        sweep_figure([path])
    with pytest.raises(UserError, match="is no sweep's results"):
        sweep_figure([tmp_path / "none.json"])
