"""Triplet Graph Structure Alignment (eq. 16)."""

from __future__ import annotations

from torch import Tensor

from .affinity import graph_log_affinity
from .divergence import kl_divergence
from .precision import full_precision


@full_precision
def tgsa_loss(
    a: Tensor, b: Tensor, reduction: str = "mean", *, normalize: bool = False, temperature: float = 1.0
) -> Tensor:
    """Pull the graphs of two feature types together: KL(Aaa||Abb) + KL(Aaa||Aab) + KL(Aab||Abb), row by row.

    Args:
        a: features ``[N, D]`` of one type.
        b: features ``[N, D]`` of the other; row i shows the same image as, or shares its identity with, row i of a.
        reduction: ``"mean"`` over rows, or ``"sum"`` as eq. 16 prints it.
        normalize, temperature: of the affinities, as for :func:`graph_affinity`.

    Returns:
        A scalar.
    """
    log_aa, log_bb, log_ab = (graph_log_affinity(x, y, normalize, temperature) for x, y in ((a, a), (b, b), (a, b)))
    return (
        kl_divergence(log_aa, log_bb, reduction)
        + kl_divergence(log_aa, log_ab, reduction)
        + kl_divergence(log_ab, log_bb, reduction)
    )
