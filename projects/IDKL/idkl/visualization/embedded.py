"""The test images of a model as every figure takes them: features, labels, modalities, and the protocol's settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets_ext.errors import UserError
from datasets_ext.loaders import load_dataset

from ..engine.extract import extract_features
from ..evaluation.feature_set import FeatureSet
from ..evaluation.images import Images
from ..evaluation.protocol import Setting, protocol_of
from ..evaluation.ranking import IntArray
from .source import Source


@dataclass(frozen=True)
class Embedded:
    """A test set's N images, one row each: those of the queries first.

    Attributes:
        name: of the model, for captions.
        features: float32 [N, D], not normalised.
        images: paths relative to ``root``, identities, cameras.
        modalities: int64[N], 0 visible, 1 infrared.
        root: the dataset's folder.
        settings: of the dataset's protocol, with the config's ``TEST.GALLERY``.
    """

    name: str
    features: NDArray[np.float32]
    images: Images
    modalities: IntArray
    root: Path
    settings: list[Setting]

    @cached_property
    def feature_set(self) -> FeatureSet:
        """The features as the evaluation compares them. UserError if a row is zero or not finite."""
        return FeatureSet(self.features, self.images.pids, self.images.paths)

    @cached_property
    def unit(self) -> NDArray[np.float32]:
        """The features at length 1, float32 [N, D]: products of rows are cosines."""
        return self.feature_set.unit(np.arange(len(self.features))).numpy()


def embed(source: Source) -> Embedded:
    """Run the model of ``source`` over the test images of its ``DATASETS.TESTS``, in this process.

    Raises:
        UserError: not exactly one test dataset, or the checkpoint, the dataset or its protocol's files are missing or
            do not fit.
    """
    extracted = extract_features(source.cfg)
    assert extracted is not None  # only other processes than the main one get nothing
    features, images = extracted
    name = source.cfg.DATASETS.TESTS[0]
    data = load_dataset(name, source.cfg.DATASETS.SPLIT)
    modalities = np.array([record.modality for record in (*data.query, *data.gallery)], dtype=np.int64)
    settings = protocol_of(name).settings(images, data.dataset_root, source.cfg.TEST.GALLERY or None)
    return Embedded(source.name, features, images, modalities, data.dataset_root, settings)


def check_same_images(models: Sequence[Embedded]) -> None:
    """Refuse models that were tested on different images; UserError names two."""
    for one, other in pairwise(models):
        if list(one.images.paths) != list(other.images.paths):
            raise UserError(f"{one.name} and {other.name} were tested on different images: compare them one by one")
