"""What the losses can be beside the paper's, each against loops in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from idkl.losses import (
    discrepancy_reducing_loss,
    discrimination_enhancing_loss,
    graph_affinity,
    identity_logit_kl_loss,
    logit_kl_loss,
    tgsa_loss,
)
from idkl.losses.penalty import PENALTIES
from tests.idkl.losses.naive import features, naive_affinity, naive_kl, naive_logit_kl, naive_softmax

TARGETS = torch.tensor([4, 9, 4, 2, 9, 4])  # not in order, and unequally many
Rows = list[list[float]]


def test_affinity_without_self_entries() -> None:
    a, b = features(5, 4, 0), features(5, 4, 1)
    expected = [
        naive_softmax([math.dist(x, y) for j, y in enumerate(b.tolist()) if j != i]) for i, x in enumerate(a.tolist())
    ]
    assert np.allclose(graph_affinity(a, b, self_entries=False), expected, rtol=1e-10)


def test_a_graph_of_one_row_has_no_entry_but_its_own() -> None:
    a = features(1, 4, 2).requires_grad_()
    loss = tgsa_loss(a, 2 * a.detach(), self_entries=False)
    loss.backward()
    assert loss.item() == 0 and torch.equal(a.grad, torch.zeros_like(a))


def both_ways(pairs: list[tuple[Rows, Rows]], symmetric: bool) -> float:
    one = sum(naive_kl(p, q) for first, second in pairs for p, q in zip(first, second, strict=True))
    other = sum(naive_kl(q, p) for first, second in pairs for p, q in zip(first, second, strict=True))
    return one + other if symmetric else one


@pytest.mark.parametrize("rows", [6, 7])
@pytest.mark.parametrize("cross", ["true", "mixed", "none"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_graphs(cross: str, symmetric: bool, rows: int) -> None:
    a, b = features(rows, 5, 3), features(rows, 5, 4)
    aa, bb = naive_affinity(a, a), naive_affinity(b, b)
    mixed = torch.cat([a[:3], b[: rows - 3]])
    crossed = {"true": [naive_affinity(a, b)], "mixed": [naive_affinity(mixed, mixed)], "none": []}[cross]
    expected = both_ways([(aa, bb), *((aa, ab) for ab in crossed), *((ab, bb) for ab in crossed)], symmetric)
    assert tgsa_loss(a, b, "sum", cross=cross, symmetric=symmetric).item() == pytest.approx(expected, rel=1e-10)
    assert tgsa_loss(a, b, cross=cross, symmetric=symmetric).item() == pytest.approx(expected / rows, rel=1e-10)


def test_symmetric_logits() -> None:
    p, q = features(4, 5, 5), features(4, 5, 6)
    expected = (sum(naive_logit_kl(p, q)) + sum(naive_logit_kl(q, p))) / 4
    assert logit_kl_loss(p, q, symmetric=True).item() == pytest.approx(expected, rel=1e-10)


def naive_identity_logit_kl(p: Tensor, q: Tensor, targets: list[int]) -> float:
    def joined(logits: Tensor, identity: int) -> list[float]:
        rows = zip(logits.tolist(), targets, strict=True)
        return naive_softmax([value for row, own in rows if own == identity for value in row])

    return sum(naive_kl(joined(p, identity), joined(q, identity)) for identity in set(targets))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_of_an_identity_together(dtype: torch.dtype) -> None:
    p, q = features(6, 5, 7, dtype), features(6, 5, 8, dtype)
    expected = naive_identity_logit_kl(p, q, TARGETS.tolist())
    other = naive_identity_logit_kl(q, p, TARGETS.tolist())
    found = {
        (reduction, symmetric): identity_logit_kl_loss(p, q, TARGETS, reduction, symmetric=symmetric).item()
        for reduction in ("mean", "sum")
        for symmetric in (False, True)
    }
    assert found == pytest.approx(
        {
            ("mean", False): expected / 3,
            ("sum", False): expected,
            ("mean", True): (expected + other) / 3,
            ("sum", True): expected + other,
        },
        rel=1e-5 if dtype == torch.float32 else 1e-10,
    )


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_images_of_an_identity_in_any_order(seed: int, images: int) -> None:
    p, q = features(2 * images, 3, seed), features(2 * images, 3, seed + 1)
    targets = torch.arange(2).repeat_interleave(images)
    order = torch.randperm(2 * images, generator=torch.Generator().manual_seed(seed))
    loss, shuffled = (
        identity_logit_kl_loss(*rows, symmetric=True)
        for rows in ((p, q, targets), (p[order], q[order], targets[order]))
    )
    assert shuffled.item() == pytest.approx(loss.item(), rel=1e-9) and loss.item() > 0


def test_with_one_image_an_identity_it_is_that_of_rows() -> None:
    p, q = features(5, 4, 9), features(5, 4, 10)
    assert identity_logit_kl_loss(p, q, torch.arange(5)).item() == pytest.approx(logit_kl_loss(p, q).item(), rel=1e-12)


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="choose 'mean' or 'sum'"):
        identity_logit_kl_loss(features(6, 2, 0), features(6, 2, 1), TARGETS, "none")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("softplus", lambda x: math.log1p(math.exp(x))),
        ("relu", lambda x: max(x, 0.0)),
        ("exp_relu", lambda x: math.exp(max(x, 0.0)) - 1),
    ],
)
def test_penalties_by_sample_and_by_identity(name: str, expected: Callable[[float], float]) -> None:
    assert set(PENALTIES) == {"softplus", "relu", "exp_relu"}
    enhanced, plain = features(6, 5, 11), features(6, 5, 12)

    def entropy(row: list[float]) -> float:
        return -sum(p * math.log(p) for p in naive_softmax(row))

    excess = [entropy(e) - entropy(p) for e, p in zip(enhanced.tolist(), plain.tolist(), strict=True)]
    assert min(excess) < 0 < max(excess)
    loss = discrimination_enhancing_loss(enhanced, plain, penalty=PENALTIES[name])
    assert loss.item() == pytest.approx(sum(map(expected, excess)) / 6, rel=1e-10)
    targets, modalities = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])  # a centre is a row
    gaps = [math.dist(*enhanced[i : i + 2].tolist()) - math.dist(*plain[i : i + 2].tolist()) for i in (0, 2)]
    loss = discrepancy_reducing_loss(enhanced[:4], plain[:4], targets, modalities, penalty=PENALTIES[name])
    assert loss.item() == pytest.approx(sum(map(expected, gaps)) / 2, rel=1e-10)


VARIANTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda a, b: identity_logit_kl_loss(a, b, TARGETS, symmetric=True),
    "released within": lambda a, b: tgsa_loss(a, b, cross="mixed", symmetric=True, self_entries=False),
    "released across": lambda a, b: tgsa_loss(a, b, cross="none", symmetric=True, self_entries=False),
    "scaled": lambda a, b: tgsa_loss(a, b, normalize=True, temperature=0.1),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_against_finite_differences(name: str) -> None:
    a, b = features(6, 4, 13).requires_grad_(), features(6, 4, 14).requires_grad_()
    assert torch.autograd.gradcheck(VARIANTS[name], (a, b), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1000.0])
def test_finite_in_float32_also_from_half(name: str, scale: float) -> None:
    a = features(6, 4, 15, torch.float32, scale).requires_grad_()
    b = features(6, 4, 16, torch.float32, scale).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = VARIANTS[name](a, b)
        assert VARIANTS[name](a.bfloat16(), b.bfloat16()).dtype == loss.dtype == torch.float32
    loss.backward()
    assert loss.isfinite() and a.grad.isfinite().all() and b.grad.isfinite().all()
