"""Pooling against its formula, and against fast-reid's."""

from __future__ import annotations

import torch
from fastreid.layers.pooling import GeneralizedMeanPooling

from idkl.modeling import InformationPurifier
from idkl.modeling.pooling import GeneralizedMeanPool


def maps() -> torch.Tensor:
    """Positive, negative and dead channels."""
    x = torch.randn(3, 8, 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[0, 0], x[1, 1], x[:, 2] = 0, -1, 0
    return x


def test_values_and_gradients_are_fastreids() -> None:
    ours, theirs = maps().requires_grad_(), maps().requires_grad_()
    weight = torch.rand(3, 8, dtype=torch.float64)
    pooled, expected = GeneralizedMeanPool()(ours), GeneralizedMeanPooling()(theirs).flatten(1)
    assert torch.allclose(pooled, expected, rtol=1e-12, atol=0)
    (pooled * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-10, atol=1e-15)
    assert (ours.grad[:, 2] == 0).all()


def test_a_hand_worked_channel() -> None:
    assert GeneralizedMeanPool()(torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]])).item() == torch.tensor(9.0).pow(1 / 3)


def test_gradient_by_differences() -> None:
    assert torch.autograd.gradcheck(GeneralizedMeanPool(), maps().abs().add(0.1).requires_grad_())


def test_float32_and_channels_last_agree_with_float64() -> None:
    expected = GeneralizedMeanPool()(maps())
    for memory_format in (torch.contiguous_format, torch.channels_last):
        x = maps().float().contiguous(memory_format=memory_format).requires_grad_()
        pooled = GeneralizedMeanPool()(x)
        assert torch.allclose(pooled, expected.float(), rtol=1e-5, atol=1e-9)
        pooled.sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()


def test_purified_features_are_what_the_maps_pool_to() -> None:
    torch.manual_seed(0)
    purifier = InformationPurifier(8, reduction=2).double()
    x, y = maps().requires_grad_(), maps().requires_grad_()
    features = purifier.pooled(x, purifier.pool(x))
    made = purifier(y)
    naive = {
        name: getattr(made, name).clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
        for name in ("purified", "enhanced", "normalized", "reduced")
    }
    for name, expected in naive.items():
        assert torch.allclose(getattr(features, name), expected, rtol=1e-9, atol=1e-15), name
    weights = torch.rand(4, 3, 8, dtype=torch.float64)
    ours = sum((getattr(features, name) * w).sum() for name, w in zip(naive, weights, strict=True))
    theirs = sum((value * w).sum() for value, w in zip(naive.values(), weights, strict=True))
    inputs = list(purifier.parameters())
    for a, b in zip(torch.autograd.grad(ours, [x, *inputs]), torch.autograd.grad(theirs, [y, *inputs]), strict=True):
        assert torch.allclose(a, b, rtol=1e-7, atol=1e-12)
