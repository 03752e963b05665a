"""Runs that are killed anywhere end as if they had not been; a write that is cut anywhere loses nothing."""

from __future__ import annotations

import errno
import io
import os
import random
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from fastreid.utils.events import JSONWriter
from torch import nn

from datasets_ext import UserError, files
from idkl.engine.checkpoint import PROGRESS, SafeCheckpointer
from idkl.engine.run_folder import taken
from idkl.engine.trained_on import TrainingData
from tests.faults import forked, hit_and_resume, reference, same_end
from tests.runs import train


def test_killed_anywhere_and_resumed(tmp_path: Path, datasets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m tests.faults`` does the same at many more points."""
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    seen, rng = reference(tmp_path / "reference"), random.Random(11)
    for number, kind in enumerate((signal.SIGKILL, signal.SIGTERM)):
        point, _ = hit_and_resume(tmp_path / str(number), seen, rng, kind)
        assert same_end(tmp_path / "reference", tmp_path / str(number)) == [], point


class Cut(io.RawIOBase):
    """A file whose process dies once so many bytes are written."""

    def __init__(self, path: Path, size: int) -> None:
        self.name = str(path)
        self._file = io.FileIO(path, "w")
        self._left = size

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, content: Any) -> int:
        if len(content) > self._left:
            self._file.write(content[: self._left])
            self._file.flush()
            os._exit(9)
        self._left -= len(content)
        self._file.write(content)
        self._file.flush()
        return len(content)


def checkpointer(folder: Path, value: float) -> SafeCheckpointer:
    model = nn.Linear(3, 2)
    nn.init.constant_(model.weight, value)
    return SafeCheckpointer(
        model, str(folder), TrainingData(frozenset(), 1, []), optimizer=torch.optim.Adam(model.parameters())
    )


def save(folder: Path, name: str, value: int) -> None:
    checkpointer(folder, value).save(name, **dict.fromkeys(PROGRESS, 0) | {"iteration": value})


@pytest.mark.parametrize("name", ["model_0001", "model_0000"])  # a new file, and one in whose place it comes
def test_a_write_cut_at_any_byte_leaves_the_last_good_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, "model_0000", 1)
    size = (tmp_path / "model_0000.pth").stat().st_size
    end = size + len(name) + len(".pth")  # of the pointer, which is written behind it
    for offset in (*range(0, size, size // 24), size - 1, size, size + 1, end):
        left = iter([offset, max(offset - size, 0)])
        with monkeypatch.context() as patch:
            patch.setattr(files.Path, "open", lambda path, mode, left=left: Cut(path, next(left)))
            assert forked(lambda: save(tmp_path, name, 2)) == (0 if offset == end else 9)
        ours = checkpointer(tmp_path, 0)
        whole = 2 if offset >= (size if name == "model_0000" else end) else 1
        assert ours.resume()["iteration"] == whole and ours.model.weight.unique().tolist() == [whole]
        with taken(tmp_path):
            assert not list(tmp_path.glob(".*.tmp"))
        save(tmp_path, "model_0000", 1)


@pytest.mark.parametrize("limit", [0, 1000])
def test_a_full_disk_is_one_line_and_loses_nothing(limit: int, tmp_path: Path) -> None:
    save(tmp_path, "model_0000", 1)

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(UserError, match=r"^cannot write .*model_0001.pth: .*; free space"):
            save(tmp_path, "model_0001", 2)

    assert forked(fill) == 0
    assert checkpointer(tmp_path, 0).resume()["iteration"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"model_0000.pth", "last_checkpoint"}


def test_a_disk_that_fills_during_a_training(
    tmp_path: Path, datasets: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, 2**19))
        with pytest.raises(UserError, match="free space"):
            train(tmp_path, "SOLVER.MAX_EPOCH", "2", "TEST.EVAL_PERIOD", "9")

    assert forked(fill) == 0
    assert "Traceback" not in capfd.readouterr().out and not list(tmp_path.glob("*.pth"))


def test_a_record_that_cannot_be_written_is_one_line(
    tmp_path: Path, datasets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))

    def full(self: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "metrics.json")

    monkeypatch.setattr(JSONWriter, "write", full)
    with pytest.raises(UserError, match="^the run folder cannot be written .metrics.json.: No space left .*--resume"):
        train(tmp_path, "SOLVER.MAX_EPOCH", "1", "TEST.EVAL_PERIOD", "9")
    assert "Traceback" not in capsys.readouterr().out


def test_a_run_folder_belongs_to_one_training(tmp_path: Path) -> None:
    with (
        taken(tmp_path),
        pytest.raises(UserError, match="another training is at work in .*: let it end, or choose another OUTPUT_DIR"),
        taken(tmp_path),
    ):
        raise AssertionError("taken twice")
    with taken(tmp_path):  # it is free again
        assert (tmp_path / ".lock").exists()
