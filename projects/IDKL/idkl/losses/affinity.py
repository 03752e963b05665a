"""The graph of a batch: who is far from whom (eq. 15)."""

from __future__ import annotations

from torch import Tensor

from .distance import euclidean_distance
from .precision import full_precision


def graph_log_affinity(a: Tensor, b: Tensor) -> Tensor:
    """Logarithm of :func:`graph_affinity`; stays finite where the affinity itself underflows to 0."""
    return euclidean_distance(a, b).log_softmax(dim=1)


@full_precision
def graph_affinity(a: Tensor, b: Tensor) -> Tensor:
    """Affinity A(a; b) of eq. 15: softmax over j of the Euclidean distance D(a_i, b_j).

    The sign is the paper's: the farthest row gets the largest entry. Self entries are included.

    Args:
        a: pooled, unnormalised features ``[N, D]``.
        b: the same, ``[M, D]``.

    Returns:
        ``[N, M]``, rows sum to 1, float32 at least.
    """
    return graph_log_affinity(a, b).exp()
