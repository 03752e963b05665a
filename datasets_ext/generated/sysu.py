"""Generated people in the layout of SYSU-MM01 (https://github.com/wuancong/SYSU-MM01)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import scipy.io

from datasets_ext.generated.cameras import SYSU_CAMERAS
from datasets_ext.generated.identity import CueStrength
from datasets_ext.generated.population import sample_identity
from datasets_ext.generated.render import photograph
from datasets_ext.generated.work import Parameters, generate, halves

TRIALS = 10
MAT_TEXT = 116  # bytes of free text at the start of a MAT-file, level 5


def split_ids(ids: int, seed: int) -> dict[str, list[int]]:
    """Identities 1..``ids`` in random halves: "train" and "val" (an eighth of the half) against "test", sorted."""
    train, test = halves(ids, [seed, 0, 1])
    val = max(1, round(len(test) / 8))
    return {"test": sorted(test), "val": sorted(train[:val]), "train": sorted(train[val:])}


def cameras_of(pid: int, images: int, seed: int) -> tuple[int, ...]:
    """The cameras that person ``pid`` passed: now and then one is missing.

    At least three visible cameras are left and one infrared camera, two if ``images`` is 1: at least two images of
    each modality.
    """
    rng = np.random.default_rng([seed, pid, 3])
    missing = set()
    if rng.random() < 0.25:
        missing.add(int(rng.choice([1, 2, 4, 5])))
    if rng.random() < 0.15 and images > 1:
        missing.add(int(rng.choice([3, 6])))
    return tuple(number for number in SYSU_CAMERAS if number not in missing)


def write_person(root: Path, parameters: Parameters, pid: int) -> int:
    """Write all images of one person, ``cam<c>/<pid>/<img>.jpg``; the number of them."""
    identity = sample_identity(parameters.seed, pid, parameters.cues)
    numbers = cameras_of(pid, parameters.images, parameters.seed)
    for number in numbers:
        folder = root / f"cam{number}" / f"{pid:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(1, parameters.images + 1):
            rng = np.random.default_rng([parameters.seed, pid, 4, number, index])
            image = photograph(identity, SYSU_CAMERAS[number], rng)
            image.save(folder / f"{index:04d}.jpg", quality=int(rng.integers(78, 94)))
    return len(numbers) * parameters.images


def gallery_permutations(parameters: Parameters) -> np.ndarray:
    """The official file's structure: object [6, 1] of object [ids, 1] of [10, n], the rows permutations of 1..n.

    n is the number of images of that identity in that camera, 0 if the identity did not pass it.
    """
    cells = np.empty((len(SYSU_CAMERAS), 1), dtype=object)
    for row, number in enumerate(SYSU_CAMERAS):
        cells[row, 0] = np.empty((parameters.ids, 1), dtype=object)
        for pid in range(1, parameters.ids + 1):
            present = number in cameras_of(pid, parameters.images, parameters.seed)
            count = parameters.images if present else 0
            rng = np.random.default_rng([parameters.seed, pid, 5, number])
            table = np.tile(np.arange(1, count + 1, dtype=np.min_scalar_type(parameters.images)), (TRIALS, 1))
            cells[row, 0][pid - 1, 0] = rng.permuted(table, axis=1)
    return cells


def write_lists(root: Path, parameters: Parameters) -> None:
    """Write ``exp/``: the identities of each part, and the gallery permutations."""
    folder = root / "exp"
    folder.mkdir(exist_ok=True)
    for name, pids in split_ids(parameters.ids, parameters.seed).items():
        (folder / f"{name}_id.txt").write_text(",".join(map(str, pids)) + "\n", encoding="utf-8")
    buffer = BytesIO()
    scipy.io.savemat(buffer, {"rand_perm_cam": gallery_permutations(parameters)})
    header = b"MATLAB 5.0 MAT-file, generated".ljust(MAT_TEXT)  # scipy puts the time of day into this free text
    (folder / "rand_perm_cam.mat").write_bytes(header + buffer.getvalue()[MAT_TEXT:])


def generate_sysu(
    root: str | Path, ids: int, images: int, seed: int, *, cues: CueStrength | None = None, workers: int = 1
) -> bool:
    """Draw ``ids`` people, ``images`` of each in each of six cameras, into ``root`` (the data set's own folder).

    The files depend on everything but ``workers``, the number of processes. Returns False if ``root`` was already
    complete. Raises UserError for parameters out of range and for a folder that holds anything else.
    """
    parameters = Parameters("sysu", ids, images, seed, cues or CueStrength())
    return generate(Path(root), parameters, write_person, write_lists, workers)
