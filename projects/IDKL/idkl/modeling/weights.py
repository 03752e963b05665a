"""Reading a file of weights."""

from __future__ import annotations

import zipfile
from typing import Any

import torch

from datasets_ext.errors import UserError


class DamagedFileError(UserError):
    """A file that was not written whole, was changed afterwards, or is of another kind."""


def read_torch_file(path: str, kind: str) -> Any:
    """What a file saved by torch holds, on the CPU. Nothing but tensors and plain values is unpickled.

    Args:
        path: the file.
        kind: what it is called in an error, such as "checkpoint".

    Raises:
        UserError: the file is missing.
        DamagedFileError: it is truncated, changed, or not such a file.
    """
    try:
        _check_sums(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{kind} {path} is missing: check the path") from None
    except IsADirectoryError:
        raise UserError(f"{kind} {path} is a folder: name the file in it") from None
    except Exception as error:  # a damaged file makes the unpickler fail in any way
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DamagedFileError(
            f"{kind} {path} is truncated, damaged or no such file ({reason[:120]}): take another one"
        ) from None


def _check_sums(path: str) -> None:
    """Compare the checksum of every part, which torch writes and never looks at: it would load flipped bits."""
    if zipfile.is_zipfile(path):  # torch's format since 1.6
        with zipfile.ZipFile(path) as archive:
            if (part := archive.testzip()) is not None:
                raise ValueError(f"the checksum of its part {part} is wrong")
