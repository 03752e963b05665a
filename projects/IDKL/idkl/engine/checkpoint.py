"""The checkpoints of a run: written whole or not at all, and the last good one is never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastreid.utils.checkpoint import Checkpointer
from torch import nn

from datasets_ext.errors import UserError
from datasets_ext.files import write_atomically

from ..modeling.weights import DamagedFileError
from .checkpoint_file import newest_sound, read_checkpoint, run_checkpoints, write_checkpoint
from .load_weights import load_weights, start_from_weights
from .trained_on import TRAINED_ON, TrainingData

POINTER = "last_checkpoint"
# What a checkpoint must say for a run to go on from it.
PROGRESS = ("epoch", "iteration", "iters_per_epoch", "seed", "random_states", "history", "written", "skipped", "best")


class SafeCheckpointer(Checkpointer):
    """fast-reid's checkpointer with atomic files, safe reading, and no silent mismatch.

    Files and the ``last_checkpoint`` pointer keep fast-reid's names and format; besides the run's progress, an entry
    more says what the model was trained on.

    Args:
        training: this run's data, and that of the checkpoint that it starts from as soon as one is loaded.
    """

    def __init__(
        self, model: nn.Module, save_dir: str, training: TrainingData, *, save_to_disk: bool = True, **states: Any
    ) -> None:
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **states)
        self._training = training

    def save(self, name: str, *, tag: bool = True, **extra: Any) -> None:
        """Write ``<save_dir>/<name>.pth`` with model, optimizer, schedulers and ``extra``.

        Args:
            tag: point to it, as the one to go on from.
        """
        if not self.save_to_disk:
            return
        states = {key: checkpointable.state_dict() for key, checkpointable in self.checkpointables.items()}
        path = Path(self.save_dir) / f"{name}.pth"
        write_checkpoint(
            path, {"model": self.model.state_dict(), **states, **extra, TRAINED_ON: self._training.entries}
        )
        self.logger.info("Saved checkpoint %s", path)
        if tag:
            self.tag_last_checkpoint(path.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        pointer = Path(self.save_dir) / POINTER
        write_atomically(pointer, lambda file: file.write(last_filename_basename.encode()))

    def has_checkpoint(self) -> bool:
        return has_run(Path(self.save_dir))

    def get_checkpoint_file(self) -> str:
        """The checkpoint that the pointer names, or, where that is gone, the newest sound one.

        Raises:
            UserError: there is none.
        """
        folder = Path(self.save_dir)
        pointer = folder / POINTER
        name = pointer.read_text(encoding="utf-8", errors="replace").strip() if pointer.is_file() else ""
        if name and "\0" not in name and Path(name).name == name and (folder / name).is_file():
            return str(folder / name)
        sound = newest_sound(folder)
        if sound is None:
            raise UserError(
                f"{pointer} names no checkpoint of that folder, and it holds no sound one to go on from: choose "
                "another OUTPUT_DIR to begin anew"
            )
        path, iteration = sound
        self.logger.warning("%s names no checkpoint of that folder: taking %s, iteration %d", pointer, path, iteration)
        return str(path)

    def resume(self) -> dict[str, Any]:
        """Load model, optimizer and schedules from the run folder's last checkpoint.

        Returns:
            Where the run was: the entries of :data:`PROGRESS`.

        Raises:
            UserError: the checkpoint is damaged (then another one that is sound is named), does not fit, or is not one
                to go on from.
        """
        path = self.get_checkpoint_file()
        try:
            checkpoint = self._load_file(path)
        except DamagedFileError as error:
            raise UserError(f"{error}{_offer(Path(path))}") from None
        if unknown := [key for key in (*PROGRESS, *self.checkpointables) if key not in checkpoint]:
            raise UserError(
                f"checkpoint {path} does not say how far its run was (no {', '.join(unknown)}): start from its weights "
                "with MODEL.WEIGHTS in a new OUTPUT_DIR instead"
            )
        load_weights(self.model, checkpoint["model"])
        for key, checkpointable in self.checkpointables.items():
            try:
                checkpointable.load_state_dict(checkpoint[key])
            except (KeyError, ValueError, AttributeError, TypeError, IndexError) as error:  # of another kind
                raise UserError(f"checkpoint {path} does not fit this run's {key} ({error})") from None
        self.logger.info("Loaded checkpoint %s", path)
        return {key: checkpoint[key] for key in PROGRESS}

    def start_from(self, path: str) -> None:
        """Begin a run with the weights of a checkpoint of any run or program; "": none.

        Raises:
            UserError: it is missing, damaged, trained on another split, or its backbone does not fit.
        """
        if path:
            start_from_weights(self.model, self._load_file(path)["model"], path)

    def _load_file(self, f: str) -> dict[str, Any]:
        checkpoint = read_checkpoint(f)
        self._training.start_from(checkpoint, f)
        return checkpoint

    def _load_model(self, checkpoint: dict[str, Any]) -> None:
        load_weights(self.model, checkpoint.pop("model"))


def has_run(folder: Path) -> bool:
    """Whether a folder holds a run that can be gone on with."""
    return (folder / POINTER).exists() or bool(run_checkpoints(folder))


def _offer(damaged: Path) -> str:
    sound = newest_sound(damaged.parent)
    if sound is None:
        return ""
    path, iteration = sound
    return f"; {path} is sound: delete {damaged.name}, and --resume goes on from there, at iteration {iteration}"
