"""Galleries that outlive the program: written once, then asked for the entries nearest to queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..evaluation.images import Images
from .device import check_device
from .index import SearchIndex
from .kinds import Plan, train_index
from .store import check_folder, open_index, save_index


@dataclass(frozen=True)
class Match:
    """An entry that was found."""

    row: int  # in the features that the gallery was built from
    path: str
    pid: int
    camid: int
    cosine: float  # approximate for the kinds that keep codes


class Gallery(Protocol):
    """Where a gallery is kept: a folder, or a database."""

    def write(self, vectors: NDArray[np.float32], images: Images, plan: Plan) -> None:
        """Keep ``vectors`` float32 [N, D] of length 1 and their images; what was there is replaced when all is done.

        Raises:
            UserError: it cannot be written; what was there stays.
        """

    def find(self, queries: NDArray[np.float32], top: int) -> Sequence[Sequence[Match]]:
        """The ``top`` entries nearest to each of ``queries`` float32 [Q, D] of length 1, best first; ties by their row.

        Raises:
            UserError: there is no gallery, it has fewer entries, or other dimensions than the queries.
        """


@dataclass(frozen=True)
class FolderGallery:
    """An index in a folder of this machine (see :mod:`.store`), trained and searched on ``device``."""

    folder: Path
    device: str

    def write(self, vectors: NDArray[np.float32], images: Images, plan: Plan) -> None:
        check_device(self.device)
        check_folder(self.folder)
        save_index(self.folder, SearchIndex(train_index(plan, vectors, self.device), images))

    def find(self, queries: NDArray[np.float32], top: int) -> Sequence[Sequence[Match]]:
        index = open_index(self.folder).to_device(self.device)
        found = index.search(queries, top)
        paths, pids, camids = index.images.paths, index.images.pids.tolist(), index.images.camids.tolist()
        return [
            [Match(row, paths[row], pids[row], camids[row], cosine) for row, cosine in zip(rows, cosines, strict=True)]
            for rows, cosines in zip(found.rows.tolist(), found.cosines.tolist(), strict=True)
        ]
