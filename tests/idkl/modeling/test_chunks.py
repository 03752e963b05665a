"""A batch in parts changes nothing but the statistics of batch normalisation."""

from __future__ import annotations

import pytest
import torch
from fastreid.config import CfgNode
from fastreid.modeling.backbones import build_backbone
from fastreid.modeling.meta_arch import build_model
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from datasets_ext.errors import UserError
from idkl.modeling import DualStreamFeatures
from tests.small import make_batch


def weighted_sum(features: DualStreamFeatures) -> Tensor:
    """A scalar in which every element has a weight of its own."""
    maps = [*features.shared.values(), *features.specific.values()]
    generator = torch.Generator().manual_seed(1)
    return torch.stack([(m * torch.rand(m.shape, generator=generator, dtype=m.dtype)).sum() for m in maps]).sum()


def test_chunks_with_a_frozen_norm_equal_one_pass(cfg: CfgNode) -> None:
    torch.manual_seed(0)
    cfg.MODEL.BACKBONE.NORM = "FrozenBN"
    backbone, images = build_backbone(cfg).double(), torch.rand(8, 3, 64, 32, dtype=torch.float64)
    whole = backbone(images)
    expected = torch.autograd.grad(weighted_sum(whole), list(backbone.parameters()))
    backbone.chunks = 4
    parts = backbone(images)
    for stage in (3, 4):
        torch.testing.assert_close(parts.shared[stage], whole.shared[stage], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(parts.specific[stage], whole.specific[stage], rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad(weighted_sum(parts), list(backbone.parameters()))
    for gradient, one in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, one, rtol=1e-9, atol=1e-12 * one.abs().max().item())


def test_losses_of_chunks_with_norms_in_evaluation_equal_one_pass(cfg: CfgNode) -> None:
    """The whole model in float32: pairwise losses see all rows."""
    torch.manual_seed(0)
    model, batch = build_model(cfg).train(), make_batch()
    for module in model.backbone.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    results = []
    for chunks in (1, 2, 4):
        model.backbone.chunks = chunks
        losses = model(batch)
        results.append((losses, torch.autograd.grad(sum(losses.values()), list(model.backbone.parameters()))))
    (losses, gradients), *others = results
    for other_losses, other_gradients in others:
        for name, loss in losses.items():
            torch.testing.assert_close(other_losses[name], loss, rtol=1e-5, atol=1e-6)
        for gradient, one in zip(other_gradients, gradients, strict=True):
            assert (gradient - one).norm() <= 1e-6 * max(g.norm() for g in gradients)


def test_chunks_by_hand(cfg: CfgNode) -> None:
    """Training BN: each part's own statistics, its slice of both modalities, the batch's order in the end."""
    torch.manual_seed(0)
    backbone, images = build_backbone(cfg), torch.rand(12, 3, 64, 32)
    start = {name: value.clone() for name, value in backbone.state_dict().items()}
    parts = [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    maps = {row: value for rows in parts for row, value in zip(rows, backbone(images[rows]).shared[4], strict=True)}
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone.load_state_dict(start)
    backbone.chunks = 3
    features = backbone(images)
    assert torch.equal(features.shared[4], torch.stack([maps[row] for row in range(12)]))
    weighted_sum(features).backward()
    assert all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())
    assert state["stem.1.num_batches_tracked"] == 3


def test_evaluation_and_passes_without_gradient_are_whole(cfg: CfgNode) -> None:
    backbone, images = build_backbone(cfg), torch.rand(8, 3, 64, 32)
    with torch.no_grad():
        backbone.eval()
        expected = backbone(images)
        state = {name: value.clone() for name, value in backbone.state_dict().items()}
        expected_training = backbone.train()(images).shared[4]
        backbone.load_state_dict(state)
        backbone.chunks, backbone.checkpoint_stages = 3, frozenset(range(5))  # 3 does not divide 8: it is not tried
        assert torch.equal(backbone.train()(images).shared[4], expected_training)
        backbone.load_state_dict(state)
    assert torch.equal(backbone.eval()(images), expected)


def test_a_batch_that_cannot_be_divided_is_refused(cfg: CfgNode) -> None:
    cfg.MODEL.BACKBONE.CHUNKS = 3
    with pytest.raises(UserError, match="CHUNKS 3 does not divide .* 8 images.* SOLVER.IMS_PER_BATCH a multiple of 6"):
        build_model(cfg).train()(make_batch())
