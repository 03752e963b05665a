"""What differs between two runs, and whether it can change their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .description import RESULTS_RECORDED, TRAINING_RECORDED, describe
from .keys import is_harmless, is_training_only


@dataclass(frozen=True)
class Difference:
    """One key whose values differ: ``a`` and ``b``, None where a run does not have it; ``matters``: whether it can
    change the numbers."""

    key: str
    a: Any
    b: Any
    matters: bool


def differences(a: str | Path, b: str | Path) -> list[Difference]:
    """What differs between two runs, by what their ``provenance.json`` says.

    Keys of the config stand as they are (``SOLVER.BASE_LR``, ``SEED``). The others:

    ==================================  =============================================================================
    ``kind``                            "training"; "training, then evaluation" of a checkpoint; or "features"
    ``command``                         as typed
    ``epochs_done``                     with which the training began: 0, or "0, then 7" for one that was resumed
    ``versions.NAME``                   of python, torch, torchvision, numpy, scipy, pillow, faiss, fastreid, idkl,
                                        cuda, cudnn
    ``git.KEY``                         commit, branch, dirty, changed, changes_sha256 of this project's checkout
    ``fastreid.source_checkout``        and ``fastreid.git.KEY``, where it is one
    ``device.KEY``, ``processes``       name, instructions, threads
    ``datasets.NAME.training.KEY``      and ``datasets.NAME.test.KEY``: images, bytes, sha256
    ``datasets.NAME.split``             and ``datasets.NAME.split_files.FILE``
    ``protocol.NAME.gallery``           and ``protocol.NAME.files.FILE``, by the dataset's name
    ``weights.model.KEY``               and ``weights.imagenet.KEY``: path, sha256 of what a training starts from
    ``checkpoint.KEY``                  path, sha256 of what an evaluation evaluates
    ``features.FILE``, ``images.KEY``,  of an evaluation of features: the files' SHA-256, which images, and
    ``methods.KEY``                     re-ranking and query expansion
    ``results.recorded``                whether a session wrote the very results file: listed when it is false in one
                                        or both, as the file was then changed or comes from elsewhere
    ``training.recorded``               whether the training is known: listed likewise; what concerns training alone is
                                        then not compared, as for features of any method or a checkpoint from elsewhere
    ==================================  =============================================================================

    A run counts with all sessions that made its results, such as those of a training that was resumed. Values that
    changed between them are joined: "2.11.0, then 2.14.1". A config is compared with a config only.

    Args:
        a, b: each a run folder, or a results file such as ``results.json`` or that of ``evaluate_features.py``.

    Returns:
        Those that can change the numbers first, then by key.

    Raises:
        UserError: a run is missing, or has no provenance, or a damaged one.
    """
    runs = describe(Path(a)), describe(Path(b))
    are_trained = all(run[TRAINING_RECORDED] for run in runs)
    are_configured = all(any(map(_is_config, run)) for run in runs)
    found = []
    for key in runs[0].keys() | runs[1].keys():
        if (_is_config(key) and not are_configured) or (is_training_only(key) and not are_trained):
            continue
        one, other = (run.get(key) for run in runs)
        if one != other or (key in (RESULTS_RECORDED, TRAINING_RECORDED) and not one):
            found.append(Difference(key, one, other, not is_harmless(key)))
    return sorted(found, key=lambda difference: (not difference.matters, difference.key))


def _is_config(key: str) -> bool:
    return key[0].isupper()
