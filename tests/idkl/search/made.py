"""Made-up galleries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idkl.evaluation.images import Images
from idkl.search import Gallery, MilvusGallery, SearchIndex
from idkl.search.kinds import plan_index, train_index

SMALL = np.eye(6, 5, k=-1, dtype=np.float32) + np.eye(6, 5, dtype=np.float32)  # a gallery of 6 entries


def images(count: int, folder: str = "cam1") -> Images:
    """Images in the order of their paths, identities of 20 images, cameras 1 to 6."""
    rows = np.arange(count)
    return Images([f"{folder}/{row:06d}.jpg" for row in rows], rows // 20, 1 + rows % 6)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def index_of(vectors: NDArray[np.float32], kind: str = "flat") -> SearchIndex:
    return SearchIndex(train_index(plan_index(kind, *vectors.shape), vectors), images(len(vectors)))


def naive_search(entries: NDArray[np.float32], query: NDArray[np.float32], top: int) -> tuple[list[int], list[float]]:
    """Every entry by its cosine in float64, then by its row."""
    cosines = [float(np.sum(entry.astype(np.float64) * query.astype(np.float64))) for entry in entries]
    order = sorted(range(len(entries)), key=lambda row: (-cosines[row], row))[:top]
    return order, [cosines[row] for row in order]


def write_gallery(gallery: Gallery, vectors: NDArray[np.float32], kind: str = "flat", folder: str = "cam1") -> None:
    gallery.write(unit(vectors), images(len(vectors), folder), plan_index(kind, *vectors.shape))


def local_gallery(folder: Path, name: str = "gallery") -> MilvusGallery:
    return MilvusGallery(str(folder / "data" / "gallery.db"), name)
