from __future__ import annotations

import subprocess
import sys
from subprocess import PIPE

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


def test_a_reader_that_has_gone_is_no_error() -> None:
    program = "from datasets_ext.errors import run_program\nrun_program(lambda: [print('line') for _ in range(100000)])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "line\n"
        process.stdout.close()
        process.wait(60)
        assert process.returncode == 141 and process.stderr is not None and process.stderr.read() == ""


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_program(lambda: raises(ZeroDivisionError()))
