"""The fast-reid evaluator over a test set, and the flip test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fastreid.config import CfgNode
from fastreid.evaluation import inference_on_dataset
from torch import Tensor, nn

from datasets_ext import UserError
from datasets_ext.loaders import build_test_loader
from idkl.evaluation import PROTOCOLS, CrossModalityEvaluator, evaluate
from idkl.evaluation.evaluator import FlipTest


class Pixels(nn.Module):
    """Features that depend on the image's left half alone, so that its mirror image has others."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        features = batch["images"][:, :, :, : batch["images"].shape[3] // 2].mean(dim=3).flatten(1)
        batch["images"].zero_()  # as bad as a model may be: fast-reid's Baseline changes its input, too
        return features


@pytest.fixture
def parts(cfg: CfgNode, datasets: Path, monkeypatch: pytest.MonkeyPatch) -> tuple:
    monkeypatch.setenv("FASTREID_DATASETS", str(datasets))
    loader, root = build_test_loader(cfg, "SYSU_MM01")
    return loader, CrossModalityEvaluator("SYSU_MM01", loader.dataset, root), root


def test_results_are_the_protocols_rows(parts: tuple) -> None:
    loader, evaluator, root = parts
    results = inference_on_dataset(Pixels(), loader, evaluator)
    features = torch.cat([Pixels()(batch) for batch in loader])
    items = loader.dataset.img_items
    paths = [str(Path(path).relative_to(root)) for path, _, _ in items]
    pids, camids = np.array([item[1] for item in items]), np.array([item[2] for item in items])
    rows = evaluate(features, pids, PROTOCOLS["SYSU_MM01"](paths, pids, camids, root))
    assert evaluator.rows == rows and len(rows) == 4
    assert results["mAP"] == rows[0]["mAP"] and results["indoor-10/Rank-1"] == rows[3]["Rank-1"]
    assert results["metric"] == pytest.approx((rows[0]["Rank-1"] + rows[0]["mAP"]) / 2)
    assert len(results) == 4 * 6 + 1


def test_a_second_evaluation_forgets_the_first(parts: tuple) -> None:
    loader, evaluator, _ = parts
    first = inference_on_dataset(Pixels(), loader, evaluator)
    assert inference_on_dataset(Pixels(), loader, evaluator) == first


def test_flip_is_the_mean_of_both_sides() -> None:
    images = torch.rand(2, 3, 4, 6)
    kept = images.clone()
    features = FlipTest(Pixels())({"images": images})
    expected = (kept[:, :, :, :3].mean(dim=3) + kept[:, :, :, 3:].mean(dim=3)).flatten(1) / 2
    assert torch.allclose(features, expected, atol=1e-6) and torch.equal(images, kept)


def test_a_dataset_without_a_protocol(parts: tuple) -> None:
    loader, _, root = parts
    with pytest.raises(UserError, match="Market1501 has no protocol"):
        CrossModalityEvaluator("Market1501", loader.dataset, root)
