"""Triplet Graph Structure Alignment (eq. 16)."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from .affinity import graph_log_affinity
from .divergence import kl_divergence
from .precision import full_precision

LogAffinity = Callable[[Tensor, Tensor], Tensor]


def _true_cross(a: Tensor, b: Tensor, log_affinity: LogAffinity) -> list[Tensor]:
    return [log_affinity(a, b)]


def _mixed_cross(a: Tensor, b: Tensor, log_affinity: LogAffinity) -> list[Tensor]:
    """The graph within the first half of a's rows and as many of b's (one more, where N is odd), in this order."""
    half = len(a) // 2
    mixed = torch.cat([a[:half], b[: len(b) - half]])
    return [log_affinity(mixed, mixed)]


def _no_cross(a: Tensor, b: Tensor, log_affinity: LogAffinity) -> list[Tensor]:
    return []


# What stands for the cross affinity Aab. The paper has the true one; the authors' released code has none across the
# branches and, within the shared branch, the graph of a batch that is half visible, half infrared rows.
CROSS_GRAPHS = {"true": _true_cross, "mixed": _mixed_cross, "none": _no_cross}


@full_precision
def tgsa_loss(
    a: Tensor,
    b: Tensor,
    reduction: str = "mean",
    *,
    cross: str = "true",
    symmetric: bool = False,
    self_entries: bool = True,
    normalize: bool = False,
    temperature: float = 1.0,
) -> Tensor:
    """Pull the graphs of two feature types together: KL(Aaa||Abb) + KL(Aaa||Aab) + KL(Aab||Abb), row by row.

    Args:
        a: features ``[N, D]`` of one type.
        b: features ``[N, D]`` of the other; row i shows the same image as, or shares its identity with, row i of a.
        reduction: ``"mean"`` over rows, or ``"sum"`` as eq. 16 prints it.
        cross: what Aab is, of ``CROSS_GRAPHS``; ``"none"`` leaves its two divergences out.
        symmetric: add each divergence the other way round.
        self_entries, normalize, temperature: of the affinities, as for :func:`graph_affinity`.

    Returns:
        A scalar.
    """

    def log_affinity(x: Tensor, y: Tensor) -> Tensor:
        return graph_log_affinity(x, y, normalize, temperature, self_entries)

    log_aa, log_bb = log_affinity(a, a), log_affinity(b, b)
    pairs = [(log_aa, log_bb)]
    for log_ab in CROSS_GRAPHS[cross](a, b, log_affinity):
        pairs += [(log_aa, log_ab), (log_ab, log_bb)]
    if symmetric:
        pairs += [(q, p) for p, q in pairs]
    return functools.reduce(torch.add, [kl_divergence(p, q, reduction) for p, q in pairs])
