"""The graph of a batch: who is far from whom (eq. 15)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .distance import euclidean_distance
from .precision import full_precision


def graph_log_affinity(a: Tensor, b: Tensor, normalize: bool = False, temperature: float = 1.0) -> Tensor:
    """Logarithm of :func:`graph_affinity`; stays finite where the affinity itself underflows to 0."""
    if normalize:
        a, b = F.normalize(a), F.normalize(b)
    return (euclidean_distance(a, b) / temperature).log_softmax(dim=1)


@full_precision
def graph_affinity(a: Tensor, b: Tensor, *, normalize: bool = False, temperature: float = 1.0) -> Tensor:
    """Affinity A(a; b) of eq. 15: softmax over j of the Euclidean distance D(a_i, b_j).

    The sign is the paper's: the farthest row gets the largest entry. Self entries are included.

    Args:
        a: pooled, unnormalised features ``[N, D]``.
        b: the same, ``[M, D]``.
        normalize: divide each feature by its length first, so that distances lie in 0..2; the paper does not say so.
        temperature: what distances are divided by before the softmax; the paper has none, which is 1.

    Returns:
        ``[N, M]``, rows sum to 1, float32 at least.
    """
    return graph_log_affinity(a, b, normalize, temperature).exp()
