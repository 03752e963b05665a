"""Average query expansion (Chum et al., ICCV 2007; weighted by similarity: Radenovic et al., TPAMI 2019).

As in fast-reid: every image, query or gallery, becomes the mean of its nearest images in the trial, itself included,
each weighted by its cosine to the power of alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from datasets_ext.errors import UserError

from .feature_set import FeatureSet
from .methods import Rescore
from .ranking import IntArray

_BLOCK_ENTRIES = 4_000_000  # of a temporary similarity matrix


@dataclass(frozen=True)
class QueryExpansion:
    """A method, fast-reid's ``TEST.AQE``: ``times`` rounds of averaging ``k`` images, weights to the ``alpha``."""

    times: int = 1
    k: int = 5
    alpha: float = 3.0

    def __post_init__(self) -> None:
        if not (self.times >= 1 and self.k >= 1 and self.alpha >= 0):
            raise UserError(
                f"query expansion {self.times} times with k {self.k} and alpha {self.alpha}: give 1 or more, 1 or "
                "more, and 0 or more"
            )

    label = "aqe"
    knob = "TEST.AQE.QE_K"

    @property
    def what(self) -> str:
        return f"query expansion with k {self.k}"

    @property
    def least(self) -> int:
        return self.k

    def rescore(self, features: FeatureSet, query: IntArray, cosine: Tensor) -> Rescore:
        rows = features.take(query)
        return lambda gallery, columns: self.cosine(rows, features.take(gallery)).cpu().numpy()

    def cosine(self, query: Tensor, gallery: Tensor) -> Tensor:
        """Minus the cosines float32 [Q, G] of expanded features.

        Args:
            query, gallery: features of one trial, float32 [Q, D] and [G, D].
        """
        features = torch.cat([query, gallery])
        for _ in range(self.times):
            features = self._expand(features)
        unit = features / torch.linalg.vector_norm(features, dim=1, keepdim=True)
        return unit[: len(query)] @ -unit[len(query) :].T

    def _expand(self, features: Tensor) -> Tensor:
        unit = features / torch.linalg.vector_norm(features, dim=1, keepdim=True)
        expanded = []
        for block in unit.split(max(1, _BLOCK_ENTRIES // len(unit))):
            similarity, index = (block @ unit.T).topk(self.k, dim=1)
            weight = similarity.clamp_(min=0).pow_(self.alpha)  # a power of a negative number may not exist
            expanded.append(sum(weight[:, i, None] * features[index[:, i]] for i in range(self.k)))
        return torch.cat(expanded)
