"""Two runs beside each other from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.provenance import PROVENANCE, begin_session, keep_results
from tests.sweeps import make_row
from tools.compare_runs import main


def run(folder: Path, seed: int) -> str:
    begin_session(folder / PROVENANCE, {"kind": "training", "config": {"SEED": seed}}, goes_on=False)
    keep_results([make_row("all", 10.0 * seed)], folder / "results.json")
    return str(folder)


def test_tables_and_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = run(tmp_path / "one", 3), run(tmp_path / "other", 4)
    main([one, f"{other}/results.json"])
    out = capsys.readouterr().out
    assert "30.00" in out and "40.00" in out
    assert ["SEED", "3", "4"] in [line.split() for line in out.splitlines()]


def test_a_run_without_a_record_is_one_line(tmp_path: Path) -> None:
    one = run(tmp_path / "one", 3)
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"other/provenance.json is missing"):
        main([one, str(tmp_path / "other")])
