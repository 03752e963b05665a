"""The Information Purifier against a float64 recomputation of eq. 7 to 12."""

from __future__ import annotations

import torch
from torch import Tensor

from idkl.modeling import InformationPurifier


def naive_gem(x: Tensor) -> Tensor:
    return x.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)


def naive_purifier(purifier: InformationPurifier, x: Tensor) -> dict[str, Tensor]:
    w1, w2 = purifier.mask_enhance[0].weight, purifier.mask_enhance[2].weight
    w3, w4 = purifier.mask_reduce[0].weight, purifier.mask_reduce[2].weight
    mean = x.mean(dim=(2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    normalized = (x - mean) / torch.sqrt(variance + 1e-5)
    m_e = 1 / (1 + torch.exp(-(w2 @ torch.relu(w1 @ naive_gem(x).T)).T))
    m_r = 1 / (1 + torch.exp(-(w4 @ torch.relu(w3 @ naive_gem(normalized).T)).T))
    m_e, m_r = m_e[:, :, None, None], m_r[:, :, None, None]
    return {
        "normalized": normalized,
        "enhanced": m_e * x,
        "reduced": m_r * normalized,
        "purified": m_e * m_r * normalized + m_r * m_e * x,
        "m_r": m_r[:, :, 0, 0],
    }


def make(dtype: torch.dtype = torch.float64) -> tuple[InformationPurifier, Tensor]:
    torch.manual_seed(0)
    purifier = InformationPurifier(32, reduction=4).to(dtype)
    return purifier, torch.rand(3, 32, 6, 2, dtype=dtype) ** 3 * 5


def test_forward_against_the_formulas() -> None:
    purifier, x = make()
    output, expected = purifier(x), naive_purifier(purifier, x)
    for name in ("normalized", "enhanced", "reduced", "purified"):
        assert torch.allclose(getattr(output, name), expected[name], rtol=1e-10, atol=1e-10), name


def test_gradient_against_the_formulas() -> None:
    purifier, x = make()
    x.requires_grad_()
    weight = torch.rand_like(x)
    parameters = [x, *purifier.parameters()]
    ours = torch.autograd.grad((purifier(x).purified * weight).sum(), parameters)
    naive = torch.autograd.grad((naive_purifier(purifier, x)["purified"] * weight).sum(), parameters)
    assert len(ours) == 5
    for a, b in zip(ours, naive, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-9)


def test_masks_depend_on_the_image() -> None:
    """With average pooling m_r would be 0.5 everywhere, since a normalised channel averages to 0."""
    purifier, x = make(torch.float32)
    m_r = naive_purifier(purifier, x)["m_r"]
    reduced = purifier(x).reduced
    assert m_r.std(dim=0).max() > 1e-3
    assert torch.allclose(reduced, m_r[:, :, None, None] * purifier(x).normalized, atol=1e-5)
    average_pooled = purifier(x).normalized.mean(dim=(2, 3))
    assert torch.allclose(purifier.mask_reduce(average_pooled), torch.full((3, 32), 0.5), atol=1e-4)


def test_normalization_has_no_parameters_and_no_memory() -> None:
    purifier, x = make()
    names = {name for name, _ in (*purifier.named_parameters(), *purifier.named_buffers())}
    assert names == {"mask_enhance.0.weight", "mask_enhance.2.weight", "mask_reduce.0.weight", "mask_reduce.2.weight"}
    assert torch.equal(purifier.eval()(x).purified, purifier.train()(x).purified)
