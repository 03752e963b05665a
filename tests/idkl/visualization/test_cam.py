"""Grad-CAM: which features it looks at, and what its heat is, recomputed by hand."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fastreid.config import CfgNode
from torch import Tensor

from datasets_ext import UserError
from idkl.engine import Trainer
from idkl.visualization.cam import choose_pairs, heat_maps
from idkl.visualization.cam_figure import cam_figure
from idkl.visualization.cam_model import FEATURES, FeatureModel
from idkl.visualization.embedded import Embedded
from idkl.visualization.source import Source
from tests.runs import BASELINE


@pytest.fixture(scope="module")
def pairs(embedded: Embedded) -> np.ndarray:
    return choose_pairs(embedded.images.pids, embedded.modalities, 4)


def pixels(source: Source, embedded: Embedded, pairs: np.ndarray) -> Tensor:
    """The images as a test loader gives them, [2, n, 3, H, W]."""
    loader = Trainer.build_evaluator(source.cfg, "SYSU_MM01")[0]
    images = torch.cat([batch["images"] for batch in loader])
    return images[torch.from_numpy(pairs)]


def test_the_shared_feature_is_what_the_model_answers(source: Source, embedded: Embedded, pairs: np.ndarray) -> None:
    network = FeatureModel(source.load_model(), "shared")
    images = pixels(source, embedded, pairs)
    with torch.no_grad():
        assert np.allclose(network(images[0]).numpy(), embedded.features[pairs[0]], atol=1e-5)


def test_the_other_features_are_those_that_training_classifies(source: Source) -> None:
    model = source.load_model()
    images = torch.rand(4, 3, 64, 32, generator=torch.Generator().manual_seed(1)) * 255
    found = {feature: FeatureModel(model, feature) for feature in FEATURES}
    head = model.heads
    with torch.no_grad():
        specific = model.backbone.specific(model.backbone.stem(model.preprocess_image(images)))
        purified = head.purifier.pooled(specific, head.pool(specific)).purified
        for feature, pooled in (("specific", head.pool(specific)), ("purified", purified)):
            expected = head.specific.bottleneck(pooled[:, :, None, None])[:, :, 0, 0]
            assert torch.allclose(found[feature](images), expected, atol=1e-5), feature
        assert not torch.allclose(found["specific"](images), found["shared"](images), atol=1e-2)


def test_pairs_are_of_one_person_in_both_modalities(embedded: Embedded, pairs: np.ndarray) -> None:
    pids, modalities = embedded.images.pids, embedded.modalities
    assert pairs.shape == (2, 4) and (pids[pairs[0]] == pids[pairs[1]]).all() and len(set(pids[pairs[0]])) == 4
    assert (modalities[pairs[0]] == 0).all() and (modalities[pairs[1]] == 1).all()
    more = choose_pairs(pids, modalities, 100)
    assert more.shape[1] == len(np.unique(pids)) and not np.array_equal(
        pairs, choose_pairs(pids, modalities, 4, seed=1)
    )
    with pytest.raises(UserError, match="fewer than two have test images in both modalities"):
        choose_pairs(pids[:3], modalities[:3], 2)


def test_heat_and_cosine_by_hand(source: Source, embedded: Embedded, pairs: np.ndarray) -> None:
    images = pixels(source, embedded, pairs)
    for feature, heat in heat_maps(source, pairs, 2).items():
        network = FeatureModel(source.load_model(), feature)
        with torch.no_grad():
            embeddings = torch.stack([network(of_modality) for of_modality in images])
        means = embeddings.mean(dim=1)
        assert heat.maps.shape == (2, 2, 64, 32) and heat.cells == (4, 2)
        for modality in (0, 1):
            for i in range(2):
                partner = F.normalize(embeddings[1 - modality, i] - means[1 - modality], dim=0)
                with torch.no_grad():  # BN of no activation at all
                    common = F.normalize(
                        means[modality] - network.neck.bottleneck(torch.zeros(1, 512, 1, 1)).flatten(), dim=0
                    )
                feature_map = network.feature_map(network.preprocess(images[modality, i : i + 1]))
                feature_map.retain_grad()
                embedding = network.neck(network.pool(feature_map)[:, :, None, None])[0]
                (embedding @ (partner - (partner @ common) * common)).backward()
                cosine = F.cosine_similarity(embedding - means[modality], partner, dim=0)
                assert heat.cosines[i] == pytest.approx(cosine.item(), abs=1e-3)
                weights = feature_map.grad.mean(dim=(2, 3), keepdim=True)
                raw = F.relu((weights * feature_map).sum(dim=1, keepdim=True))
                wide = F.interpolate(raw / (raw.max() + 1e-12), (64, 32), mode="bilinear")[0, 0].detach().numpy()
                shown = heat.maps[modality, i]
                assert np.corrcoef(wide.ravel(), shown.ravel())[0, 1] > 0.999 if raw.max() > 0 else (shown == 0).all()


def test_the_picture(source: Source, embedded: Embedded) -> None:
    figure = cam_figure(source, embedded, count=2, features=("shared", "purified"))
    axes = figure.axes[0]
    assert len(axes.images) == 2 * 2 * (1 + 2 * 2)  # people, modalities, image; grey and heat of each feature
    texts = [text.get_text() for text in axes.texts]
    for word in ("visible", "infrared"):
        assert texts.count(word) == 1
    assert texts.count("shared") == texts.count("purified") == 2 and "specific" not in texts
    with pytest.raises(UserError, match="--count 0: give 1 or more"):
        cam_figure(source, embedded, count=0)


def test_models_without_these_features_are_refused(cfg: CfgNode) -> None:
    cfg.MODEL.IDKL.WEIGHTS.IP = 0.0
    without = Trainer.build_model(cfg)
    assert FeatureModel(without, "specific").feature_map.purifier is None
    with pytest.raises(UserError, match=r"without purifier .* --features shared specific"):
        FeatureModel(without, "purified")
    cfg.merge_from_list(BASELINE)
    with pytest.raises(UserError, match="only IDKL has, but the model is a Baseline on a ResNet"):
        FeatureModel(Trainer.build_model(cfg), "shared")


def test_without_the_package_it_is_named(
    source: Source, pairs: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pytorch_grad_cam"):
            raise ImportError("No module named 'pytorch_grad_cam'")
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="needs the package grad-cam .*pip install grad-cam"):
        heat_maps(source, pairs, 1, ("shared",))
