"""What a method is that gives a gallery other distances than the plain ones, in rows beside these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .feature_set import FeatureSet
from .ranking import IntArray

# (rows of a gallery, its columns of the distance matrix) -> distances float32 [Q, G]
Rescore = Callable[[IntArray, IntArray], NDArray[np.float32]]


class Method(Protocol):
    """A method and its parameters."""

    @property
    def label(self) -> bool | str:
        """The "rerank" of its rows."""

    @property
    def knob(self) -> str:
        """What sets the number of its neighbours."""

    @property
    def what(self) -> str:
        """Its name in an error."""

    @property
    def least(self) -> int:
        """The images that a trial must have."""

    def rescore(self, features: FeatureSet, query: IntArray, cosine: Tensor) -> Rescore:
        """What gives the distances of a trial's gallery to the rows ``query``.

        Args:
            cosine: minus the cosine of every query and every image of the pool, float32 [Q, M].
        """
