"""What kind of test set the figures of a run were measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets_ext.generated.folder import COMPLETE

from ..visualization.embedded import Embedded


@dataclass(frozen=True)
class EvaluatedOn:
    """Counts of a protocol's first setting, and whether its people were drawn by ``tools/generate_dataset.py``."""

    identities: int
    queries: int
    gallery: int
    generated: bool


def describe_test_set(embedded: Embedded) -> EvaluatedOn:
    """The test set that ``embedded`` was computed on; its gallery is that of the first trial."""
    trial = embedded.settings[0].trials[0]
    return EvaluatedOn(
        identities=len(np.unique(embedded.images.pids[trial.query])),
        queries=len(trial.query),
        gallery=len(trial.gallery),
        generated=(embedded.root / COMPLETE).is_file(),
    )
