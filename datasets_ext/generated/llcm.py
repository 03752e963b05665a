"""Generated people in the layout of LLCM (https://github.com/ZYK100/LLCM)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasets_ext.generated.cameras import LLCM_CAMERAS, Camera
from datasets_ext.generated.identity import CueStrength
from datasets_ext.generated.population import sample_identity
from datasets_ext.generated.render import photograph
from datasets_ext.generated.work import Parameters, generate, halves

FEWEST, MOST = 2, 6  # cameras of a modality that a person passes


def ids_for_test(parameters: Parameters) -> list[int]:
    """The half of the identities that are not for training, sorted."""
    return sorted(halves(parameters.ids, [parameters.seed, 0, 7])[1])


def cameras_of(pid: int, seed: int) -> list[Camera]:
    """The cameras that person ``pid`` passed: a random few by day, others by night."""
    rng = np.random.default_rng([seed, pid, 7])
    passed: list[Camera] = []
    for infrared in (False, True):
        there = [camera for camera in LLCM_CAMERAS if camera.infrared == infrared]
        chosen = rng.choice(len(there), size=rng.integers(FEWEST, MOST + 1), replace=False)
        passed += [there[index] for index in sorted(chosen)]
    return passed


def image_names(parameters: Parameters, pid: int, camera: Camera, train: bool) -> Iterator[str]:
    """The paths of a person's images by one camera, named as the real ones: person, camera, time of day, frame."""
    modality = "nir" if camera.infrared else "vis"
    folder = f"{modality}/{pid:04d}" if train else f"test_{modality}/cam{camera.number}/{pid:04d}"
    rng = np.random.default_rng([parameters.seed, pid, 8, camera.number, camera.band.value])
    hour, minute, second = (int(rng.integers(*limits)) for limits in ((18, 22), (0, 60), (0, 60)))
    first = int(rng.integers(10, 8000))
    for index in range(parameters.images):
        tail = f"_c{camera.number:02d}_s{hour:02d}{minute:02d}{second:02d}_f{first + 15 * index}_{modality}.jpg"
        yield f"{folder}/{pid:04d}{tail}"


def write_person(root: Path, parameters: Parameters, pid: int) -> int:
    """Write all images of one person; the number of them."""
    identity = sample_identity(parameters.seed, pid, parameters.cues)
    train = pid not in ids_for_test(parameters)
    cameras = cameras_of(pid, parameters.seed)
    for camera in cameras:
        for index, name in enumerate(image_names(parameters, pid, camera, train)):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([parameters.seed, pid, 9, camera.number, camera.band.value, index])
            photograph(identity, camera, rng).save(path, quality=int(rng.integers(78, 94)))
    return len(cameras) * parameters.images


def write_lists(root: Path, parameters: Parameters) -> None:
    """Write ``idx/``: the training images of both modalities, labelled from 0, and the test identities."""
    folder = root / "idx"
    folder.mkdir(exist_ok=True)
    test = ids_for_test(parameters)
    train = [pid for pid in range(1, parameters.ids + 1) if pid not in test]
    for name, infrared in (("train_vis", False), ("train_nir", True)):
        lines = [
            f"{image} {label}\n"
            for label, pid in enumerate(train)
            for camera in cameras_of(pid, parameters.seed)
            if camera.infrared == infrared
            for image in image_names(parameters, pid, camera, train=True)
        ]
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "test_id.txt").write_text(",".join(map(str, test)) + "\n", encoding="utf-8")


def generate_llcm(
    root: str | Path, ids: int, images: int, seed: int, *, cues: CueStrength | None = None, workers: int = 1
) -> bool:
    """Draw ``ids`` people, ``images`` of each in each of the cameras that they pass, into ``root``.

    Otherwise like :func:`~datasets_ext.generated.sysu.generate_sysu`.
    """
    parameters = Parameters("llcm", ids, images, seed, cues or CueStrength())
    return generate(Path(root), parameters, write_person, write_lists, workers)
