"""One thread for faiss, an index of each kind, trained once, and Milvus or its stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from idkl.search import KINDS, SearchIndex
from idkl.search.bench import clustered_vectors
from idkl.search.kinds import plan_index, train_index
from tests.idkl.search.made import images
from tests.idkl.search.standin import real_or_stand_in, stand_in


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    faiss.omp_set_num_threads(1)  # several test processes share the cores


@pytest.fixture(scope="session")
def vectors() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """10000 entries and 200 queries of 16 dimensions."""
    return clustered_vectors(10000, 16)


@pytest.fixture(scope="session")
def indexes(vectors: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Mapping[str, SearchIndex]:
    entries = vectors[0]
    shown = images(len(entries))
    return {kind: SearchIndex(train_index(plan_index(kind, *entries.shape), entries), shown) for kind in KINDS}


@pytest.fixture
def pymilvus(monkeypatch: pytest.MonkeyPatch) -> Any:
    return real_or_stand_in(monkeypatch)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    return stand_in(monkeypatch)
