"""A GPU is refused where there is none, used where there is one, and does not change what a flat index finds."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from datasets_ext import UserError
from idkl.search import FolderGallery, plan_index, train_index
from idkl.search.bench import clustered_vectors
from idkl.search.device import check_device, to_gpu
from idkl.search.kinds import read_plan
from tests.idkl.search.made import images, index_of, naive_search, unit


class StandInGPU:
    """A copy of a faiss index that computes like a GPU: rounded otherwise, ties in no order, no search by range."""

    def __init__(self, index: Any, uses: list[str]) -> None:
        self.index, self.uses = faiss.clone_index(index), uses

    def search(self, queries: NDArray[np.float32], top: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        assert top <= 2048
        self.uses.append("search")
        found, rows = self.index.search(queries, self.index.ntotal)
        noise = np.random.default_rng(0).uniform(-1, 1, found.shape)
        rounded = (found + noise * self.index.d * np.finfo(np.float32).eps / 4).astype(np.float32)
        order = np.argsort(-rounded, axis=1)[:, :top]
        return np.take_along_axis(rounded, order, axis=1), np.take_along_axis(rows, order, axis=1)

    def train(self, vectors: NDArray[np.float32]) -> None:
        self.uses.append("train")
        self.index.train(vectors)

    def add(self, vectors: NDArray[np.float32]) -> None:
        self.uses.append("add")
        self.index.add(vectors)


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the stand-in, which faiss then seems to have, is used for."""
    calls: list[str] = []

    def move(resources: object, number: int, index: Any) -> StandInGPU:
        if isinstance(index, faiss.IndexPQ):
            raise RuntimeError("Error in clone:\nThis index type is not implemented on GPU.")
        return StandInGPU(index, calls)

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", move, raising=False)
    monkeypatch.setattr(faiss, "index_gpu_to_cpu", lambda gpu: gpu.index, raising=False)
    return calls


def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    index = index_of(np.eye(5, 3, dtype=np.float32)).faiss_index
    for call in (check_device, lambda device: to_gpu(index, device)):
        with pytest.raises(UserError, match="--device cuda: faiss sees no GPU on this machine; give --device cpu"):
            call("cuda")
        assert call("auto") is None and call("cpu") is None


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_flat_on_a_gpu_is_brute_force(device: str, uses: list[str]) -> None:
    rng = np.random.default_rng(0)
    for count, values in ((400, 2), (400, 9), (5, 2)):
        gallery = unit(rng.integers(1, values + 1, (count, 6)).astype(np.float32))
        queries = unit(rng.integers(1, values + 1, (20, 6)).astype(np.float32))
        top = min(12, count)
        found = index_of(gallery).to_device(device).search(queries, top)
        for query, rows, cosines in zip(queries, found.rows, found.cosines, strict=True):
            assert (rows.tolist(), cosines.tolist()) == naive_search(gallery, query, top)
    assert uses == ["search"] * 3


def test_more_than_a_gpu_finds_is_found_on_the_cpu(uses: list[str]) -> None:
    gallery, queries = clustered_vectors(3000, 8)
    index = index_of(gallery).to_device("cuda")
    for top in (2040, 2041, 3000):
        found = index.search(queries[:1], top)
        assert found.rows[0].tolist() == naive_search(gallery, queries[0], top)[0]
    assert uses == ["search"]


def test_an_inverted_index_is_trained_and_searched_there(uses: list[str]) -> None:
    gallery, queries = clustered_vectors(1000, 8)
    plan = plan_index("ivf", 1000, 8)
    trained = train_index(plan, gallery, "cuda")
    assert uses == ["train", "add"] and read_plan(trained) == plan and trained.ntotal == 1000
    assert np.array_equal(trained.search(queries, 5)[1], train_index(plan, gallery).search(queries, 5)[1])
    assert uses == ["train", "add"]
    train_index(plan_index("flat", 1000, 8), gallery, "cuda")
    assert uses == ["train", "add"]


def test_an_index_that_cannot_be_there_stays_on_the_cpu(uses: list[str]) -> None:
    index = faiss.IndexPQ(8, 2, 8, faiss.METRIC_INNER_PRODUCT)
    assert to_gpu(index, "auto") is None
    with pytest.raises(
        UserError, match=r"--device cuda: faiss cannot .* \(This index type is not .*give --device cpu$"
    ):
        to_gpu(index, "cuda")


def test_a_gallery_is_searched_on_its_device(uses: list[str], tmp_path: Any) -> None:
    gallery, queries = clustered_vectors(200, 8)
    found = []
    for device in ("cpu", "cuda"):
        FolderGallery(tmp_path, device).write(gallery, images(200), plan_index("ivf", 200, 8))
        found.append([[match.row for match in matches] for matches in FolderGallery(tmp_path, device).find(queries, 3)])
    assert found[0] == found[1] and uses == ["train", "add", "search"]
