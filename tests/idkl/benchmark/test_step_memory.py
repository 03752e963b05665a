"""Bytes counted by hand for a small net, and without content as with it."""

from __future__ import annotations

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.modeling.meta_arch import build_model
from torch import Tensor, nn

from idkl.benchmark.step_memory import StepMemory, activation_bytes, step_memory
from tests.small import make_batch


class Tiny(nn.Module):
    """``sum(relu(w2 relu(w1 x)))`` with the second ReLU in place; 10 rows of 3, 5, then 7 numbers."""

    def __init__(self, dead_branch: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(3, 5, bias=False)
        self.second = nn.Linear(5, 7, bias=False)
        self.dead_branch = dead_branch

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        hidden = self.first(batch["x"]).relu()
        if self.dead_branch:
            hidden.exp().sin()  # its graph goes with it
        return {"loss": self.second(hidden).relu_().sum()}


BATCH = {"x": torch.rand(10, 3)}
KEPT = 4 * 10 * (3 + 5 + 7)  # x; the first ReLU's result, which the second layer keeps too; the second one's result


@pytest.mark.parametrize("dead_branch", [False, True])
def test_kept_bytes_by_hand(dead_branch: bool) -> None:
    assert activation_bytes(Tiny(dead_branch), BATCH) == KEPT


def test_half_precision_keeps_halves_and_the_converted_weights() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        kept = activation_bytes(Tiny(), BATCH)
    # The first layer's weight needs no gradient through it to the batch, the second one's does.
    assert kept == KEPT // 2 + 2 * 5 * 7


def test_step_by_hand() -> None:
    memory = step_memory(Tiny(), BATCH)
    assert memory.parameters == 12 * (3 * 5 + 5 * 7)
    assert memory.kept == KEPT
    # Most is alive when the second layer has its gradients, of its weight and of its input, and has not let go of what
    # it made them from: the second ReLU's gradient and the first one's result. Three more: loss, sum, its gradient.
    assert memory.peak == 4 * (5 * 7 + 10 * 5 + 10 * 7 + 10 * 5 + 3)
    assert memory.total == memory.parameters + memory.peak


def test_gradients_of_the_last_step_live_through_the_forward_pass() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1000))

        def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"loss": (self.weight * batch["x"]).sum()}

    # The last step's gradient and the product, which multiplication does not keep, then its sum, then the loss.
    assert step_memory(Wide(), {"x": torch.rand(1000)}).peak == 4 * (1000 + 1000 + 1)


def test_nothing_is_computed_and_the_model_stays(cfg: CfgNode) -> None:
    model, batch = build_model(cfg).train(), make_batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    counted = step_memory(model, batch)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert counted.kept == activation_bytes(model, batch)  # with content
    with torch.autocast("cpu", torch.bfloat16):
        half = activation_bytes(model, batch)
    # Without content, torch makes a BN's batch statistics halves; with it, they are float32.
    assert step_memory(model, batch, torch.bfloat16).kept == pytest.approx(half, rel=1e-3)


def test_memory_modes_lower_the_peak(cfg: CfgNode) -> None:
    def memory(stages: tuple[int, ...], chunks: int) -> StepMemory:
        cfg.MODEL.BACKBONE.CHECKPOINT_STAGES, cfg.MODEL.BACKBONE.CHUNKS = stages, chunks
        return step_memory(build_model(cfg).train(), batch)

    # 32 images of 256x128: activations, not parameters, take the memory, as they do in earnest.
    batch = {**make_batch(identities=4, per_modality=4), "images": torch.zeros(1, 1, 1, 1).expand(32, 3, 256, 128)}

    plain = memory((), 1)
    two, four = memory((), 2), memory((), 4)
    assert two.kept == four.kept < plain.kept
    outputs = two.kept
    # One part at a time: what is beyond the outputs and the gradients of parameters halves with the parts.
    beyond = [memory.peak - outputs - plain.parameters // 3 for memory in (plain, two, four)]
    assert beyond[1] == pytest.approx(beyond[0] / 2, rel=0.1) and beyond[2] == pytest.approx(beyond[1] / 2, rel=0.1)
    assert memory((1,), 1).peak < plain.peak and memory((0, 1, 2, 3, 4), 1).peak < memory((1,), 1).peak
    assert memory((0, 1, 2, 3, 4), 4).peak < four.peak
