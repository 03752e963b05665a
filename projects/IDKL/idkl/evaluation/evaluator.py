"""fast-reid evaluators: one that collects features, and one that runs a dataset's visible-infrared protocol."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from fastreid.evaluation import DatasetEvaluator
from fastreid.utils import comm
from torch import Tensor, nn

from datasets_ext.dataset import CrossModalityDataset

from .evaluate import evaluate
from .expansion import QueryExpansion
from .images import Images
from .protocol import protocol_of
from .rerank import ReRanking
from .results import METRICS, Row, row_name
from .scoring import check_sizes


class FeatureCollector(DatasetEvaluator):
    """Collects the features of a test set in one buffer, in the order of its images.

    With several processes each sees some images that follow one another, and the main one those that come first.

    Args:
        dataset: query images, then gallery images.
        root: the dataset's folder.

    Attributes:
        images: the images, paths relative to ``root``.
        root: the dataset's folder.
    """

    def __init__(self, dataset: CrossModalityDataset, root: Path) -> None:
        paths = [str(Path(path).relative_to(root)) for path, _, _ in dataset.img_items]
        labels = np.array([(pid, camid) for _, pid, camid in dataset.img_items], dtype=np.int64)
        self.images = Images(paths, labels[:, 0], labels[:, 1])
        self.root = root
        self.reset()

    def reset(self) -> None:
        self._buffer = torch.empty(0)
        self._filled = 0

    def process(self, inputs: dict[str, Any], outputs: Tensor) -> None:
        if self._filled == 0:
            self._buffer = torch.empty(len(self.images.paths), outputs.shape[1], device=outputs.device)
        self._buffer[self._filled : self._filled + len(outputs)] = outputs
        self._filled += len(outputs)

    def gather(self) -> Tensor | None:
        """Features float32 [N, D] of all images on the main process, on the model's device; None on the others."""
        counts = comm.all_gather(self._filled)
        if not comm.is_main_process():
            if self._filled:
                dist.send(self._buffer[: self._filled], dst=0)
            return None
        for rank, count in enumerate(counts[1:], 1):
            if count:
                dist.recv(self._buffer[self._filled : self._filled + count], src=rank)
                self._filled += count
        return self._buffer[: self._filled]

    def evaluate(self) -> OrderedDict[str, float]:
        """No figures: a collector only holds the features."""
        return OrderedDict()


class CrossModalityEvaluator(FeatureCollector):
    """Collects the features of a test set once and scores them in every setting of its protocol.

    Args:
        dataset_name: names the protocol.
        dataset: query images, then gallery images.
        root: the dataset's folder, to which the protocol's paths are relative.
        gallery: rule of the protocol's galleries; None for its default.
        reranking, expansion: None leaves their rows out.

    Attributes:
        settings: of the protocol.
        rows: result rows of the last :meth:`evaluate`, as ``results.ROW_KEYS`` says; on the main process.
        features: float32 [N, D], which those rows are of; on the main process.

    Raises:
        UserError: there is no protocol for the dataset, or its files are missing or do not fit.
    """

    def __init__(
        self,
        dataset_name: str,
        dataset: CrossModalityDataset,
        root: Path,
        gallery: str | None,
        reranking: ReRanking | None,
        expansion: QueryExpansion | None = None,
    ) -> None:
        super().__init__(dataset, root)
        self.settings = protocol_of(dataset_name).settings(self.images, root, gallery)
        self._methods = reranking, expansion
        check_sizes(self.settings, [method for method in self._methods if method is not None])
        self.rows: list[Row] = []
        self.features = torch.empty(0)

    def evaluate(self) -> OrderedDict[str, float]:
        """Score the collected features.

        Returns:
            The metrics in percent by name: those of the protocol's first setting plain, the others' behind the name
            of their row (``indoor-10/mAP``, ``all-1-reranked/mAP``), and fast-reid's ``metric``, the mean of the plain
            Rank-1 and mAP, which judges a checkpoint. Empty on all but the main process.
        """
        features = self.gather()
        if features is None:
            return OrderedDict()
        self.features = features
        self.rows = evaluate(features, self.images, self.settings, *self._methods)
        results = OrderedDict((name, self.rows[0][name]) for name in METRICS)
        for row in self.rows[1:]:
            results.update((f"{row_name(row, self.rows)}/{name}", row[name]) for name in METRICS)
        results["metric"] = (results["Rank-1"] + results["mAP"]) / 2
        return results


class FlipTest(nn.Module):
    """A model that answers with the mean of the features of an image and of its mirror image.

    The mean keeps its length as it is: features are normalised once, where they are compared.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batched_inputs: dict[str, Any]) -> Tensor:
        images = batched_inputs["images"]
        # A copy for each pass: fast-reid's Baseline normalises its input in place.
        plain = self.model({**batched_inputs, "images": images.clone()})
        mirrored = self.model({**batched_inputs, "images": images.flip(dims=[3])})
        return (plain + mirrored) / 2
