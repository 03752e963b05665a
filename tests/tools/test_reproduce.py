"""The paper's figures beside ours: what is planned, what is compared, and what is said without data."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.sweep_plan import Sweep
from idkl.evaluation.results import write_results
from idkl.report import reproduce
from idkl.report.reproduce import PUBLISHED
from tests.sweeps import finish, make_row
from tools.reproduce import main


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(tmp_path / "datasets"))
    monkeypatch.setattr(reproduce, "draw", lambda experiment, folder, workers: folder)


@pytest.mark.parametrize(("name", "runs"), [("table1", 1), ("table2", 10), ("table3", 1), ("fig6", 3)])
def test_experiments_are_the_papers_setting(name: str, runs: int, tmp_path: Path) -> None:
    experiment = reproduce.EXPERIMENTS[name]
    planned = [run.config for sweep in reproduce.plan(experiment, tmp_path, ["1"], []) for run in sweep.runs]
    assert len(planned) == runs and {config["MODEL.BACKBONE.DEPTH"] for config in planned} == {"50x"}
    assert {tuple(config["DATASETS.NAMES"]) for config in planned} == {(experiment.dataset,)}


def test_fig5_is_a_sweep_a_weight_at_the_small_scale(tmp_path: Path) -> None:
    sweeps = reproduce.plan(reproduce.EXPERIMENTS["fig5"], tmp_path, ["1"], reproduce.quick_overrides())
    assert [sweep.keys[1].rsplit(".")[-1] for sweep in sweeps] == ["IP", "TGSA", "CSA"]
    assert all(0.1 in values and 0.6 in values and 0.8 in values for values in map(_values, sweeps))  # the paper's
    assert {run.config["MODEL.BACKBONE.DEPTH"] for sweep in sweeps for run in sweep.runs} == {"10x"}


def _values(sweep: Sweep) -> list[float]:
    return [run.values[sweep.keys[1]] for run in sweep.runs]


def test_table4_beside_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["table4", "--dataset", "generated", "--quick", "--seeds", "1", "2", "--output", str(tmp_path)]
    sweeps = reproduce.plan(reproduce.EXPERIMENTS["table4"], tmp_path, ["1", "2"], reproduce.quick_overrides())
    for number, run in enumerate(sweeps[0].runs):  # row by row, seed 1 then 2
        finish(run)
        write_results([make_row("all", 5.0 * (number + 1)) | {"shots": 1}], run.folder / "results.json")
    main([*words, "TEST.IMS_PER_BATCH", "128"])
    out = capsys.readouterr().out
    own = out[out.index("table4: What each loss term brings") :]
    lines = {line.split()[0]: line.split()[1:] for line in own.splitlines() if line.startswith("row")}
    assert lines["row1_base"][:2] == ["67.60", "7.50±2.50"] and lines["row6_idkl"][:2] == ["81.42", "57.50±2.50"]
    assert lines["row6_idkl"][2] == "-"  # nothing re-ranked there
    assert "differs: MODEL.BACKBONE.DEPTH 10x (paper: 50x)" in own
    assert "differs: data: people drawn" in own and "TEST.IMS_PER_BATCH" not in own


@pytest.mark.parametrize(("what", "said"), [("fig5", "Plot: "), ("fig6", "tools/visualize.py tsne --run ")])
def test_figures(
    what: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = reproduce.EXPERIMENTS[what]
    parts = [replace(part, over=tuple(words[:3] for words in part.over)) for part in whole.parts]  # two values of each
    monkeypatch.setitem(reproduce.EXPERIMENTS, what, replace(whole, parts=tuple(parts)))
    for sweep in reproduce.plan(reproduce.EXPERIMENTS[what], tmp_path, ["1"], []):
        for run in sweep.runs:
            finish(run)
    main([what, "--dataset", "generated", "--seeds", "1", "--output", str(tmp_path)])
    assert said in capsys.readouterr().out and (tmp_path / "fig5.pdf").exists() == (what == "fig5")


def test_absent_data_is_one_line_that_says_what_to_put_where() -> None:
    for name, folder in (("table1", "SYSU-MM01"), ("table2", "RegDB"), ("table3", "LLCM"), ("fig5", "SYSU-MM01")):
        with pytest.raises(UserError) as error:
            main([name])
        assert folder in str(error.value) and "\n" not in str(error.value)
        assert "put it there" in str(error.value) and "--dataset generated" in str(error.value)


def test_the_published_rows_are_those_of_the_papers_tables() -> None:
    last = PUBLISHED["table4"][-1]
    assert last.figures == {key: PUBLISHED["table1"][0].figures[key] for key in ("Rank-1", "mAP")}
    assert [bool(re.fullmatch(r"row\d_\w+", row.name)) for row in PUBLISHED["table4"]] == [True] * 6
    gains = [row.figures["Rank-1"] - PUBLISHED["table4"][0].figures["Rank-1"] for row in PUBLISHED["table4"]]
    assert gains[-1] == pytest.approx(13.82)  # the claim
