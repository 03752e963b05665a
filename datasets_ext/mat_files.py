"""Variables of MATLAB files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from .errors import UserError


def read_variable(path: Path, name: str, advice: str) -> NDArray[Any]:
    """The array ``name`` of a MATLAB file of version 7 or older.

    Raises:
        UserError: the file is damaged, of version 7.3, or has no such array; it ends with ``advice``.
    """
    try:
        content = scipy.io.loadmat(path, appendmat=False, variable_names=[name])
    except NotImplementedError:
        raise UserError(f"{path} is a MATLAB file of version 7.3: save it again with save(..., '-v7')") from None
    except Exception as error:  # a damaged file makes scipy raise almost anything
        raise UserError(f"{path} cannot be read as a MATLAB file ({type(error).__name__}); {advice}") from error
    if not isinstance(content.get(name), np.ndarray):
        raise UserError(f"{path} has no array named {name}; {advice}")
    return content[name]
