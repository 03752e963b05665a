"""Features of a dataset's test images from a checkpoint."""

from __future__ import annotations

import numpy as np
from fastreid.config import CfgNode
from fastreid.evaluation import inference_on_dataset
from numpy.typing import NDArray

from datasets_ext.errors import UserError
from datasets_ext.loaders import build_test_loader

from ..evaluation.evaluator import FeatureCollector, FlipTest
from ..evaluation.images import Images
from .main import load_model


def extract_features(cfg: CfgNode) -> tuple[NDArray[np.float32], Images] | None:
    """Features float32 [N, D] of the N test images of ``DATASETS.TESTS`` by the checkpoint ``MODEL.WEIGHTS``.

    They are as the model gives them, not normalised; with ``TEST.FLIP.ENABLED`` the mean over an image and its mirror
    image. Several processes share the images; the main one returns the features of all, the others None.

    Args:
        cfg: complete and checked (see :mod:`idkl.engine.setup`).

    Raises:
        UserError: not exactly one test dataset, or the checkpoint or the dataset is missing or does not fit.
    """
    if len(cfg.DATASETS.TESTS) != 1:
        raise UserError(f"DATASETS.TESTS {list(cfg.DATASETS.TESTS)}: features are extracted from exactly one dataset")
    model = load_model(cfg)
    loader, root = build_test_loader(cfg, cfg.DATASETS.TESTS[0])
    collector = FeatureCollector(loader.dataset, root)
    inference_on_dataset(FlipTest(model) if cfg.TEST.FLIP.ENABLED else model, loader, collector)
    features = collector.gather()
    return None if features is None else (features.cpu().numpy(), collector.images)
