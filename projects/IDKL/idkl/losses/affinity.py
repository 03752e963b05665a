"""The graph of a batch: who is far from whom (eq. 15)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .distance import euclidean_distance
from .precision import full_precision


def graph_log_affinity(
    a: Tensor, b: Tensor, normalize: bool = False, temperature: float = 1.0, self_entries: bool = True
) -> Tensor:
    """Logarithm of :func:`graph_affinity`; stays finite where the affinity itself underflows to 0."""
    if normalize:
        a, b = F.normalize(a), F.normalize(b)
    distances = euclidean_distance(a, b) / temperature
    if not self_entries:
        distances = _without_diagonal(distances)
    return distances.log_softmax(dim=1)


@full_precision
def graph_affinity(
    a: Tensor, b: Tensor, *, normalize: bool = False, temperature: float = 1.0, self_entries: bool = True
) -> Tensor:
    """Affinity A(a; b) of eq. 15: softmax over j of the Euclidean distance D(a_i, b_j).

    The sign is the paper's: the farthest row gets the largest entry. Self entries are included.

    Args:
        a: pooled, unnormalised features ``[N, D]``.
        b: the same, ``[M, D]``.
        normalize: divide each feature by its length first, so that distances lie in 0..2; the paper does not say so.
        temperature: what distances are divided by before the softmax; the paper has none, which is 1.
        self_entries: False leaves out the entries i = j, as the authors' released code does; M is N then.

    Returns:
        ``[N, M]``, without self entries ``[N, N - 1]``; rows sum to 1, float32 at least.
    """
    return graph_log_affinity(a, b, normalize, temperature, self_entries).exp()


def _without_diagonal(square: Tensor) -> Tensor:
    """``[N, N]`` to ``[N, N - 1]``: every row without its i-th entry, the others in their order."""
    rows = len(square)
    # In rows of N + 1 from the second entry on, the diagonal is the last column.
    return square.flatten()[1:].view(rows - 1, rows + 1)[:, :-1].reshape(rows, rows - 1)
