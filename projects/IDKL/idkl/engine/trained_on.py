"""Which data a checkpoint was trained on, so that it is never tested on identities that it has seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastreid.config import CfgNode

from datasets_ext.errors import UserError

TRAINED_ON = "trained_on"  # the entry of a checkpoint

Entry = dict[str, Any]


@dataclass
class TrainingData:
    """The data of a training, and what the weights that it starts from were trained on before.

    The splits of a dataset are halves of the same people, so that training on one shows test identities of another.

    Attributes:
        datasets: names of the datasets that this run trains or tests on.
        split: which split of theirs.
        entries: ``{"dataset": name, "split": number or None}`` for each that the weights were trained on.
    """

    datasets: frozenset[str]
    split: int
    entries: list[Entry]

    @classmethod
    def of(cls, cfg: CfgNode, split: int | None) -> TrainingData:
        """What ``cfg`` trains and tests on; ``split`` is that of the training images, None of a dataset with one."""
        own = {"dataset": cfg.DATASETS.NAMES[0], "split": split}
        return cls(frozenset([*cfg.DATASETS.NAMES, *cfg.DATASETS.TESTS]), cfg.DATASETS.SPLIT, [own])

    def start_from(self, checkpoint: dict[str, Any], path: str) -> None:
        """Take over what a checkpoint was trained on; refused as :func:`check_split` says."""
        check_split(checkpoint, path, self.datasets, self.split)
        before = entries_of(checkpoint)
        self.entries = before + [entry for entry in self.entries if entry not in before]


def check_split(checkpoint: dict[str, Any], path: str, datasets: Iterable[str], split: int) -> None:
    """Refuse a checkpoint that was trained on another split of one of the datasets.

    A checkpoint that does not say what it was trained on, such as one of fast-reid, is taken.

    Raises:
        UserError: names both splits.
    """
    for entry in entries_of(checkpoint):
        if entry["dataset"] in datasets and entry["split"] not in (None, split):
            raise UserError(
                f"checkpoint {path} was trained on {entry['dataset']} split {entry['split']}, but DATASETS.SPLIT is "
                f"{split}, whose test identities it has seen: add DATASETS.SPLIT {entry['split']}"
            )


def entries_of(checkpoint: dict[str, Any]) -> list[Entry]:
    """The entries of a checkpoint of ours; none where another program wrote something else under that name."""
    entries = checkpoint.get(TRAINED_ON)
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and set(e) == {"dataset", "split"} for e in entries
    ):
        return []
    return entries
