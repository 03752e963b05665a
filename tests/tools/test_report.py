"""The program: where the file goes, and one line for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets_ext import UserError
from tests.run_folders import small_config, write_metrics
from tools import report


@pytest.fixture
def unfinished(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that has trained for some steps and was not evaluated yet."""
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    cfg = small_config(folder, 3)
    folder.mkdir()
    (folder / "config.yaml").write_text(cfg.dump(), encoding="utf-8")
    write_metrics(folder, {0: {}, 4: {}, 8: {}})
    return folder


def test_an_unfinished_run_has_its_curves_and_says_what_is_missing(
    unfinished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.main([str(unfinished)])
    note, last = capsys.readouterr().out.splitlines()[-2:]
    assert note.startswith("note: run: no rank lists and no pictures") and "has no model_final.pth" in note
    assert last.startswith(f"Report: {unfinished / 'report.html'} (0.")
    text = (unfinished / "report.html").read_text(encoding="utf-8")
    assert "This run has not been evaluated yet" in text and "there is no table" in text
    assert text.count('<figure class="chart">') == 3 and 'id="paper"' not in text


def test_the_file_goes_where_it_is_asked_for(unfinished: Path) -> None:
    other = unfinished.with_name("other")
    other.mkdir()
    for file in unfinished.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    report.main([str(unfinished), str(other)])
    report.main([str(unfinished), "--output", "new/a.htm"])
    assert [path.is_file() for path in (Path("report.html"), Path("new/a.htm"))] == [True, True]
    assert not (unfinished / "report.html").exists()


def test_mistakes_are_one_line(unfinished: Path, tmp_path: Path) -> None:
    for name, file in (("empty", None), ("bare", "config.yaml"), ("sweep", "sweep.json"), ("strange", "metrics.json")):
        (tmp_path / name).mkdir()
        if file is not None:
            content = (unfinished / "config.yaml").read_bytes() if file == "config.yaml" else b"x\n"
            (tmp_path / name / file).write_bytes(content)
    (tmp_path / "strange" / "config.yaml").write_bytes((unfinished / "config.yaml").read_bytes())
    for words, message in (
        (["none"], "run none is not a folder: give the OUTPUT_DIR"),
        (["empty"], "empty is no run folder, for it has no config.yaml"),
        (["bare"], r"run bare has no results\.json and no metrics\.json yet"),
        (["sweep"], "sweep is a sweep, not a run"),
        (["strange"], "line 1 is no line of a training's metrics"),
        (["run", "run/."], "is given twice"),
        (["run", "--output", "a.pdf"], r"--output a\.pdf does not end in \.html"),
        (["run", "--output", "run/config.yaml/a.html"], r"cannot write run/config\.yaml/a\.html"),
    ):
        with pytest.raises(UserError, match=message) as error:
            report.main(words)
        assert len(str(error.value).splitlines()) == 1
    assert not list(tmp_path.rglob("*.html"))
