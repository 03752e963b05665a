"""The images of a gallery by identity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TABLE_ENTRIES = 1024  # images of several identities that stand in one table


class IdentityGroups:
    """Columns of a pool by identity, ascending within one: ``columns`` int64[M], ``starts`` and ``sizes`` int64[I]."""

    def __init__(self, pids: NDArray[np.int64]) -> None:
        self.columns = np.argsort(pids, kind="stable")
        self.identities, self.starts, self.sizes = np.unique(pids[self.columns], return_index=True, return_counts=True)

    def of(self, query_pids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Columns [B, P] of each query's own identity, and which entries of that array are real."""
        group = np.minimum(np.searchsorted(self.identities, query_pids), len(self.identities) - 1)
        sizes = np.where(self.identities[group] == query_pids, self.sizes[group], 0)
        slot = np.arange(self.sizes.max())
        position = np.minimum(self.starts[group][:, None] + slot, len(self.columns) - 1)
        return self.columns[position], slot < sizes[:, None]

    def members(self, is_member: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
        """The columns of one gallery by identity, in tables [identities, images] of identities with like numbers.

        Shorter rows are filled up by repeating their columns.
        """
        parts = [columns[is_member[columns]] for columns in np.split(self.columns, self.starts[1:])]
        waiting = sorted((part for part in parts if len(part)), key=len)
        tables = []
        while waiting:
            longest = len(waiting[-1])
            count = max(1, _TABLE_ENTRIES // longest)
            slots = np.arange(longest)
            tables.append(np.stack([part.take(slots, mode="wrap") for part in waiting[-count:]]))
            del waiting[-count:]
        return tables
