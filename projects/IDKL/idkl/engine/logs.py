"""Where messages go: short ones to the terminal, everything to ``log.txt``."""

from __future__ import annotations

import logging
import sys

from fastreid.utils.logger import setup_logger

from datasets_ext.errors import UserError

from .group import is_lost_process

LOGGERS = [logging.getLogger(name) for name in ("fastreid", "idkl", "datasets_ext")]


def start_logging(output_dir: str, rank: int) -> None:
    """Send the messages of fast-reid and ours to stdout (the main process's, INFO and up) and to ``log.txt`` (all)."""
    setup_logger.cache_clear()  # a second run of the same process must not write into the first one's file
    for logger in LOGGERS:
        logger.handlers.clear()
        setup_logger(output_dir, distributed_rank=rank, name=logger.name, color=sys.stdout.isatty())
        for handler in logger.handlers:
            if getattr(handler, "stream", None) is sys.stdout:
                handler.setLevel(logging.INFO)


def is_defect(error: BaseException) -> bool:
    """Whether an exception is a defect of the program, whose traceback the log needs. A user's mistake, and that
    another process is gone, is said once, in one line, by the program."""
    return not (isinstance(error, UserError) or is_lost_process(error))
