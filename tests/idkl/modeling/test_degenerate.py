"""Batches in which nothing can be told apart still give finite losses and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.modeling.meta_arch import build_model
from torch import Tensor

from tests.small import CONFIGS, SMALL_RELEASED, load, make_batch


def identical_images(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch | {"images": batch["images"][:1].expand_as(batch["images"]).clone()}


def black_images(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch | {"images": torch.zeros_like(batch["images"])}


BATCHES: dict[str, Any] = {
    "zero variance: the same image everywhere": lambda: identical_images(make_batch(3, 2)),
    "zero variance: black images": lambda: black_images(make_batch(3, 2)),
    "one image of an identity and modality": lambda: make_batch(3, 1),
    "one identity": lambda: make_batch(1, 3),
    "one identity, the same image everywhere": lambda: identical_images(make_batch(1, 2)),
}


@pytest.mark.parametrize("name", ["paper", "released"])
@pytest.mark.parametrize("case", BATCHES)
def test_finite_losses_and_gradients(cfg: CfgNode, case: str, name: str) -> None:
    if name == "released":
        cfg = load(CONFIGS / "released" / "sysu.yml")
        cfg.merge_from_list(SMALL_RELEASED)
    torch.manual_seed(0)
    model = build_model(cfg).train()
    losses = model(BATCHES[case]())
    assert all(loss.isfinite() for loss in losses.values()), losses
    sum(losses.values()).backward()
    gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    assert len(gradients) > 50 and all(gradient.isfinite().all() for gradient in gradients.values())


@pytest.mark.parametrize("case", BATCHES)
def test_each_term_by_itself(cfg: CfgNode, case: str) -> None:
    """A term's infinite gradient could hide behind another's 0."""
    torch.manual_seed(0)
    model = build_model(cfg).train()
    parameters = [value for value in model.parameters() if value.requires_grad]
    for name, loss in model(BATCHES[case]()).items():
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None), name
