"""The result table as a reader sees it, and results.json on disk."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from datasets_ext.errors import UserError
from idkl.evaluation.results import METRICS, ROW_KEYS, Row, format_table, read_results, row_name, write_results


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
        "ci95": {"Rank-1": [first - 4, first + 4], "mAP": [first, first + 8]},
    }
    return {**row, **changes}


def test_table_shows_what_varies_and_captions_what_does_not() -> None:
    rows = [make_row(), make_row(shots=10), make_row(60.0, mode="indoor")]
    caption, blank, header, rule, *lines = format_table(rows).split("\n")
    assert caption == (
        "protocol sysu, direction infrared-to-visible, gallery official, rerank no, trials 10 "
        "(percent, ± standard deviation over trials; 95%: bootstrap interval over query identities)"
    )
    assert blank == "" and set(rule) == {"-", " "}
    names = ["mode", "shots", "Rank-1", "Rank-1 95%", "Rank-5", "Rank-10", "Rank-20", "mAP", "mAP 95%", "mINP"]
    assert re.split(r"\s\s+", header.strip()) == names
    assert [line.split()[:2] for line in lines] == [["all", "1"], ["all", "10"], ["indoor", "1"]]
    cells = "60.00±0.25 56.0-64.0 61.00±0.25 62.00±0.25 63.00±0.25 64.00±0.25 60.0-68.0 65.00±0.25"
    assert lines[2].split()[2:] == cells.split()


def test_models_stand_side_by_side() -> None:
    text = format_table([make_row(3.0), make_row(70.0)], models=["untrained", "trained"])
    _, _, header, _, *lines = text.split("\n")
    assert header.split()[0] == "model"
    assert [line.split()[:2] for line in lines] == [["untrained", "3.00±0.25"], ["trained", "70.00±0.25"]]


def test_plain_and_reranked_rows_are_told_apart() -> None:
    lines = format_table([make_row(), make_row(80.0, rerank=True)]).split("\n")
    assert lines[2].split()[0] == "rerank"
    assert [line.split()[0] for line in lines[4:]] == ["no", "yes"]


def test_one_trial_has_no_spread() -> None:
    text = format_table([make_row(trials=1)])
    assert "±" not in text and text.splitlines()[-1].split()[:2] == ["50.00", "46.0-54.0"]
    caption, _, _, _, one, ten = format_table([make_row(trials=1), make_row()]).split("\n")
    assert "± standard deviation over trials" in caption
    assert "±" not in one and ten.count("±") == len(METRICS)


def test_label_that_does_not_apply_is_a_dash() -> None:
    lines = format_table([make_row(mode=None), make_row()]).split("\n")
    assert [line.split()[0] for line in lines[4:]] == ["-", "all"]


def test_what_applies_to_no_row_is_not_mentioned() -> None:
    caption = format_table([make_row(protocol="regdb", mode=None, shots=None, gallery=None, trials=1)]).split("\n")[0]
    assert caption.startswith("protocol regdb, direction infrared-to-visible, rerank no, trials 1 (percent; 95%: ")


@pytest.mark.parametrize("models", [None, ["untrained", "trained"]])
def test_columns_line_up(models: list[str] | None) -> None:
    _, _, header, *lines = format_table([make_row(3.0), make_row(100.0, shots=10)], models).split("\n")
    assert {len(line) for line in lines} == {len(header)}


def test_names_of_rows() -> None:
    rows = [
        make_row(mode=mode, shots=shots, rerank=rerank)
        for mode in ("all", "indoor")
        for shots in (1, 10)
        for rerank in (False, True)
    ]
    names = [row_name(row, rows) for row in rows]
    assert names[:4] == ["all-1", "all-1-reranked", "all-10", "all-10-reranked"]
    assert len(set(names)) == 8
    rows = [make_row(direction=name, rerank=rerank) for name in ("a-to-b", "b-to-a") for rerank in (False, True)]
    assert [row_name(row, rows) for row in rows] == ["a-to-b", "a-to-b-reranked", "b-to-a", "b-to-a-reranked"]
    assert [row_name(row, rows[:2]) for row in rows[:2]] == ["", "reranked"]
    # What was not measured alike in other ways is not part of the name.
    rows = [make_row(mode="all", trials=1), make_row(mode="indoor")]
    assert [row_name(row, rows) for row in rows] == ["all", "indoor"]


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
    with pytest.raises(UserError, match=r"cannot write .*results\.json: No space left"):
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
        with pytest.raises(UserError, match="cannot write") as error:
            write_results([make_row()], path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not JSON"),
        ("{}", "is not a list"),
        ("[3]", "row 0 does not have the keys"),
        ('[{"mAP": 3}]', "row 0 does not have the keys"),
        (json.dumps([make_row(), {**make_row(), "more": 1}]), "row 1 does not have the keys"),
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
