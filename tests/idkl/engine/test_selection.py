"""The best epoch is told from the last one, and says on what it was chosen."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from idkl.engine.provenance import PROVENANCE, begin_session, read_sessions
from idkl.engine.selection import BEST_RESULTS, BestEpoch, write_best
from idkl.evaluation.results import Row, read_results
from tests.sweeps import make_row


def rows(value: float, mode: str = "all") -> list[Row]:
    return [make_row(mode, value), make_row(mode, value + 30, rerank=True)]


def evaluated(*values: float) -> BestEpoch:
    best = BestEpoch("SYSU_MM01")
    for epoch, value in enumerate(values):
        best.update(epoch, rows(value), value)
    return best


def test_only_a_better_epoch_takes_its_place() -> None:
    best = BestEpoch("SYSU_MM01")
    given = [(0, 10.0, True), (1, 9.0, False), (2, 12.0, True), (3, 12.0, False), (4, 12.5, True)]
    assert [best.update(epoch, rows(value), value) for epoch, value, _ in given] == [is_best for *_, is_best in given]
    assert (best.epoch, best.metric, best.rows) == (4, 12.5, rows(12.5))


def test_the_best_epoch_evaluated_again_stays_the_best() -> None:
    best = evaluated(10.0, 12.0)
    assert best.update(1, rows(12.0), 12.0) and best.epoch == 1
    assert not best.update(0, rows(10.0), 10.0)


def test_a_first_epoch_that_finds_nobody_is_a_choice() -> None:
    assert BestEpoch("SYSU_MM01").update(0, rows(0.0), 0.0)


def test_the_label_says_epoch_setting_metric_and_that_it_is_selection() -> None:
    label = evaluated(10.0, 12.345, 11.0).label()
    assert label.startswith("best epoch 2, chosen on SYSU_MM01 (protocol sysu, mode all,") and "12.35" in label
    assert "mean of the plain Rank-1 and mAP" in label and label.endswith(" - selection on the test set")
    assert "\n" not in label
    assert BestEpoch("SYSU_MM01").label() == "no epoch was evaluated"


def test_a_change_of_what_it_is_chosen_on_begins_again() -> None:
    best = evaluated(50.0)
    assert best.update(1, rows(20.0, mode="indoor"), 20.0) and best.epoch == 1
    assert not best.update(2, rows(19.0, mode="indoor"), 19.0)


def test_a_checkpoint_keeps_it() -> None:
    best = evaluated(10.0, 12.0, 11.0)
    file = io.BytesIO()
    torch.save({"best": best.state_dict()}, file)
    file.seek(0)
    restored = BestEpoch("SYSU_MM01")
    restored.load_state_dict(torch.load(file, weights_only=True)["best"])
    assert restored.label() == best.label() and restored.rows == best.rows
    assert not restored.update(3, rows(11.5), 11.5) and restored.update(3, rows(12.5), 12.5)
    with pytest.raises(KeyError):
        restored.load_state_dict({"epoch": 1})


def test_a_better_epoch_gets_a_table_and_a_file_of_its_own(tmp_path: Path) -> None:
    begin_session(tmp_path / PROVENANCE, {"kind": "training"}, goes_on=False)
    best = evaluated(10.0, 12.0, 11.0)
    table = write_best(best, 2, tmp_path)
    assert table is not None and table.startswith(f"{best.label()} ({BEST_RESULTS})\n") and "12.00" in table
    assert read_results(tmp_path / BEST_RESULTS) == rows(12.0)
    assert not (tmp_path / "results.json").exists()
    assert read_sessions(tmp_path / PROVENANCE)[0]["results"][BEST_RESULTS]["selection"] == best.label()


@pytest.mark.parametrize("values", [(), (10.0, 11.0, 12.0)])
def test_no_file_when_no_other_epoch_was_better(tmp_path: Path, values: tuple[float, ...]) -> None:
    (tmp_path / BEST_RESULTS).write_text("of an earlier end of this training")
    assert write_best(evaluated(*values), 2, tmp_path) is None
    assert list(tmp_path.iterdir()) == []
