from __future__ import annotations

import pytest

from datasets_ext.errors import UserError, run_program


def raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [(UserError("the file is gone"), 2, "error: the file is gone\n"), (KeyboardInterrupt(), 130, "interrupted\n")],
)
def test_one_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_program(lambda: raises(error))
    assert ended.value.code == status and capsys.readouterr().err == line


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_program(lambda: raises(ZeroDivisionError()))
