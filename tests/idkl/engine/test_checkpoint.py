"""Checkpoints: whole or not at all, read safely, refused when they do not fit."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from torch import nn

from datasets_ext import UserError
from datasets_ext.files import write_atomically
from idkl.engine.checkpoint import (
    SafeCheckpointer,
    count_classes,
    load_weights,
    read_checkpoint,
    sizes_of,
)
from idkl.engine.trained_on import TrainingData


def make(tmp_path: Path, size: int = 3) -> SafeCheckpointer:
    model = nn.Linear(size, 2)
    training = TrainingData(frozenset(), 1, [])
    return SafeCheckpointer(model, str(tmp_path), training, optimizer=torch.optim.Adam(model.parameters()))


def test_saved_and_resumed(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path)
    first.model(torch.rand(1, 3)).sum().backward()
    first.checkpointables["optimizer"].step()
    first.save("model_0004", epoch=4, best_metric=12.5)
    extra = second.resume_or_load("", resume=True)
    assert extra["epoch"] == 4 and extra["best_metric"] == 12.5
    assert torch.equal(first.model.weight, second.model.weight)
    states = [c.checkpointables["optimizer"].state_dict()["state"][0]["exp_avg"] for c in (first, second)]
    assert torch.equal(*states)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(b"old")

    def fail(file: io.BufferedWriter) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"cannot write .*model.pth: .*No space left"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"text", "truncated"])
def test_truncated_and_foreign_files_are_named(tmp_path: Path, content: bytes | str) -> None:
    checkpointer = make(tmp_path)
    checkpointer.save("model_final", epoch=0)
    path = tmp_path / "model_final.pth"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    with pytest.raises(UserError, match=r"model_final.pth is truncated or no such file") as error:
        checkpointer.resume_or_load("", resume=True)
    assert "\n" not in str(error.value)


def test_no_code_is_unpickled(tmp_path: Path) -> None:
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="truncated or no such file"):
        read_checkpoint(str(tmp_path / "a.pth"))


@pytest.mark.parametrize("content", [{}, {"model": {}}, {"model": 3}, [1], {"a": "b"}])
def test_files_without_weights_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match="holds no state dict"):
        read_checkpoint(str(tmp_path / "a.pth"))


def test_bare_and_prefixed_state_dicts_load(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    torch.save({f"module.{name}": value for name, value in model.state_dict().items()}, tmp_path / "a.pth")
    other = nn.Linear(3, 2)
    load_weights(other, read_checkpoint(str(tmp_path / "a.pth"))["model"])
    assert torch.equal(model.weight, other.weight)


def test_a_mismatch_is_refused_and_nothing_is_loaded() -> None:
    model = nn.Linear(3, 2)
    before = model.weight.clone()
    weights = {"weight": torch.zeros(2, 4), "extra": torch.zeros(1)}
    with pytest.raises(UserError, match=r"1 parameters missing, 1 unknown, 1 of another shape \(first: bias\)"):
        load_weights(model, weights)
    assert torch.equal(model.weight, before)


def test_missing_files_and_an_empty_pointer(tmp_path: Path) -> None:
    checkpointer = make(tmp_path)
    with pytest.raises(UserError, match="none.pth is missing"):
        checkpointer.load("none.pth")
    with pytest.raises(UserError, match="none.pth is missing"):
        read_checkpoint("none.pth")
    (tmp_path / "last_checkpoint").write_text("")
    with pytest.raises(UserError, match="last_checkpoint is empty"):
        checkpointer.resume_or_load("", resume=True)


def test_class_count() -> None:
    assert count_classes({"heads.shared.weight": torch.zeros(7, 2)}) == 7
    assert count_classes({"heads.weight": torch.zeros(5, 2)}) == 5
    assert count_classes({"other": torch.zeros(5, 2)}) == 0


def test_sizes_that_a_checkpoint_decides() -> None:
    mask = {"heads.purifier.mask_enhance.0.weight": torch.zeros(4, 64, 1, 1)}
    layers = {f"heads.confusers.4.fc{i}.weight": torch.zeros(8 // i, 2) for i in (1, 2)}
    assert sizes_of({"heads.shared.weight": torch.zeros(7, 2), **mask, **layers}) == [
        *("MODEL.HEADS.NUM_CLASSES", 7),
        *("MODEL.IDKL.PURIFIER_REDUCTION", 16),
        *("MODEL.IDKL.MODALITY.HIDDEN", (8, 4)),
    ]
    assert sizes_of({"other": torch.zeros(1)}) == ["MODEL.HEADS.NUM_CLASSES", 0]
