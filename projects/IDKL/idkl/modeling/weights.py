"""Reading a file of weights."""

from __future__ import annotations

from typing import Any

import torch

from datasets_ext.errors import UserError


def read_torch_file(path: str, kind: str) -> Any:
    """What a file saved by torch holds, on the CPU. Nothing but tensors and plain values is unpickled.

    Args:
        path: the file.
        kind: what it is called in an error, such as "checkpoint".

    Raises:
        UserError: the file is missing, truncated, or not such a file.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{kind} {path} is missing: check the path") from None
    except Exception as error:  # a damaged file makes the unpickler fail in any way
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise UserError(f"{kind} {path} is truncated or no such file ({reason[:120]}): take another one") from None
