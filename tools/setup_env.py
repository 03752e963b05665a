"""Set up ``.venv`` with the pinned, tested versions; `make setup` runs this.

It needs the standard library only, since it runs before anything is installed. The file ``.venv/set-up.json`` says
what a finished environment was made from: while that matches, nothing is done. An environment that was finished with
other requirements is brought up to date in place; an unfinished or moved one is made again from the start.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "set-up.json"
LOG = ROOT / ".venv-setup.log"
INPUTS = ("pyproject.toml", "requirements.txt", *(f"requirements/{n}.txt" for n in ("pinned", "dev", "fastreid")))

# -I: neither PYTHONPATH nor the user's own packages may stand in for what this environment lacks.
INSTALL = ("-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check")
STEPS = (
    (
        "installing the pinned versions (minutes; about 7 GB where torch brings CUDA)",
        (*INSTALL, "-r", "requirements/pinned.txt", "-r", "requirements/dev.txt"),
    ),
    ("installing fastreid without its own pins", (*INSTALL, "--no-deps", "-r", "requirements/fastreid.txt")),
    (
        "installing idkl and datasets_ext from this folder, editable",
        (*INSTALL, "--no-deps", "--no-build-isolation", "--editable", "."),
    ),
    ("checking that the packages load", ("-I", "-c", "import torch, torchvision, faiss, sklearn, fastreid")),
)

# What a failing program prints, and what that means to the reader. The first match is taken.
REASONS = (
    (r"No space left on device|Errno 28", "the disk is full: free about 12 GB"),
    (r"ensurepip|No module named '?venv", "this Python lacks venv: install it (Debian, Ubuntu: python3-venv)"),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Connection refused",
        "the package index cannot be reached: check the network and pip's proxy settings",
    ),
    (r"Permission denied|Errno 13|Read-only file system", "no permission to write here"),
)


class SetUpError(Exception):
    """Set-up cannot go on; the message is one line for the reader."""


class Clock:
    """Plain progress lines with the seconds since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def say(self, text: str) -> None:
        """Print ``text`` after the elapsed time."""
        print(f"[{time.monotonic() - self.start:4.0f} s] {text}", flush=True)


def wanted_stamp() -> dict[str, str]:
    """What an environment finished now would be made from. The folder counts: an editable install names it."""
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return {"folder": str(ROOT), "inputs": digest.hexdigest(), "python": platform.python_version()}


def read_stamp() -> dict[str, str]:
    """The stamp of the present environment; empty while it is unfinished.

    Raises:
        SetUpError: there is a ``.venv`` that this program did not make, which it will not delete.
    """
    if not STAMP.exists():
        if ENVIRONMENT.exists():
            raise SetUpError(f"{ENVIRONMENT} was not made by `make setup`: move it away, then run this again")
        return {}
    stamp: dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8") or "{}")
    return stamp


def is_usable(stamp: dict[str, str], wanted: dict[str, str], *, python_chosen: bool) -> bool:
    """Whether the present environment can stay: finished, in this folder, of the chosen Python if one was chosen."""
    if stamp.get("folder") != wanted["folder"] or not (ENVIRONMENT / "bin" / "python").exists():
        return False
    return stamp["python"] == wanted["python"] or not python_chosen


def run_step(text: str, command: tuple[str, ...]) -> None:
    """Run ``command`` in the repository, its output appended to the log; a failure becomes one line."""
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"\n== {text}\n")
        log.flush()
        begin = log.tell()
        status = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if status != 0:
        with LOG.open("rb") as log_bytes:
            log_bytes.seek(begin)
            output = log_bytes.read().decode("utf-8", "replace")
        raise SetUpError(f"{text} failed: {explain(output)}; the whole output is in {LOG.name}")


def explain(output: str) -> str:
    """One line for what a failed program printed."""
    for pattern, reason in REASONS:
        if re.search(pattern, output):
            return reason
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["it printed nothing"])[-1]


def create_environment(clock: Clock) -> None:
    """Make an empty ``.venv``, marked as unfinished from its first moment on.

    Raises:
        SetUpError: this Python is too old.
    """
    if sys.version_info < (3, 10):  # noqa: UP036 - `python3` may be older than what the project requires
        version = platform.python_version()
        raise SetUpError(f"{sys.executable} is Python {version}, 3.10 to 3.13 is needed: PYTHON=python3.12 make setup")
    if ENVIRONMENT.exists():
        clock.say("removing the present .venv: it is unfinished, was moved, or is of another Python")
        shutil.rmtree(ENVIRONMENT)
    ENVIRONMENT.mkdir()
    STAMP.touch()
    text = f"creating .venv with Python {platform.python_version()}"
    clock.say(text)
    # The base interpreter: `python3` may be the one of the very .venv that was just removed.
    base = getattr(sys, "_base_executable", sys.executable)
    run_step(text, (base, "-m", "venv", str(ENVIRONMENT)))


def set_up() -> None:
    """Bring ``.venv`` to what the requirement files ask for; at once when it is there already."""
    clock = Clock()
    wanted, stamp = wanted_stamp(), read_stamp()
    usable = is_usable(stamp, wanted, python_chosen="PYTHON" in os.environ)
    if usable and stamp["inputs"] == wanted["inputs"]:
        return
    LOG.write_text("", encoding="utf-8")
    if usable:
        wanted["python"] = stamp["python"]
        STAMP.write_text("", encoding="utf-8")
    else:
        create_environment(clock)
    for text, arguments in STEPS:
        clock.say(text)
        run_step(text, (str(ENVIRONMENT / "bin" / "python"), *arguments))
    STAMP.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    clock.say("set-up is complete: .venv")


if __name__ == "__main__":
    try:
        set_up()
    except (SetUpError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted; `make setup` starts again from the beginning")
