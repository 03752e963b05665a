"""Discrimination enhancing loss of the Information Purifier (eq. 10)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .precision import full_precision


def prediction_entropy(logits: Tensor) -> Tensor:
    """Entropy in nats of each row's softmax: ``[N, C]`` to ``[N]``."""
    log_p = logits.log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


@full_precision
def discrimination_enhancing_loss(enhanced_logits: Tensor, logits: Tensor) -> Tensor:
    """L_e (eq. 10): softplus(h(enhanced) - h(plain)) per sample, then the mean; h is the prediction's entropy.

    Args:
        enhanced_logits: ``[N, C]``, the specific classifier's logits of the enhanced feature F_d+.
        logits: ``[N, C]``, the same classifier's logits of the specific feature.

    Returns:
        A scalar; ln 2 where enhancing changes nothing.
    """
    return F.softplus(prediction_entropy(enhanced_logits) - prediction_entropy(logits)).mean()
