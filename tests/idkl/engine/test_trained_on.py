"""A checkpoint says what it was trained on, and is never used with another split of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from datasets_ext import UserError
from datasets_ext.generated import generate_regdb
from idkl.engine.checkpoint import SafeCheckpointer
from idkl.engine.trained_on import TrainingData, check_split, entries_of
from tests.runs import train

REGDB_3 = {"dataset": "RegDB", "split": 3}
SYSU = {"dataset": "SYSU_MM01", "split": None}


def checkpointer(folder: Path, dataset: str, split: int | None, tests: tuple[str, ...] = ()) -> SafeCheckpointer:
    training = TrainingData(frozenset([dataset, *tests]), split or 1, [{"dataset": dataset, "split": split}])
    folder.mkdir(exist_ok=True)
    return SafeCheckpointer(nn.Linear(3, 2), str(folder), training)


def read(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    ("entries", "datasets", "split", "is_refused"),
    [
        ([REGDB_3], ["RegDB"], 3, False),
        ([REGDB_3], ["RegDB"], 1, True),
        ([REGDB_3], ["SYSU_MM01", "RegDB"], 4, True),
        ([REGDB_3], ["SYSU_MM01"], 1, False),
        ([SYSU], ["SYSU_MM01"], 2, False),
        ([SYSU, REGDB_3], ["RegDB"], 1, True),
        ([], ["RegDB"], 1, False),
    ],
)
def test_another_split_of_the_same_dataset_is_refused(
    entries: list[dict[str, Any]], datasets: list[str], split: int, is_refused: bool
) -> None:
    if not is_refused:
        check_split({"trained_on": entries}, "a.pth", datasets, split)
        return
    with pytest.raises(UserError) as error:
        check_split({"trained_on": entries}, "a.pth", datasets, split)
    assert str(error.value) == (
        f"checkpoint a.pth was trained on RegDB split 3, but DATASETS.SPLIT is {split}, whose test identities it has "
        "seen: add DATASETS.SPLIT 3"
    )


@pytest.mark.parametrize("content", [None, "ImageNet", ["ImageNet"], [{"dataset": "RegDB"}], {"dataset": "RegDB"}])
def test_checkpoints_of_other_programs_load_as_before(tmp_path: Path, content: object) -> None:
    weights = nn.Linear(3, 2).state_dict()
    torch.save({"model": weights} | ({} if content is None else {"trained_on": content}), tmp_path / "a.pth")
    assert entries_of(read(tmp_path / "a.pth")) == []
    loaded = checkpointer(tmp_path, "RegDB", 1)
    loaded.load(str(tmp_path / "a.pth"), checkpointables=[])
    assert torch.equal(loaded.model.weight, weights["weight"])


def test_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    checkpointer(tmp_path, "RegDB", 3).save("model_final", epoch=0)
    other = checkpointer(tmp_path, "RegDB", 2)
    before = other.model.weight.clone()
    for resume, path in ((True, ""), (False, str(tmp_path / "model_final.pth"))):
        with pytest.raises(UserError, match=r"model_final.pth was trained on RegDB split 3.*add DATASETS.SPLIT 3"):
            other.resume_or_load(path, resume=resume)
    assert torch.equal(other.model.weight, before)


def test_a_way_round_over_another_dataset_is_remembered(tmp_path: Path) -> None:
    checkpointer(tmp_path, "RegDB", 3).save("first")
    second = checkpointer(tmp_path, "SYSU_MM01", None)
    second.load(str(tmp_path / "first.pth"))
    second.save("second")
    assert read(tmp_path / "second.pth")["trained_on"] == [REGDB_3, SYSU]
    again = checkpointer(tmp_path, "SYSU_MM01", None)
    again.resume_or_load("", resume=True)
    again.save("again")
    assert read(tmp_path / "again.pth")["trained_on"] == [REGDB_3, SYSU]
    with pytest.raises(UserError, match=r"again.pth was trained on RegDB split 3, but DATASETS.SPLIT is 1"):
        checkpointer(tmp_path, "SYSU_MM01", None, tests=("RegDB",)).resume_or_load("", resume=True)


def test_trained_resumed_and_evaluated_from_the_command_line(
    datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, run = tmp_path / "datasets", tmp_path / "run"
    generate_regdb(root / "RegDB", ids=8, images=3, seed=1)
    os.symlink(datasets / "SYSU-MM01", root / "SYSU-MM01")
    monkeypatch.setenv("FASTREID_DATASETS", str(root))
    once = ("SOLVER.MAX_EPOCH", "1", "DATASETS.NAMES", '("RegDB",)')
    train(run, *once, "DATASETS.SPLIT", "2")  # tested on SYSU-MM01
    final = run / "model_final.pth"
    assert read(final)["trained_on"] == [{"dataset": "RegDB", "split": 2}]
    refused = r"model_final.pth was trained on RegDB split 2, but DATASETS.SPLIT is 1, .*: add DATASETS.SPLIT 2"
    tested = ("DATASETS.TESTS", '("RegDB",)')
    for folder, words in (
        (run, ("--resume", *once)),
        (tmp_path / "start", ("MODEL.WEIGHTS", str(final), *once)),
        (tmp_path / "test", ("--eval-only", "MODEL.WEIGHTS", str(final), *tested)),
    ):
        with pytest.raises(UserError, match=refused):
            train(folder, *words)
    train(tmp_path / "other", "--eval-only", "MODEL.WEIGHTS", str(final))  # SYSU-MM01
    assert (tmp_path / "other" / "results.json").is_file()
