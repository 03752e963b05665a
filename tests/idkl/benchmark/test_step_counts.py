"""Operations and bytes of a step, against a count by hand and against torch's count of a real step."""

from __future__ import annotations

import pytest
import torch
from fastreid.config import CfgNode
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from idkl.benchmark.measured_step import SyntheticLoader, for_synthetic_data
from idkl.benchmark.step_counts import count_step
from idkl.engine.trainer import Trainer
from tests.small import make_batch


class Product(nn.Module):
    """One product: images [2, 3] by a weight [3, 4], summed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 4))

    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"loss": (batch["images"] @ self.weight).sum()}


def test_by_hand() -> None:
    counts = count_step(Product(), {"images": torch.ones(2, 3)}, None)
    assert counts.flops == 2 * (2 * 3 * 4) * 2  # forward, and the weight's gradient
    x, weight, y, scalar = 4 * 6, 4 * 12, 4 * 8, 4
    forward = (x + weight + y) + (y + scalar)  # the product; the sum
    start = (scalar + scalar) + (scalar + scalar)  # 0 + loss, as sum() adds; ones like the loss
    backward = x + scalar + weight  # the gradient of y is one number, repeated
    assert counts.bytes_moved == forward + start + backward


def test_half_precision_moves_half() -> None:
    class Wide(Product):
        def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"loss": torch.relu(torch.relu(batch["images"] @ self.weight)).mean()}

    batch = {"images": torch.ones(4096, 3)}
    full, half = (count_step(Wide(), batch, dtype) for dtype in (None, torch.bfloat16))
    assert full.flops == half.flops and 0.4 < half.bytes_moved / full.bytes_moved < 0.75


def test_as_torch_counts_a_real_step(cfg: CfgNode) -> None:
    cfg = for_synthetic_data(cfg)
    model, batch = Trainer.build_model(cfg), SyntheticLoader(cfg).batch
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = count_step(model, batch, None)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with FlopCounterMode(display=False) as counter:
        sum(model(batch).values()).backward()
    assert found.flops == counter.get_total_flops() > 1e9


def test_work_grows_with_the_batch(cfg: CfgNode) -> None:
    model = Trainer.build_model(for_synthetic_data(cfg))
    two, four, six = (count_step(model, make_batch(identities), None) for identities in (2, 4, 6))
    assert four.flops / two.flops == pytest.approx(2, rel=0.001)
    # The weights' bytes are the same for any batch, the losses' pairs grow with its square.
    assert six.bytes_moved - four.bytes_moved == pytest.approx(four.bytes_moved - two.bytes_moved, rel=0.01)
