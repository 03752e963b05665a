"""Discrepancy reducing loss of the Information Purifier (eq. 11)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .penalty import Penalty
from .precision import full_precision


@full_precision
def discrepancy_reducing_loss(
    reduced: Tensor, normalized: Tensor, targets: Tensor, modalities: Tensor, *, penalty: Penalty = F.softplus
) -> Tensor:
    """L_r (eq. 11): softplus(d(reduced) - d(normalized)) per identity, then the mean.

    d is the Euclidean distance between an identity's visible and its infrared centre. An identity with one modality
    only has no such distance and is left out; where none is left the loss is 0 (and still has a graph).

    Args:
        reduced: pooled Fhat_m-, ``[N, D]``.
        normalized: pooled Fhat, ``[N, D]``.
        targets: identities, int ``[N]``.
        modalities: 0 visible, 1 infrared, int ``[N]``.
        penalty: what stands in for softplus, elementwise.

    Returns:
        A scalar; ln 2 (softplus of 0) where the mask changes nothing.
    """
    # Row i works with the centres of its own identity, so that no shape depends on the labels' values (which would
    # make a GPU wait); each identity then counts once through the weights.
    same = targets[:, None] == targets[None, :]
    visible, infrared = same & (modalities == 0), same & (modalities == 1)
    complete = visible.any(dim=1) & infrared.any(dim=1)
    weights = complete.to(reduced.dtype) / same.sum(dim=1)

    def distance(features: Tensor) -> Tensor:
        return torch.linalg.vector_norm(_centres(visible, features) - _centres(infrared, features), dim=1)

    excess = penalty(distance(reduced) - distance(normalized))
    return (weights * excess).sum() / weights.sum().clamp(min=1)


def _centres(members: Tensor, features: Tensor) -> Tensor:
    """Mean of the member rows: bool ``[N, N]`` and ``[N, D]`` to ``[N, D]``; 0 where a row has no member."""
    members = members.to(features.dtype)
    return members @ features / members.sum(dim=1, keepdim=True).clamp(min=1)
