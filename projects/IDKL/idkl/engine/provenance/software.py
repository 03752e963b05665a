"""What computes: program versions, the code's checkouts and the device, with nothing that names a machine or a user."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import faiss
import fastreid
import numpy as np
import PIL
import scipy
import torch
import torchvision

from .checkout import git_state

_PACKAGE = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str | int | None]:
    """Versions of Python and of what numbers depend on; ``cuda`` and ``cudnn`` are None in a torch without them, and
    ``idkl`` where the code was not installed but found by its path."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pillow": PIL.__version__,
        "faiss": faiss.__version__,
        "fastreid": _fastreid()[0],
        "idkl": _installed("idkl-fastreid"),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def checkouts() -> dict[str, Any]:
    """``git``, the state of this project's checkout (None: installed, see :func:`.checkout.git_state`), and
    ``fastreid``: whether it is a ``source_checkout`` in place of an installed package, and that one's ``git``."""
    is_source = _fastreid()[1]
    return {
        "git": git_state(_PACKAGE),
        "fastreid": {
            "source_checkout": is_source,
            "git": git_state(Path(fastreid.__file__).parent) if is_source else None,
        },
    }


def device_state(device: str) -> dict[str, str | int]:
    """Kind and model of the device, the CPU's instruction set, and the threads of this process.

    Args:
        device: "cpu", "cuda" or one GPU such as "cuda:1".
    """
    is_cuda = torch.device(device).type == "cuda"
    return {
        "name": torch.cuda.get_device_name(device) if is_cuda else f"{platform.machine()} CPU",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def command_line() -> str:
    """This process's command, quoted for a shell: the program by its path in the checkout, the home folder as ``~``."""
    program = Path(sys.argv[0])
    checkout = _PACKAGE.parents[2]
    resolved = program.resolve()
    name = resolved.relative_to(checkout).as_posix() if resolved.is_relative_to(checkout) else program.name
    return " ".join(["python", *(without_home(shlex.quote(word)) for word in (name, *sys.argv[1:]))])


def without_home(text: str) -> str:
    """``text`` with the user's home folder, where a path begins with it, as ``~``."""
    home = os.path.expanduser("~").rstrip("/")
    return re.sub(rf"(?<![\w./~-]){re.escape(home)}(?![\w.-])", "~", text) if home.startswith("/") else text


def _fastreid() -> tuple[str, bool]:
    """fast-reid's version, and whether it is a source checkout: another one than what is installed, if anything is."""
    try:
        installed = metadata.distribution("fastreid")
    except metadata.PackageNotFoundError:
        return fastreid.__version__, True
    place = Path(str(installed.locate_file("fastreid/__init__.py")))
    if place.resolve() == Path(fastreid.__file__).resolve():
        return installed.version, False
    return fastreid.__version__, True


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
