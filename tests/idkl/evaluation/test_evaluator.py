"""The fast-reid evaluators: features collected over a test set, its protocol's rows, and the flip test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from fastreid.config import CfgNode
from fastreid.evaluation import inference_on_dataset
from fastreid.utils import comm
from torch import Tensor, nn

from datasets_ext.errors import UserError
from datasets_ext.loaders import build_test_loader
from idkl.evaluation import PROTOCOLS, CrossModalityEvaluator, ReRanking, evaluate
from idkl.evaluation.evaluator import FeatureCollector, FlipTest
from idkl.evaluation.results import METRICS
from tests.idkl.evaluation import made
from tests.idkl.evaluation.trials import separated

ROOT = Path("/data/LLCM")
PATHS = made.llcm_paths()
IMAGES = made.images(PATHS)
FEATURES = torch.from_numpy(separated(len(PATHS), 8))


def dataset_of(paths: list[str]) -> Any:
    """What the evaluators need of a dataset."""
    images = made.images(paths)
    rows = zip(paths, images.pids.tolist(), images.camids.tolist(), strict=True)
    return SimpleNamespace(img_items=[(f"{ROOT}/{path}", pid, camid) for path, pid, camid in rows])


def collect(collector: FeatureCollector, features: Tensor, batch: int = 10) -> None:
    collector.reset()
    for outputs in features.split(batch):
        collector.process({}, outputs)


class Pixels(nn.Module):
    """Features that depend on the image's left half alone, so that its mirror image has others."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        features = batch["images"][:, :, :, : batch["images"].shape[3] // 2].mean(dim=3).flatten(1)
        batch["images"].zero_()  # as bad as a model may be: fast-reid's Baseline changes its input, too
        return features


def test_collector_knows_the_images_by_paths_in_the_datasets_folder() -> None:
    images = FeatureCollector(dataset_of(PATHS), ROOT).images
    assert list(images.paths) == PATHS
    np.testing.assert_array_equal(images.pids, IMAGES.pids)
    np.testing.assert_array_equal(images.camids, IMAGES.camids)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_collector_keeps_the_order(batch: int) -> None:
    collector = FeatureCollector(dataset_of(PATHS), ROOT)
    collect(collector, FEATURES, batch)
    assert torch.equal(collector.gather(), FEATURES)
    assert collector.evaluate() == {}


def test_collector_fills_one_float32_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    collector, made_buffers, empty = FeatureCollector(dataset_of(PATHS), ROOT), [], torch.empty
    monkeypatch.setattr(torch, "empty", lambda *shape, device: made_buffers.append(shape) or empty(*shape))
    for outputs in FEATURES.half().split(9):
        collector.process({}, outputs)
    assert made_buffers == [(len(PATHS), 8)]
    assert collector.gather().dtype == torch.float32
    assert torch.equal(collector.gather(), FEATURES.half().float())


def test_collector_holds_what_it_was_given_not_a_view_of_it() -> None:
    collector, outputs = FeatureCollector(dataset_of(PATHS), ROOT), FEATURES.clone()
    collect(collector, outputs)
    outputs.zero_()
    assert torch.equal(collector.gather(), FEATURES)


def test_processes_share_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = FEATURES[:50], FEATURES[50:50], FEATURES[50:]  # the second process has none
    sent: dict[int, Tensor] = {}
    monkeypatch.setattr(comm, "all_gather", lambda _: [len(share) for share in shares])
    monkeypatch.setattr(dist, "recv", lambda part, src: part.copy_(sent[src]))
    for rank in (2, 1, 0):
        monkeypatch.setattr(comm, "is_main_process", lambda rank=rank: rank == 0)
        monkeypatch.setattr(dist, "send", lambda own, dst, rank=rank: sent.update({rank: own.clone()}))
        collector = CrossModalityEvaluator("LLCM", dataset_of(PATHS), ROOT, None, None)
        collect(collector, shares[rank], 7) if len(shares[rank]) else collector.reset()
        assert rank == 0 or (collector.evaluate() == {} and collector.rows == [])
    assert set(sent) == {2} and torch.equal(collector.gather(), FEATURES)


@pytest.mark.parametrize("gallery", [None, "agw", "full"])
@pytest.mark.parametrize("reranking", [None, ReRanking(5, 3)])
def test_gallery_and_reranking_are_those_asked_for(gallery: str | None, reranking: ReRanking | None) -> None:
    evaluator = CrossModalityEvaluator("LLCM", dataset_of(PATHS), ROOT, gallery, reranking)
    collect(evaluator, FEATURES)
    results = evaluator.evaluate()
    settings = PROTOCOLS["llcm"].settings(IMAGES, ROOT, gallery)
    assert evaluator.rows == evaluate(FEATURES, IMAGES, settings, reranking)
    names = ["", "infrared-to-visible/"]
    if reranking is not None:
        names = ["", "visible-to-infrared-reranked/", "infrared-to-visible/", "infrared-to-visible-reranked/"]
    expected = {name + key: row[key] for name, row in zip(names, evaluator.rows, strict=True) for key in METRICS}
    assert dict(results) == {**expected, "metric": (results["Rank-1"] + results["mAP"]) / 2}


def test_regdb_needs_no_file_and_has_one_gallery() -> None:
    paths = made.regdb_paths()
    evaluator = CrossModalityEvaluator("RegDB", dataset_of(paths), ROOT, None, None)
    collect(evaluator, torch.from_numpy(separated(len(paths), 8)))
    assert evaluator.evaluate()["mAP"] == evaluator.rows[0]["mAP"]
    assert [row["direction"] for row in evaluator.rows] == ["visible-to-infrared", "infrared-to-visible"]
    with pytest.raises(UserError, match="protocol regdb has no gallery agw"):
        CrossModalityEvaluator("RegDB", dataset_of(paths), ROOT, "agw", None)


def test_what_cannot_work_is_refused_before_any_image_is_read() -> None:
    with pytest.raises(UserError, match="Market1501 has no protocol"):
        CrossModalityEvaluator("Market1501", dataset_of(PATHS), ROOT, None, None)
    with pytest.raises(UserError, match="k1 5000"):
        CrossModalityEvaluator("LLCM", dataset_of(PATHS), ROOT, None, ReRanking(k1=5000))


@pytest.fixture
def sysu(cfg: CfgNode, datasets: Path, monkeypatch: pytest.MonkeyPatch) -> tuple:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    return build_test_loader(cfg, "SYSU_MM01")


def test_results_over_a_loader_are_the_protocols_rows(sysu: tuple) -> None:
    loader, root = sysu
    evaluator = CrossModalityEvaluator("SYSU_MM01", loader.dataset, root, None, ReRanking(5, 3))
    results = inference_on_dataset(Pixels(), loader, evaluator)
    features = torch.cat([Pixels()(batch) for batch in loader])
    settings = PROTOCOLS["sysu"].settings(evaluator.images, root)
    assert evaluator.rows == evaluate(features, evaluator.images, settings, ReRanking(5, 3)) and len(settings) == 4
    assert results["indoor-10/Rank-1"] == evaluator.rows[6]["Rank-1"]
    assert results["all-1-reranked/mAP"] == evaluator.rows[1]["mAP"]
    assert len(results) == 8 * 6 + 1


def test_a_second_evaluation_forgets_the_first(sysu: tuple) -> None:
    loader, root = sysu
    evaluator = CrossModalityEvaluator("SYSU_MM01", loader.dataset, root, "agw", None)
    first = inference_on_dataset(Pixels(), loader, evaluator)
    other = inference_on_dataset(FlipTest(Pixels()), loader, evaluator)
    assert other != first
    assert inference_on_dataset(Pixels(), loader, evaluator) == first


def test_flip_is_the_mean_of_both_sides() -> None:
    images = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    kept = images.clone()
    features = FlipTest(Pixels())({"images": images})
    expected = (kept[:, :, :, :3].mean(dim=3) + kept[:, :, :, 3:].mean(dim=3)).flatten(1) / 2
    assert torch.allclose(features, expected, atol=1e-6) and torch.equal(images, kept)
