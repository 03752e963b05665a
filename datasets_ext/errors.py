"""The one exception that means "the input is wrong", and how a command-line program ends on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake in what the user gave: a path, a file, a key, a number.

    The message is one line that says what was wrong, where, and what to do. Programs print it without a
    traceback and end with status 2; anything else that is raised is a defect of ours and keeps its traceback.
    """


def run_program(main: Callable[[], None]) -> None:
    """Run ``main()``; on :class:`UserError` print ``error: <message>`` to stderr and exit with status 2.

    Ctrl-C ends with status 130 and a closed pipe with 141, as the shell's own programs do.
    """
    try:
        main()
    except UserError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stdout.flush()
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # who read the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
        sys.exit(141)
