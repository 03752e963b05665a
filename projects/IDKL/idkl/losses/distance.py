"""Euclidean distances between two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor


def euclidean_distance(a: Tensor, b: Tensor) -> Tensor:
    """Distances ``[N, M]`` between the rows of ``a [N, D]`` and ``b [M, D]``.

    Computed from differences and not from the expanded square: the distance of a row to itself is exactly 0, and the
    gradient there is 0 and not infinite. No ``N x M x D`` tensor is made.
    """
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
