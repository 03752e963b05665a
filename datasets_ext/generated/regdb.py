"""Generated people in the layout of RegDB (Nguyen et al., Sensors 2017)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets_ext.generated.cameras import REGDB_CAMERAS, Camera
from datasets_ext.generated.identity import CueStrength
from datasets_ext.generated.population import sample_identity
from datasets_ext.generated.render import photograph
from datasets_ext.generated.work import Parameters, generate, halves

SPLITS = 10


def image_name(camera: Camera, pid: int, index: int) -> str:
    """One image's path within the data set, named as the real ones are."""
    folder, letter = ("Thermal", "t") if camera.infrared else ("Visible", "v")
    return f"{folder}/{pid}/person_{letter}_{pid:05d}_{index}.bmp"


def write_person(root: Path, parameters: Parameters, pid: int) -> int:
    """Write all images of one person; the number of them."""
    identity = sample_identity(parameters.seed, pid, parameters.cues)
    for camera in REGDB_CAMERAS:
        for index in range(1, parameters.images + 1):
            path = root / image_name(camera, pid, index)
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([parameters.seed, pid, 6, camera.number, index])
            photograph(identity, camera, rng).save(path)
    return len(REGDB_CAMERAS) * parameters.images


def write_lists(root: Path, parameters: Parameters) -> None:
    """Write ``idx/``: ten splits, each with the two lists of its training people and of its test people.

    The people of a list are labelled from 0; a person's label is the same in both modalities.
    """
    folder = root / "idx"
    folder.mkdir(exist_ok=True)
    for split in range(1, SPLITS + 1):
        parts = zip(("train", "test"), halves(parameters.ids, [parameters.seed, 0, 6, split]), strict=True)
        for side, pids in parts:
            for camera, modality in zip(REGDB_CAMERAS, ("visible", "thermal"), strict=True):
                lines = [
                    f"{image_name(camera, pid, index)} {label}\n"
                    for label, pid in enumerate(sorted(pids))
                    for index in range(1, parameters.images + 1)
                ]
                (folder / f"{side}_{modality}_{split}.txt").write_text("".join(lines), encoding="utf-8")


def generate_regdb(
    root: str | Path, ids: int, images: int, seed: int, *, cues: CueStrength | None = None, workers: int = 1
) -> bool:
    """Draw ``ids`` people, ``images`` of each in a visible and in a thermal camera, into ``root``.

    Otherwise like :func:`~datasets_ext.generated.sysu.generate_sysu`.
    """
    parameters = Parameters("regdb", ids, images, seed, cues or CueStrength())
    return generate(Path(root), parameters, write_person, write_lists, workers)
