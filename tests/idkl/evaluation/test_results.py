"""The result table as a reader sees it, and results.json on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from datasets_ext.errors import UserError
from idkl.evaluation.results import METRICS, ROW_KEYS, Row, format_table, read_results, write_results


def make_row(first: float = 50.0, **changes: object) -> Row:
    values = {key: first + i for i, key in enumerate(METRICS)}
    row = {
        "protocol": "sysu",
        "mode": "all",
        "shots": 1,
        "direction": "infrared-to-visible",
        "gallery": "official",
        "rerank": False,
        "trials": 10,
        **values,
        "std": dict.fromkeys(METRICS, 0.25),
    }
    return {**row, **changes}


def test_table_shows_what_varies_and_captions_what_does_not() -> None:
    rows = [make_row(), make_row(shots=10), make_row(60.0, mode="indoor")]
    caption, blank, header, rule, *lines = format_table(rows).split("\n")
    assert caption == (
        "protocol sysu, direction infrared-to-visible, gallery official, rerank no, trials 10 "
        "(percent, mean ± standard deviation over trials)"
    )
    assert blank == "" and set(rule) == {"-", " "}
    assert header.split() == ["mode", "shots", *METRICS]
    assert [line.split()[:2] for line in lines] == [["all", "1"], ["all", "10"], ["indoor", "1"]]
    assert lines[2].split("  ")[-1].strip() == "65.00 ± 0.25"


def test_models_stand_side_by_side() -> None:
    text = format_table([make_row(3.0), make_row(70.0)], models=["untrained", "trained"])
    _, _, header, _, *lines = text.split("\n")
    assert header.split()[0] == "model"
    assert [line.split()[:2] for line in lines] == [["untrained", "3.00"], ["trained", "70.00"]]


def test_plain_and_reranked_rows_are_told_apart() -> None:
    lines = format_table([make_row(), make_row(80.0, rerank=True)]).split("\n")
    assert lines[2].split()[0] == "rerank"
    assert [line.split()[0] for line in lines[4:]] == ["no", "yes"]


def test_one_trial_has_no_spread() -> None:
    text = format_table([make_row(trials=1)])
    assert "±" not in text and "50.00" in text


def test_label_that_does_not_apply_is_a_dash() -> None:
    lines = format_table([make_row(mode=None), make_row()]).split("\n")
    assert [line.split()[0] for line in lines[4:]] == ["-", "all"]


def test_file_holds_the_rows_with_exactly_the_fixed_keys(tmp_path: Path) -> None:
    rows = [make_row(mode=None), make_row(81.42, rerank=True)]
    path = tmp_path / "new" / "results.json"
    write_results([{**row, "note": "not written"} for row in rows], path)
    stored = json.loads(path.read_text())
    assert [tuple(row) for row in stored] == [ROW_KEYS, ROW_KEYS]
    assert stored == rows == read_results(path)
    assert stored[0]["mode"] is None and stored[0]["rerank"] is False
    assert os.listdir(path.parent) == ["results.json"]


def test_failed_write_keeps_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    write_results([make_row()], path)

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UserError, match=r"cannot write results to .*results\.json: No space left"):
        write_results([make_row(90.0)], path)
    assert read_results(path) == [make_row()]
    assert os.listdir(tmp_path) == ["results.json"]


def test_link_keeps_pointing_at_the_file(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    write_results([make_row()], target)
    link.symlink_to(target)
    write_results([make_row(90.0)], link)
    assert link.is_symlink() and read_results(target) == [make_row(90.0)]


def test_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "results.json"):
        with pytest.raises(UserError, match="cannot write results to") as error:
            write_results([make_row()], path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not JSON"),
        ("{}", "is not a list"),
        ("[3]", "row 0 does not have the keys"),
        ('[{"mAP": 3}]', "row 0 does not have the keys"),
    ],
)
def test_bad_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_results(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read results from .*none\.json"):
        read_results(tmp_path / "none.json")
