"""Divergence of two classifiers' predictions: Class Semantic Alignment (eq. 19) and the second half of eq. 20."""

from __future__ import annotations

from torch import Tensor

from .divergence import kl_divergence
from .precision import full_precision


@full_precision
def logit_kl_loss(p_logits: Tensor, q_logits: Tensor, reduction: str = "mean", *, symmetric: bool = False) -> Tensor:
    """KL(softmax p || softmax q) of each row.

    Args:
        p_logits, q_logits: ``[N, C]``.
        reduction: ``"mean"`` over rows, or ``"sum"`` as eq. 19 and 20 print it.
        symmetric: add KL(softmax q || softmax p), which the paper does not.

    Returns:
        A scalar.
    """
    log_p, log_q = p_logits.log_softmax(dim=1), q_logits.log_softmax(dim=1)
    loss = kl_divergence(log_p, log_q, reduction)
    return loss + kl_divergence(log_q, log_p, reduction) if symmetric else loss
