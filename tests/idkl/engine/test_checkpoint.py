"""Checkpoints: whole or not at all, read safely, refused when they do not fit."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from torch import nn

from datasets_ext import UserError
from datasets_ext.files import write_atomically
from idkl.engine.checkpoint import PROGRESS, SafeCheckpointer
from idkl.engine.checkpoint_file import FORMAT_VERSION, read_checkpoint
from idkl.engine.load_weights import count_classes, load_weights, sizes_of, start_from_weights
from idkl.engine.trained_on import TrainingData


def make(tmp_path: Path, size: int = 3) -> SafeCheckpointer:
    model = nn.Linear(size, 2)
    training = TrainingData(frozenset(), 1, [])
    return SafeCheckpointer(model, str(tmp_path), training, optimizer=torch.optim.Adam(model.parameters()))


def state(iteration: int) -> dict[str, object]:
    return dict.fromkeys(PROGRESS, 0) | {"iteration": iteration}


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_saved_and_resumed(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path)
    first.model(torch.rand(1, 3)).sum().backward()
    first.checkpointables["optimizer"].step()
    first.save("model_0004", **state(12))
    assert second.resume() == state(12)
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
    checkpointer.save("model_final", **state(3))
    path = tmp_path / "model_final.pth"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    with pytest.raises(UserError, match=r"model_final.pth is truncated, damaged or no such file") as error:
        checkpointer.resume()
    assert "\n" not in str(error.value) and "is sound" not in str(error.value)


def test_every_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """torch itself loads most of them without a word, with other weights."""
    checkpointer = make(tmp_path, size=40)
    checkpointer.save("model_0000", **state(3))
    path = tmp_path / "model_0000.pth"
    whole = path.read_bytes()
    expected = {name: value.clone() for name, value in checkpointer.model.state_dict().items()}
    found = 0
    for offset in range(0, len(whole), 7):
        flip(path, offset)
        try:
            weights = read_checkpoint(str(path))["model"]
            assert all(torch.equal(weights[name], value) for name, value in expected.items())
        except UserError:
            found += 1
        path.write_bytes(whole)
    assert found > 100


def test_the_previous_good_one_is_offered_and_then_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpointer = make(tmp_path)
    for epoch in range(3):
        torch.nn.init.constant_(checkpointer.model.weight, epoch)
        checkpointer.save(f"model_000{epoch}", **state(10 * epoch))
    flip(tmp_path / "model_0000.pth", 200)
    last = tmp_path / "model_0002.pth"
    last.write_bytes(last.read_bytes()[:-100])
    offer = r"model_0001.pth is sound: delete model_0002.pth, and --resume goes on from there, at iteration 10$"
    with pytest.raises(UserError, match=offer):
        checkpointer.resume()
    last.unlink()
    assert checkpointer.resume()["iteration"] == 10 and checkpointer.model.weight.unique().tolist() == [1]


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"../other.pth", b"none.pth", None])
def test_a_pointer_to_nothing_gives_the_newest_sound_one(tmp_path: Path, content: bytes | None) -> None:
    checkpointer = make(tmp_path)
    checkpointer.save("model_0000", **state(5))
    pointer = tmp_path / "last_checkpoint"
    pointer.write_bytes(content) if content is not None else pointer.unlink()
    assert checkpointer.has_checkpoint() and checkpointer.resume()["iteration"] == 5
    (tmp_path / "model_0000.pth").unlink()
    if content is not None:
        with pytest.raises(UserError, match="last_checkpoint names no checkpoint of that folder, and it holds no"):
            checkpointer.resume()


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1)}, "format_version": FORMAT_VERSION + 1}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=f"a.pth has format {FORMAT_VERSION + 1}, but .* reads up to {FORMAT_VERSION}"):
        read_checkpoint(str(tmp_path / "a.pth"))


def test_what_does_not_say_how_far_it_was_is_not_resumed(tmp_path: Path) -> None:
    checkpointer = make(tmp_path)
    torch.save({"model": checkpointer.model.state_dict(), "epoch": 3}, tmp_path / "model_0003.pth")
    (tmp_path / "last_checkpoint").write_text("model_0003.pth")
    with pytest.raises(UserError, match="does not say how far its run was .no iteration.*start from its weights"):
        checkpointer.resume()


def test_an_optimizer_of_another_kind_is_refused(tmp_path: Path) -> None:
    make(tmp_path).save("model_0000", **state(1))
    other = make(tmp_path)
    other.checkpointables["optimizer"] = torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    with pytest.raises(UserError, match="does not fit this run's optimizer"):
        other.resume()


def test_no_code_is_unpickled(tmp_path: Path) -> None:
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "a.pth")
    with pytest.raises(UserError, match="truncated, damaged or no such file"):
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


class Network(nn.Module):
    def __init__(self, width: int = 2, classes: int = 3) -> None:
        super().__init__()
        self.backbone = nn.Linear(width, 2)
        self.heads = nn.Linear(2, classes)


def test_starting_from_weights_says_what_matched(caplog: pytest.LogCaptureFixture) -> None:
    source, model = Network(classes=5), Network()
    before = model.heads.weight.clone()
    weights = source.state_dict() | {"extra": torch.zeros(1)}
    with caplog.at_level("INFO", logger="idkl"):
        start_from_weights(model, weights, "a.pth")
    assert torch.equal(model.backbone.weight, source.backbone.weight) and torch.equal(model.heads.weight, before)
    assert caplog.messages == [
        "Weights of a.pth: 2 of the model's 4 parameters loaded; 2 of another shape, left as initialised (heads.bias, "
        "heads.weight); 1 not in the model, not used (extra)"
    ]


@pytest.mark.parametrize("weights", [Network(width=3).state_dict(), {"conv1.weight": torch.zeros(1)}])
def test_another_backbone_is_refused_and_nothing_is_loaded(weights: dict[str, torch.Tensor]) -> None:
    model = Network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UserError, match=r"a.pth does not fit the backbone: . of its 2 parameters .*PRETRAIN_PATH"):
        start_from_weights(model, weights, "a.pth")
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none.pth is missing"):
        make(tmp_path).start_from("none.pth")
    with pytest.raises(UserError, match="is a folder"):
        read_checkpoint(str(tmp_path))


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
