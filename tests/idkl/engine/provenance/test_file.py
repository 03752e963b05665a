"""``provenance.json``: sessions are added, results are found by their bytes, damage is one line."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from datasets_ext import UserError
from idkl.engine.provenance import PROVENANCE, begin_session, keep_alone, keep_results, read_sessions
from idkl.engine.provenance.file import sessions_of
from tests.sweeps import make_row


def test_sessions_follow_one_another(tmp_path: Path) -> None:
    path = tmp_path / PROVENANCE
    begin_session(path, {"kind": "training", "epochs_done": 0}, goes_on=True)
    begin_session(path, {"kind": "training", "epochs_done": 4}, goes_on=True)
    sessions = read_sessions(path)
    assert [session["epochs_done"] for session in sessions] == [0, 4]
    time = datetime.fromisoformat(sessions[0]["time"])
    assert time.utcoffset() == timedelta(0) and abs(datetime.now(timezone.utc) - time) < timedelta(minutes=5)
    begin_session(path, {"kind": "training", "epochs_done": 0}, goes_on=False)
    assert len(read_sessions(path)) == 1


def test_results_are_found_by_their_bytes(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    for epochs, value in ((0, 10.0), (4, 20.0)):
        begin_session(tmp_path / PROVENANCE, {"kind": "training", "epochs_done": epochs}, goes_on=epochs > 0)
        keep_results([make_row("all", value)], results)
        if epochs == 0:
            first = results.read_bytes()
    sessions, writer = sessions_of(results)
    assert writer == sessions[1]
    results.write_bytes(first)
    assert sessions_of(results)[1] == sessions[0]
    results.write_bytes(first + b"\n")
    assert sessions_of(results) == (sessions, None)


def test_results_are_of_the_session_of_their_own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results.json"
    begin_session(tmp_path / PROVENANCE, {"kind": "training"}, goes_on=False)
    with monkeypatch.context() as patch:  # an evaluation into the same folder while the training runs
        patch.setattr("idkl.engine.provenance.file._PROCESS", "another")
        begin_session(tmp_path / PROVENANCE, {"kind": "evaluation"}, goes_on=True)
    keep_results([make_row("all", 10.0)], results)
    sessions, writer = sessions_of(results)
    assert len(sessions) == 2 and writer == sessions[0]
    with monkeypatch.context() as patch:
        patch.setattr("idkl.engine.provenance.file._PROCESS", "a third")
        keep_results([make_row("all", 20.0)], results)
    assert sessions_of(results) == (sessions, None)


def test_a_record_damaged_meanwhile_does_not_end_a_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / PROVENANCE).write_text("{")
    keep_results([make_row("all", 10.0)], tmp_path / "results.json")
    assert (tmp_path / "results.json").is_file() and (tmp_path / PROVENANCE).read_text() == "{"
    assert "is not recorded" in caplog.text and "is damaged" in caplog.text


def test_a_file_of_its_own_for_results_of_no_run(tmp_path: Path) -> None:
    keep_alone([make_row("all", 1.0)], tmp_path / "out.json", {"kind": "features"})
    assert {path.name for path in tmp_path.iterdir()} == {"out.json", "out.provenance.json"}
    sessions, writer = sessions_of(tmp_path / "out.json")
    assert writer == sessions[0] and writer["kind"] == "features"


def test_each_results_file_has_the_record_that_wrote_it(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    keep_alone([make_row("all", 1.0)], results, {"kind": "features"})
    begin_session(tmp_path / PROVENANCE, {"kind": "training"}, goes_on=False)
    keep_results([make_row("all", 2.0)], results)
    assert sessions_of(results)[1]["kind"] == "training"  # type: ignore[index]
    keep_alone([make_row("all", 1.0)], results, {"kind": "features"})
    assert sessions_of(results)[1]["kind"] == "features"  # type: ignore[index]


def test_without_a_record_only_the_results_are_written(tmp_path: Path) -> None:
    keep_results([make_row("all", 1.0)], tmp_path / "results.json")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    with pytest.raises(UserError, match="provenance.json is missing"):
        sessions_of(tmp_path / "results.json")


SESSION = '{"kind": "training", "results": {}}'


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"format": 1}', b'{"format": 1, "sessions": []}', b"[" * 100_000),
        *(b'{"format": 1, "sessions": [3]}', b'{"format": 1, "sessions": [{"kind": "training"}]}'),
        *(f'{{"sessions": [{SESSION}]}}'.encode(), f'{{"format": true, "sessions": {SESSION}}}'.encode()),
        b'{"format": 1, "sessions": [{"kind": 1, "results": {}}]}',
        b'{"format": 1, "sessions": [{"kind": "training", "results": {"results.json": "abc"}}]}',
    ],
)
def test_damage_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / PROVENANCE
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        begin_session(path, {"kind": "training"}, goes_on=True)
    assert re.fullmatch(rf"{re.escape(str(path))} is damaged \(.+\): move it away to go on .+", str(caught.value))
    assert path.read_bytes() == content


def test_every_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / PROVENANCE
    begin_session(path, {"kind": "training", "versions": {"torch": "2"}}, goes_on=False)
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="is damaged"):
            read_sessions(path)


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    (tmp_path / PROVENANCE).write_text(json.dumps({"format": 2, "sessions": {}}))
    with pytest.raises(UserError, match="has format 2, newer than 1: update"):
        read_sessions(tmp_path / PROVENANCE)
