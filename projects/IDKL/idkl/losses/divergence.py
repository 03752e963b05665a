"""Kullback-Leibler divergence between rows of log-probabilities."""

from __future__ import annotations

from torch import Tensor


def kl_divergence(log_p: Tensor, log_q: Tensor, reduction: str) -> Tensor:
    """KL(p || q) = sum_j p_j (log p_j - log q_j) of each row ``[N, M]``, then the mean or the sum over rows.

    Both sides are log-probabilities: a probability that underflows to 0 then adds exactly 0, and the gradient into
    either side stays finite, where ``p * log(p / q)`` and ``F.kl_div`` with a gradient into its target give NaN.

    Args:
        reduction: ``"mean"`` or ``"sum"`` over the rows.
    """
    rows = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    if reduction == "mean":
        return rows.mean()
    if reduction == "sum":
        return rows.sum()
    raise ValueError(f"reduction {reduction!r} is unknown: choose 'mean' or 'sum'")
