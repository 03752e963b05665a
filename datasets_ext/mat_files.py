"""Variables of MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .errors import UserError
from .mat_level5 import MatError, NewerMatError, find_variable


def read_variable(path: Path, name: str, advice: str) -> NDArray[Any]:
    """The array ``name`` of a MATLAB file of version 5 to 7: numbers, or cells of them as objects.

    Raises:
        UserError: the file is damaged, of another version, or has no such array; it ends with ``advice``.
    """
    try:
        array = find_variable(path.read_bytes(), name)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {advice}") from None
    except NewerMatError:
        raise UserError(f"{path} is a MATLAB file of version 7.3: save it again with save(..., '-v7')") from None
    except MatError as error:
        raise UserError(f"{path} cannot be read as a MATLAB file ({error}); {advice}") from None
    if array is None:
        raise UserError(f"{path} has no array named {name}; {advice}")
    return array
