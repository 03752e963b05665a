"""Training and evaluation on fast-reid's trainer, hooks, checkpointer and writers."""

from .setup import load_config, start_run
from .trainer import Trainer

__all__ = ["Trainer", "load_config", "start_run"]
