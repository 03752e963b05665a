"""Discrimination enhancing loss of the Information Purifier (eq. 10)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .penalty import Penalty
from .precision import full_precision


def prediction_entropy(logits: Tensor) -> Tensor:
    """Entropy in nats of each row's softmax: ``[N, C]`` to ``[N]``."""
    log_p = logits.log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


@full_precision
def discrimination_enhancing_loss(enhanced_logits: Tensor, logits: Tensor, *, penalty: Penalty = F.softplus) -> Tensor:
    """L_e (eq. 10): softplus(h(enhanced) - h(plain)) per sample, then the mean; h is the prediction's entropy.

    Args:
        enhanced_logits: ``[N, C]``, the specific classifier's logits of the enhanced feature F_d+.
        logits: ``[N, C]``, the same classifier's logits of the specific feature.
        penalty: what stands in for softplus, elementwise.

    Returns:
        A scalar; ln 2 (softplus of 0) where enhancing changes nothing.
    """
    return penalty(prediction_entropy(enhanced_logits) - prediction_entropy(logits)).mean()
