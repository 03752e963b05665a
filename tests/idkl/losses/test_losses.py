"""Every loss against a naive float64 recomputation, forward and gradient, and on degenerate batches."""

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
    logit_kl_loss,
    tgsa_loss,
)
from tests.idkl.losses.naive import (
    features,
    naive_affinity,
    naive_enhancing,
    naive_logit_kl,
    naive_reducing,
    naive_softmax,
    naive_tgsa,
)

DTYPES = {torch.float32: 1e-5, torch.float64: 1e-10}


@pytest.mark.parametrize("dtype", DTYPES)
def test_affinity_is_softmax_of_distance(dtype: torch.dtype) -> None:
    a, b = features(5, 4, 0, dtype), features(7, 4, 1, dtype)
    assert np.allclose(graph_affinity(a, b), naive_affinity(a, b), rtol=DTYPES[dtype], atol=DTYPES[dtype])


@settings(deadline=None)
@given(st.booleans(), st.floats(0.05, 50), st.integers(0, 2**31))
def test_affinity_of_scaled_distances(normalize: bool, temperature: float, seed: int) -> None:
    a, b = features(4, 3, seed), features(5, 3, seed + 1)
    x, y = ([[v / (math.hypot(*row) if normalize else 1) for v in row] for row in f.tolist()] for f in (a, b))
    expected = [naive_softmax([math.dist(p, q) / temperature for q in y]) for p in x]
    options = {"normalize": normalize, "temperature": temperature}
    assert np.allclose(graph_affinity(a, b, **options), expected, rtol=1e-9, atol=1e-12)
    # Scaling the features themselves says the same of the loss.
    scaled = [(f / f.norm(dim=1, keepdim=True) if normalize else f) / temperature for f in (a, b[:4])]
    assert tgsa_loss(a, b[:4], **options).item() == pytest.approx(tgsa_loss(*scaled).item(), rel=1e-6, abs=1e-12)


def test_affinity_prefers_the_farthest_and_includes_self() -> None:
    a = torch.tensor([[0.0], [1.0], [3.0]])
    # Row 0: distances 0, 1, 3; softmax of them = (1, e, e^3) / (1 + e + e^3).
    total = 1 + math.e + math.e**3
    expected = [1 / total, math.e / total, math.e**3 / total]
    assert graph_affinity(a, a)[0].tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("loss", "naive"), [(tgsa_loss, naive_tgsa), (logit_kl_loss, naive_logit_kl)])
def test_divergences_and_their_reduction(
    loss: Callable[..., Tensor], naive: Callable[[Tensor, Tensor], list[float]], reduction: str, dtype: torch.dtype
) -> None:
    a, b = features(6, 5, 2, dtype), features(6, 5, 3, dtype)
    rows = naive(a, b)
    expected = sum(rows) if reduction == "sum" else sum(rows) / len(rows)
    assert loss(a, b, reduction=reduction).item() == pytest.approx(expected, rel=DTYPES[dtype])


def test_logit_kl_has_a_direction() -> None:
    p, q = features(3, 4, 6), features(3, 4, 7, scale=3)
    assert logit_kl_loss(p, q).item() != pytest.approx(logit_kl_loss(q, p).item(), rel=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_enhancing(dtype: torch.dtype) -> None:
    enhanced, plain = features(6, 9, 8, dtype, scale=3), features(6, 9, 9, dtype)
    expected = naive_enhancing(enhanced, plain)
    assert discrimination_enhancing_loss(enhanced, plain).item() == pytest.approx(expected, rel=DTYPES[dtype])


def test_enhancing_rewards_certainty() -> None:
    plain = torch.zeros(2, 5)
    certain = torch.tensor([[9.0, 0, 0, 0, 0]] * 2)
    assert discrimination_enhancing_loss(certain, plain) < math.log(2) < discrimination_enhancing_loss(plain, certain)


@pytest.mark.parametrize("dtype", DTYPES)
def test_reducing(dtype: torch.dtype) -> None:
    targets, modalities = [4, 4, 9, 9, 9, 4, 9, 2], [0, 1, 0, 1, 1, 1, 0, 1]  # identity 2 has no visible image
    reduced, normalized = features(8, 5, 10, dtype), features(8, 5, 11, dtype)
    loss = discrepancy_reducing_loss(reduced, normalized, torch.tensor(targets), torch.tensor(modalities))
    assert loss.item() == pytest.approx(naive_reducing(reduced, normalized, targets, modalities), rel=DTYPES[dtype])


def test_reducing_without_a_pair_is_a_zero_with_graph() -> None:
    reduced = features(3, 5, 12).requires_grad_()
    loss = discrepancy_reducing_loss(reduced, features(3, 5, 13), torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]))
    loss.backward()
    assert loss.item() == 0 and torch.equal(reduced.grad, torch.zeros_like(reduced))


TARGETS, MODALITIES = torch.tensor([0, 0, 1, 1] * 2), torch.tensor([0] * 4 + [1] * 4)
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "tgsa": tgsa_loss,
    "logit_kl": logit_kl_loss,
    "enhancing": discrimination_enhancing_loss,
    "reducing": lambda a, b: discrepancy_reducing_loss(a, b, TARGETS, MODALITIES),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_against_finite_differences(name: str) -> None:
    a, b = features(8, 4, 14).requires_grad_(), features(8, 4, 15).requires_grad_()
    assert torch.autograd.gradcheck(LOSSES[name], (a, b), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1000.0])
def test_finite_on_constant_tiny_and_huge_features(name: str, scale: float) -> None:
    """Zero variance, and distances near 1000, where a softmax entry underflows to 0."""
    a = features(8, 4, 16, torch.float32, scale).requires_grad_()
    b = features(8, 4, 17, torch.float32, scale).requires_grad_()
    LOSSES[name](a, b).backward()
    assert LOSSES[name](a, b).isfinite() and a.grad.isfinite().all() and b.grad.isfinite().all()


def test_underflow_really_happens_at_a_distance_of_1000() -> None:
    a = torch.tensor([[0.0], [1000.0]], requires_grad=True)
    assert graph_affinity(a, a).min() == 0
    loss = tgsa_loss(a, 2 * a.detach())
    loss.backward()
    # Row 0: all three affinities are one-hot at column 1: 0. Row 1: Aaa and Abb are one-hot at column 0, and Aab is
    # (1/2, 1/2), as both distances are 1000. KL(Aaa||Aab) = ln 2; KL(Aab||Abb) = 2000/2 - ln 2. The mean is 500.
    assert loss.item() == pytest.approx(500, rel=1e-6) and a.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_mean_does_not_depend_on_the_batch_size_by_itself(name: str) -> None:
    """The same rows twice are the same batch: rows of the affinity see twice the neighbours, in equal shares."""
    a, b = features(8, 4, 18), features(8, 4, 19)
    labels = (TARGETS.repeat(2), MODALITIES.repeat(2)) if name == "reducing" else ()
    loss = discrepancy_reducing_loss if name == "reducing" else LOSSES[name]
    twice = loss(a.repeat(2, 1), b.repeat(2, 1), *labels)
    assert twice.item() == pytest.approx(LOSSES[name](a, b).item(), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_float32_under_autocast(name: str) -> None:
    a, b = features(8, 4, 20, torch.float32), features(8, 4, 21, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = LOSSES[name](a, b)
        half = LOSSES[name](a.bfloat16(), b.bfloat16())
    assert inside.dtype == half.dtype == torch.float32
    assert torch.equal(inside, LOSSES[name](a, b))


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="choose 'mean' or 'sum'"):
        tgsa_loss(features(2, 2, 0), features(2, 2, 1), reduction="none")
