"""Nearest neighbours of unit features, in blocks of bounded memory, on the features' own device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK_ENTRIES = 4_000_000  # of a temporary distance matrix
ITSELF = -1  # the distance at which an image is searched for itself: before its exact copies


@dataclass(frozen=True)
class Nearest:
    """The nearest images of R images, squared distances ascending, and the distance of the farthest one."""

    index: Tensor  # int64 [R, K]
    distance: Tensor  # float32 [R, K]
    farthest: Tensor  # float32 [R]

    @classmethod
    def among(cls, distance: Tensor, count: int) -> Nearest:
        """Of ``distance`` [R, C] the ``count`` nearest columns of each row, all if there are fewer."""
        value, index = distance.topk(min(count, distance.shape[1]), dim=1, largest=False)
        # Above 0, to divide by, also where all images are the same.
        return cls(index, value, distance.amax(dim=1).clamp_(min=torch.finfo(torch.float32).tiny))

    @classmethod
    def stack(cls, parts: Iterable[Nearest]) -> Nearest:
        """All rows of ``parts``, one after the other."""
        return cls(*(torch.cat(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))

    def rows(self, chosen: Tensor) -> Nearest:
        return Nearest(self.index[chosen], self.distance[chosen], self.farthest[chosen])

    def merge(self, other: Nearest, offset: int, count: int) -> Nearest:
        """The ``count`` nearest among both, ``other``'s columns counted from ``offset``."""
        index = torch.cat([self.index, other.index + offset], dim=1)
        value, order = torch.cat([self.distance, other.distance], dim=1).sort(dim=1, stable=True)
        farthest = torch.maximum(self.farthest, other.farthest)
        return Nearest(index.gather(1, order[:, :count]), value[:, :count], farthest)


def to_squared_distance(cosine: Tensor) -> Tensor:
    """Minus the cosines of unit vectors, overwritten by their squared Euclidean distances."""
    return cosine.mul_(2).add_(2).clamp_(min=0)


def nearest_queries(cosine: Tensor, count: int) -> Nearest:
    """The queries nearest to every pool image, from ``cosine`` [Q, M]."""
    step = max(1, _BLOCK_ENTRIES // len(cosine))
    return Nearest.stack(
        Nearest.among(to_squared_distance(block.T.clone(memory_format=torch.contiguous_format)), count)
        for block in cosine.split(step, dim=1)
    )


def nearest_of_each_other(features: Tensor, count: int) -> Nearest:
    """The nearest of unit ``features`` [G, D] to each of them, itself first."""
    step = max(1, _BLOCK_ENTRIES // len(features))
    parts = []
    for start, block in zip(range(0, len(features), step), features.split(step), strict=True):
        distance = to_squared_distance(block @ -features.T)
        distance[:, start : start + len(block)].fill_diagonal_(ITSELF)
        parts.append(Nearest.among(distance, count))
    return Nearest.stack(parts)
