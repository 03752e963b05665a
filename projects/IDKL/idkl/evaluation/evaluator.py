"""The fast-reid evaluator that runs a dataset's visible-infrared protocol."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastreid.evaluation import DatasetEvaluator
from fastreid.utils import comm
from torch import Tensor, nn

from datasets_ext.dataset import CrossModalityDataset
from datasets_ext.errors import UserError

from .protocol import PROTOCOLS, evaluate
from .results import METRICS, Row, varying_labels


class CrossModalityEvaluator(DatasetEvaluator):
    """Collects the features of a test set once and scores them in every setting of its protocol.

    Args:
        dataset_name: names the protocol.
        dataset: query images, then gallery images.
        root: the dataset's folder, to which the protocol's paths are relative.

    Attributes:
        rows: result rows of the last :meth:`evaluate`, as ``results.ROW_KEYS`` says; on the main process.

    Raises:
        UserError: there is no protocol for the dataset, or its files are missing or do not fit.
    """

    def __init__(self, dataset_name: str, dataset: CrossModalityDataset, root: Path) -> None:
        if dataset_name not in PROTOCOLS:
            raise UserError(
                f"dataset {dataset_name} has no protocol: one of DATASETS.TESTS must be in {list(PROTOCOLS)}"
            )
        self._paths = [str(Path(path).relative_to(root)) for path, _, _ in dataset.img_items]
        labels = np.array([(pid, camid) for _, pid, camid in dataset.img_items], dtype=np.int64)
        self._pids = labels[:, 0]
        self._settings = PROTOCOLS[dataset_name](self._paths, self._pids, labels[:, 1], root)
        self._features: list[Tensor] = []
        self.rows: list[Row] = []

    def reset(self) -> None:
        self._features = []

    def process(self, inputs: dict[str, Any], outputs: Tensor) -> None:
        self._features.append(outputs.to("cpu", torch.float32))

    def evaluate(self) -> OrderedDict[str, float]:
        """Score the collected features.

        Returns:
            The metrics in percent by name: those of the protocol's first setting plain, the others' behind the
            setting (``indoor-10/mAP``), and fast-reid's ``metric``, the mean of rank-1 and mAP, which judges a
            checkpoint. Empty on all but the main process.
        """
        parts = comm.gather(self._features)
        if not comm.is_main_process():
            return OrderedDict()
        features = torch.cat(list(itertools.chain(*parts)))
        self.rows = evaluate(features, self._pids, self._settings, self._paths)
        results = OrderedDict((name, self.rows[0][name]) for name in METRICS)
        labels = varying_labels(self.rows)
        for row in self.rows[1:]:
            setting = "-".join(str(row[label]) for label in labels)
            results.update((f"{setting}/{name}", row[name]) for name in METRICS)
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
