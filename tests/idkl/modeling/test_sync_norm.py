"""Synchronised batch normalisation in one process, where it must be torch's; two processes are in test_distributed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from fastreid.config import CfgNode
from fastreid.layers.batch_norm import FrozenBatchNorm, GhostBatchNorm, get_norm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from idkl.engine.trainer import Trainer
from idkl.modeling.sync_norm import SyncBatchNorm, synchronize_batch_norms

CPU = torch.device("cpu")


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of this process alone."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def pair(channels: int) -> tuple[nn.BatchNorm2d, nn.Sequential]:
    """torch's, and a model with ours in its place that starts from the same weights."""
    torch.manual_seed(0)
    plain, other = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.3), nn.BatchNorm2d(channels, eps=1e-3, momentum=0.3)
    for norm in (plain, other):
        torch.manual_seed(1)
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    model = nn.Sequential(other)
    synchronize_batch_norms(model, CPU)
    return plain, model


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("mean", "dtype", "tolerance"), [(0, torch.float64, 1e-12), (300, torch.float32, 2e-3)])
def test_outputs_gradients_and_statistics_are_torchs(
    group: None, mean: float, dtype: torch.dtype, tolerance: float, layout: torch.memory_format
) -> None:
    plain, synchronized = (norm.to(dtype) for norm in pair(5))
    images = (torch.randn(6, 5, 4, 3, dtype=dtype) + mean).contiguous(memory_format=layout)
    results: list[list[Tensor]] = []
    for norm in (plain, synchronized):
        own = images.clone().requires_grad_()
        output = norm(own)
        (output * torch.arange(output.numel(), dtype=dtype).sin().view_as(output)).sum().backward()
        gradients = [parameter.grad for parameter in norm.parameters() if parameter.grad is not None]
        results.append([output, own.grad, *gradients, *norm.buffers()])  # type: ignore[list-item]
    for expected, found in zip(*results, strict=True):
        assert torch.allclose(expected, found, atol=tolerance, rtol=1e-5)
    images += 1
    assert torch.allclose(plain.eval()(images), synchronized.eval()(images), atol=tolerance)


def test_half_precision_keeps_full_statistics(group: None) -> None:
    _, model = pair(4)
    images = torch.randn(8, 4, 3, 3).bfloat16().requires_grad_()
    output = model(images)
    output.float().square().sum().backward()
    assert output.dtype == torch.bfloat16 and images.grad is not None and images.grad.dtype == torch.bfloat16
    exact = images.detach().float()
    assert torch.allclose(model[0].running_mean, 0.3 * exact.mean(dim=(0, 2, 3)), atol=1e-6)


def test_everything_else_of_a_model_stays(cfg: CfgNode) -> None:
    cfg.MODEL.BACKBONE.WITH_IBN = True
    model = Trainer.build_model(cfg)
    before, names = dict(model.named_parameters()), list(model.state_dict())
    buffers, modules = dict(model.named_buffers()), dict(model.named_modules())
    synchronize_batch_norms(model, CPU)
    assert list(model.state_dict()) == names
    assert all(before[name] is parameter for name, parameter in model.named_parameters())
    assert all(buffers[name] is buffer for name, buffer in model.named_buffers())
    assert not model.heads.shared.bottleneck[0].bias.requires_grad
    for name, module in model.named_modules():
        was = modules[name]
        assert isinstance(module, SyncBatchNorm) if isinstance(was, _BatchNorm) else module is was
    assert any(isinstance(module, nn.InstanceNorm2d) for module in model.modules())


def test_other_kinds_of_normalisation() -> None:
    model = nn.ModuleDict({name: get_norm(name, 4) for name in ("BN", "FrozenBN", "GhostBN")})
    assert isinstance(model["GhostBN"], GhostBatchNorm) and model["GhostBN"].num_splits == 1
    model["BN"].eval()
    synchronize_batch_norms(model, CPU)
    assert isinstance(model["FrozenBN"], FrozenBatchNorm)
    assert isinstance(model["GhostBN"], SyncBatchNorm) and model["GhostBN"].training and not model["BN"].training


def test_torchs_own_on_a_gpu() -> None:
    model = nn.Sequential(nn.Sequential(get_norm("BN", 4)))
    weight = model[0][0].weight
    synchronize_batch_norms(model, torch.device("cuda"))
    assert type(model[0][0]) is nn.SyncBatchNorm and model[0][0].weight is weight
