"""The features of a test set, as the evaluation takes parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets_ext.errors import UserError

from .metrics import identity_array
from .ranking import IntArray

# Lengths between which dot products stay well inside float32's range.
_SHORTEST, _LONGEST = 1e-15, 1e15


class FeatureSet:
    """Features and identities of the test images, one row each; the features are held once and not copied.

    Args:
        features: float [N, D], torch or numpy, of any length above 0.
        pids: int64[N].
        paths: str[N], to name a bad row in the error.

    Raises:
        UserError: a feature row is zero or not finite, or the shapes differ.
    """

    def __init__(self, features: Any, pids: IntArray, paths: Sequence[str]) -> None:
        values = _tensor(features)
        if values.ndim != 2 or not values.is_floating_point():
            raise UserError(f"features are {values.dtype}{list(values.shape)}; give float32[images, dimensions]")
        self.values = values.float()
        self.pids = identity_array(pids, "pids", len(values))
        self._lengths = torch.linalg.vector_norm(self.values, dim=1)
        usable = (self._lengths > _SHORTEST) & (self._lengths < _LONGEST)  # not so for NaN
        bad = torch.nonzero(~usable).flatten().tolist()
        if bad:
            raise UserError(
                f"{len(bad)} of {len(values)} feature rows are zero, not finite or beyond {_LONGEST:.0e} (first: row "
                f"{bad[0]}, {paths[bad[0]]}); find out why and extract them again"
            )

    def take(self, rows: IntArray) -> Tensor:
        """Features as they are, float32 [rows, D]."""
        return _take(self.values, rows)

    def unit(self, rows: IntArray) -> Tensor:
        """Features of length 1, float32 [rows, D]."""
        return self.take(rows) / _take(self._lengths, rows)[:, None]

    def distances(self, query: IntArray, pool: IntArray) -> Tensor:
        """Minus the cosine of every query and pool image, float32 [Q, M].

        It ranks as the Euclidean distance of unit features does: that one's square is 2 - 2 cos.
        """
        dist = self.unit(query) @ self.take(pool).T
        return dist.mul_(-1 / _take(self._lengths, pool))


def _tensor(values: Any) -> Tensor:
    """A tensor of ``values``, tensor or numpy; without a copy where torch can use the memory as it is."""
    if isinstance(values, Tensor):
        return values.detach()
    array = np.asarray(values)
    return torch.from_numpy(np.require(array, np.float32 if array.dtype.kind == "f" else None, ["C", "W"]))


def _take(values: Tensor, rows: IntArray) -> Tensor:
    """``values[rows]``, without a copy where the rows follow each other."""
    if len(rows) == rows[-1] - rows[0] + 1 and (np.diff(rows) == 1).all():
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values[torch.from_numpy(rows).to(values.device)]
