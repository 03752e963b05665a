"""What is read from metrics.json and drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets_ext import UserError
from idkl.visualization.curves import curve_figure, read_curves


def write(folder: Path, *lines: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def test_steps_count_from_one_and_a_resumed_run_overwrites(tmp_path: Path) -> None:
    run = write(
        tmp_path / "run",
        {"iteration": 0, "untrained/mAP": 5.0},
        {"iteration": 9, "total_loss": 8.0, "mAP": 20.0},
        {"iteration": 19, "total_loss": 7.0, "mAP": 21.0},
        {"iteration": 14, "total_loss": 7.5},
        {"iteration": 19, "total_loss": 6.0, "mAP": 30.0},
    )
    found = {name: (steps.tolist(), values.tolist()) for name, (steps, values) in read_curves(run).items()}
    assert found == {"mAP": ([0, 10, 20], [5, 20, 30]), "total_loss": ([10, 15, 20], [8, 7.5, 6])}
    assert np.array_equal(read_curves(run / "metrics.json")["mAP"], read_curves(run)["mAP"])


def test_a_panel_a_quantity_and_a_line_a_run(tmp_path: Path) -> None:
    line = {
        "iteration": 4,
        "total_loss": 2.0,
        "loss_b": 1.0,
        "loss_a": 1.0,
        "cls_accuracy": 0.5,
        "lr": 0.1,
        "time": 3.0,
    }
    one = write(tmp_path / "x" / "run", line)
    two = write(tmp_path / "y" / "run", {"iteration": 4, "total_loss": 3.0, "mAP": 10.0})
    figure = curve_figure([one, two])
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == [
        *("total loss", "loss a", "loss b", "cls accuracy", "learning rate", "mAP (%)")
    ]
    assert [len(axes.lines) for axes in shown] == [2, 1, 1, 1, 1, 1]
    assert [line.get_label() for line in shown[0].lines] == ["x/run", "y/run"]
    first, second = shown[0].lines
    assert first.get_color() != second.get_color() and first.get_linestyle() != second.get_linestyle()
    assert shown[-1].lines[0].get_marker() not in ("", "None")


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    for text, message in (
        (None, r"metrics\.json is missing: give a run folder"),
        ("", r"metrics\.json is empty"),
        ('{"iteration": 1, "lr": 1}\nnonsense\n', r"metrics\.json line 2 is no line of a training's metrics"),
        ("[1]\n", "line 1 is no line"),
        ('{"lr": 1}\n', "line 1 is no line"),
        ('{"iteration": 1, "lr": "x"}\n', "line 1 is no line"),
    ):
        if text is not None:
            (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(UserError, match=message) as error:
            read_curves(tmp_path)
        assert len(str(error.value).splitlines()) == 1
