"""Divergence of two classifiers' predictions of all images of an identity together."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import full_precision


@full_precision
def identity_logit_kl_loss(
    p_logits: Tensor, q_logits: Tensor, targets: Tensor, reduction: str = "mean", *, symmetric: bool = False
) -> Tensor:
    """KL(softmax p || softmax q) of each identity's logits, those of its K images concatenated to one row of K*C.

    One softmax then runs over all of them. The authors' released code has this term beside that of single rows; read
    literally: an identity is a row, and the mean is over identities.

    Args:
        p_logits, q_logits: ``[N, C]``; row i of both has identity ``targets[i]``.
        targets: int ``[N]``, in any order.
        reduction: ``"mean"`` over identities, or ``"sum"``.
        symmetric: add the divergence the other way round.

    Returns:
        A scalar.
    """
    # By masks and not by grouping rows: no shape depends on the labels' values, for which a GPU would have to wait.
    same = targets[:, None] == targets[None, :]
    log_p, log_q = _log_softmax_by_identity(p_logits, same), _log_softmax_by_identity(q_logits, same)
    total = (log_p.exp() * (log_p - log_q)).sum()
    if symmetric:
        total = total + (log_q.exp() * (log_q - log_p)).sum()
    if reduction == "mean":
        return total / (1 / same.sum(dim=1).to(total.dtype)).sum()  # the number of identities
    if reduction == "sum":
        return total
    raise ValueError(f"reduction {reduction!r} is unknown: choose 'mean' or 'sum'")


def _log_softmax_by_identity(logits: Tensor, same: Tensor) -> Tensor:
    """``[N, C]`` to ``[N, C]``, normalised over all rows of an identity, which ``same``, bool ``[N, N]``, tells."""
    rows = logits.logsumexp(dim=1)
    together = torch.where(same, rows, -torch.inf).logsumexp(dim=1)
    return logits - together[:, None]
