"""What one session records: one training, or one evaluation, from its start to its end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastreid.config import CfgNode
from fastreid.utils import comm

from datasets_ext.cross_modality import CrossModalityImageDataset
from datasets_ext.fingerprint import file_sha256, fingerprint_images
from datasets_ext.loaders import load_dataset
from datasets_ext.records import ImageRecord, keep_cross_modality

from ...evaluation.camera_files import find_camera_files
from ...evaluation.expansion import QueryExpansion
from ...evaluation.images import Images
from ...evaluation.protocol import Protocol, protocol_of
from ...evaluation.rerank import ReRanking
from ...modeling.backbone import build_dual_stream_resnet_backbone
from ...modeling.pretrained import weights_file
from ..sweep_plan import flatten
from .file import PROVENANCE, Session, read_sessions
from .software import checkouts, command_line, device_state, versions, without_home

TRAINING, EVALUATION, FEATURES = "training", "evaluation", "features"


def training_session(cfg: CfgNode, epochs_done: float) -> Session:
    """A training that begins, or goes on after ``epochs_done`` epochs, whole ones or not.

    ``config`` has every key as run, the seed among them; ``datasets`` says what :func:`_datasets` says; ``weights`` the
    files that the network starts from, with their SHA-256 (``model``: MODEL.WEIGHTS; ``imagenet``, of a ResNet).
    """
    backbone = cfg.MODEL.BACKBONE
    weights = {"model": cfg.MODEL.WEIGHTS} if cfg.MODEL.WEIGHTS else {}
    if backbone.PRETRAIN and backbone.NAME in ("build_resnet_backbone", build_dual_stream_resnet_backbone.__name__):
        weights["imagenet"] = str(weights_file(backbone))
    trains = [*cfg.DATASETS.NAMES, *([cfg.TEST.PRECISE_BN.DATASET] if cfg.TEST.PRECISE_BN.ENABLED else [])]
    return {
        "kind": TRAINING,
        "epochs_done": epochs_done,
        # A run that goes on takes its weights from its own checkpoint.
        "weights": {} if epochs_done else {name: _weights(path) for name, path in weights.items()},
        **_configured(cfg, trains),
    }


def evaluation_session(cfg: CfgNode) -> Session:
    """An evaluation of the checkpoint ``MODEL.WEIGHTS``; keys as for :func:`training_session`.

    ``trained`` has the sessions of training that are recorded in the checkpoint's folder; none where it has no record.
    """
    record = Path(cfg.MODEL.WEIGHTS).with_name(PROVENANCE)
    sessions = read_sessions(record) if record.exists() else []
    return {
        "kind": EVALUATION,
        "checkpoint": _weights(cfg.MODEL.WEIGHTS),
        **_configured(cfg, []),
        "trained": [session for session in sessions if session["kind"] == TRAINING],
    }


def features_session(
    path: Path,
    images: Images,
    protocol: Protocol,
    folder: Path | None,
    gallery: str | None,
    methods: tuple[ReRanking | None, QueryExpansion | None],
    device: str,
) -> Session:
    """An evaluation of features from files, whatever made them.

    Args:
        path: the features, an ``.npz`` or what leads to six ``.mat``; ``features`` has the SHA-256 of each file.
        images: those evaluated; their number, and a SHA-256 of their sorted paths and identities.
        protocol, folder, gallery, methods: as they are evaluated.
        device: "cpu" or "cuda".
    """
    reranking, expansion = methods
    lines = sorted(f"{path}\0{pid}\n" for path, pid in zip(images.paths, images.pids.tolist(), strict=True))
    return {
        "kind": FEATURES,
        **_program(device),
        "features": {file.name: file_sha256(file) for file in find_camera_files(path) or [path]},
        "images": {"images": len(lines), "sha256": hashlib.sha256("".join(lines).encode()).hexdigest()},
        "protocol": {protocol.dataset: _protocol(protocol, folder, gallery)},
        "methods": {
            "rerank": None if reranking is None else asdict(reranking),
            "aqe": None if expansion is None else asdict(expansion),
        },
    }


def _configured(cfg: CfgNode, trains: Iterable[str]) -> Session:
    """What the sessions with a config share."""
    roots, datasets = _datasets(cfg, trains)
    gallery = cfg.TEST.GALLERY or None
    return {
        **_program(cfg.MODEL.DEVICE),
        "processes": comm.get_world_size(),
        "datasets": datasets,
        "protocol": {name: _protocol(protocol_of(name), roots[name], gallery) for name in cfg.DATASETS.TESTS},
        "config": {
            key: without_home(value) if isinstance(value, str) else value for key, value in flatten(cfg).items()
        },
    }


def _program(device: str) -> Session:
    return {"command": command_line(), "versions": versions(), **checkouts(), "device": device_state(device)}


def _datasets(cfg: CfgNode, trains: Iterable[str]) -> tuple[dict[str, Path], dict[str, Any]]:
    """Folders of the datasets, and what tells the copies apart.

    By the dataset's name: ``split``; ``training`` and ``test``, where the run uses them, with number, bytes and SHA-256
    of the images as :func:`datasets_ext.fingerprint.fingerprint_images` says; ``split_files``, each with the SHA-256
    of its content. Training images are those that a batch can have, so not an identity seen in one modality only.
    """
    roots: dict[str, Path] = {}
    found: dict[str, Any] = {}
    trains = set(trains)
    for name in sorted({*trains, *cfg.DATASETS.TESTS}):
        data = load_dataset(name, cfg.DATASETS.SPLIT, combineall=cfg.DATASETS.COMBINEALL)
        entry: dict[str, Any] = {"split": data.split}
        if name in trains:
            entry["training"] = _images(data, keep_cross_modality(data.train)[0])
        if name in cfg.DATASETS.TESTS:
            entry["test"] = _images(data, [*data.query, *data.gallery])
        entry["split_files"] = {file: file_sha256(data.dataset_root / file) for file in data.split_files}
        roots[name], found[name] = data.dataset_root, entry
    return roots, found


def _images(data: CrossModalityImageDataset, records: Iterable[ImageRecord]) -> dict[str, Any]:
    return fingerprint_images(data.dataset_root, [record[0] for record in records])


def _protocol(protocol: Protocol, folder: Path | None, gallery: str | None) -> dict[str, Any]:
    """The gallery's rule, and the file that decides it with its SHA-256."""
    file = protocol.needed_file(folder, gallery)
    return {"gallery": protocol.rule(gallery), "files": {} if file is None else {file.name: file_sha256(file)}}


def _weights(path: str) -> dict[str, str]:
    return {"path": without_home(path), "sha256": file_sha256(path)}
