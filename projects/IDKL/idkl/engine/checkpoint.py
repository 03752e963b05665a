"""Checkpoints: written whole or not at all, read safely, refused when they do not fit."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO

import torch
from fastreid.utils.checkpoint import Checkpointer
from torch import Tensor, nn

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

from ..modeling.weights import read_torch_file
from .trained_on import TRAINED_ON, TrainingData

# The classifier weights of IDKL's and of fast-reid's head: their rows are the training identities.
CLASSIFIERS = ("heads.shared.weight", "heads.weight")
# Others that tell a size: the purifier's first mask layer, and the modality classifiers of three layers.
MASK = "heads.purifier.mask_enhance.0.weight"
MODALITY_CLASSIFIERS = ("heads.discriminators.4", "heads.confusers.4")


class SafeCheckpointer(Checkpointer):
    """fast-reid's checkpointer with atomic files, safe reading, and no silent mismatch.

    Files and the ``last_checkpoint`` pointer keep fast-reid's names and format; one entry more says what the model was
    trained on.

    Args:
        training: this run's data, and that of the checkpoint that it starts from as soon as one is loaded.
    """

    def __init__(
        self, model: nn.Module, save_dir: str, training: TrainingData, *, save_to_disk: bool = True, **states: Any
    ) -> None:
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **states)
        self._training = training

    def save(self, name: str, **extra: Any) -> None:
        """Write ``<save_dir>/<name>.pth`` with model, optimizer, schedulers and ``extra``, then point to it."""
        if not self.save_to_disk:
            return
        states = {key: checkpointable.state_dict() for key, checkpointable in self.checkpointables.items()}
        path = Path(self.save_dir) / f"{name}.pth"
        data = {"model": self.model.state_dict(), **states, **extra, TRAINED_ON: self._training.entries}
        write_atomically(path, lambda file: _save(data, file))
        self.logger.info("Saved checkpoint %s", path)
        self.tag_last_checkpoint(path.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        pointer = Path(self.save_dir) / "last_checkpoint"
        write_atomically(pointer, lambda file: file.write(last_filename_basename.encode()))

    def get_checkpoint_file(self) -> str:
        pointer = Path(self.save_dir) / "last_checkpoint"
        name = pointer.read_text(encoding="utf-8").strip()
        if not name:
            raise UserError(f"{pointer} is empty: write the name of a checkpoint of that folder into it, or delete it")
        return os.path.join(self.save_dir, name)

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict[str, Any]:
        if path and not os.path.isfile(path):
            raise UserError(f"checkpoint {path} is missing: check MODEL.WEIGHTS, or last_checkpoint in the run folder")
        try:
            return super().load(path, checkpointables)
        except (KeyError, ValueError) as error:  # states of another optimizer or scheduler
            raise UserError(f"checkpoint {path} does not fit this run's optimizer or schedule ({error})") from None

    def _load_file(self, f: str) -> dict[str, Any]:
        checkpoint = read_checkpoint(f)
        self._training.start_from(checkpoint, f)
        return checkpoint

    def _load_model(self, checkpoint: dict[str, Any]) -> None:
        load_weights(self.model, checkpoint.pop("model"))


def _save(data: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(data, file)
    except RuntimeError as error:  # so torch reports a full disk
        raise OSError(errno.EIO, str(error).splitlines()[0]) from error


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint as a dict with ``"model"``, a state dict; a bare state dict is taken as one.

    Nothing but tensors and plain values is unpickled.

    Raises:
        UserError: the file is missing, truncated or no checkpoint.
    """
    checkpoint = read_torch_file(path, "checkpoint")
    if isinstance(checkpoint, dict) and "model" not in checkpoint:
        checkpoint = {"model": checkpoint}
    weights = checkpoint["model"] if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict) or not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"checkpoint {path} holds no state dict of tensors under 'model': take another one")
    checkpoint["model"] = {name.removeprefix("module."): value for name, value in weights.items()}
    return checkpoint


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load a state dict that must fit the model name by name and shape by shape.

    Raises:
        UserError: says how many parameters are missing, unknown or of another shape, and names the first.
    """
    own = model.state_dict()
    missing = sorted(own.keys() - weights.keys())
    unknown = sorted(weights.keys() - own.keys())
    odd = sorted(name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape)
    if missing or unknown or odd:
        raise UserError(
            f"the checkpoint does not fit the model: {len(missing)} parameters missing, {len(unknown)} unknown, "
            f"{len(odd)} of another shape (first: {[*missing, *odd, *unknown][0]}); use the config it was trained with"
        )
    model.load_state_dict(weights)


def count_classes(weights: dict[str, Tensor]) -> int:
    """Training identities of a checkpoint: the rows of its classifier; 0 when it has none of a known name."""
    return next((len(weights[name]) for name in CLASSIFIERS if name in weights), 0)


def sizes_of(weights: dict[str, Tensor]) -> list[Any]:
    """The sizes that a checkpoint decides by itself, whatever the config says: KEY, VALUE, KEY, VALUE, ..."""
    sizes: list[Any] = ["MODEL.HEADS.NUM_CLASSES", count_classes(weights)]
    if MASK in weights:
        hidden, channels = weights[MASK].shape[:2]
        sizes += ["MODEL.IDKL.PURIFIER_REDUCTION", channels // hidden]
    for classifiers in MODALITY_CLASSIFIERS:
        if f"{classifiers}.fc1.weight" in weights and f"{classifiers}.fc2.weight" in weights:
            layers = tuple(len(weights[f"{classifiers}.{layer}.weight"]) for layer in ("fc1", "fc2"))
            sizes += ["MODEL.IDKL.MODALITY.HIDDEN", layers]
    return sizes
