"""Made-up test features, with no images behind them unless a folder has some."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from idkl.evaluation import Images, Setting, Trial
from idkl.visualization.embedded import Embedded


def make_embedded(
    identities: int = 5, each: int = 3, name: str = "made", seed: int = 0, spread: float = 1.0
) -> Embedded:
    """Images of SYSU-MM01's cameras 1, 2 (visible) and 3 (infrared), ``each`` of an identity; camera 3 ignores 2.

    The smaller ``spread``, the more alike are the images of an identity. Identity 0 is seen by camera 3 alone, so that
    its queries have no match.
    """
    rng = np.random.default_rng(seed)
    labels = [(pid, camera) for camera in (3, 1, 2) for pid in range(identities) for _ in range(each)]
    pids, camids = np.array([(pid, camera) for pid, camera in labels if pid or camera == 3]).T
    features = rng.normal(size=(identities, 16))[pids] + spread * rng.normal(size=(len(pids), 16))
    paths = [f"cam{camera}/{pid:04d}/{row:04d}.jpg" for row, (pid, camera) in enumerate(zip(pids, camids, strict=True))]
    gallery = np.flatnonzero(camids != 3)
    trials = tuple(Trial(np.flatnonzero(camids == 3), rng.permutation(gallery)[: len(gallery) - 2]) for _ in range(2))
    ignore = np.where(camids == 3, 2, -1), camids
    settings = [Setting("sysu", "all", shots, None, "official", True, ignore, trials) for shots in (1, 10)]
    modalities = (camids == 3).astype(np.int64)
    images = Images(paths, pids, camids)
    return Embedded(name, features.astype(np.float32), images, modalities, Path("nowhere"), settings)
