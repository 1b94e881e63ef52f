"""Errors become one line and an exit code; our own mistakes keep their traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from innerview.cli import app
from innerview.cli._app import _Commands
from innerview.errors import DataError, InnerviewError, MissingExtraError, RunError


def _app_that_raises(error: BaseException) -> typer.Typer:
    failing = typer.Typer(cls=_Commands, pretty_exceptions_enable=False)

    @failing.callback()
    def top() -> None: ...

    @failing.command()
    def fail() -> None:
        raise error

    return failing


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("bad", path="a.csv", line=3, column="x"), "a.csv:3: column 'x': bad"),
        (RunError("two\nlines"), "two lines"),
        (MissingExtraError("shap", "plot"), "shap is not installed; it comes with the extra: "),
        (FileNotFoundError(2, "No such file or directory", "x"), "x: No such file or directory"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (OSError("no space"), "no space"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_are_one_line_with_exit_code_2(error: Exception, line: str) -> None:
    result = CliRunner().invoke(_app_that_raises(error), ["fail"])
    assert result.exit_code == 2
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert not result.stdout


def test_every_error_of_the_tree_is_caught() -> None:
    kinds = [InnerviewError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert len(kinds) >= 10
    for kind in kinds:
        if kind is not MissingExtraError:
            result = CliRunner().invoke(_app_that_raises(kind("found; expected; do")), ["fail"])
            assert (result.exit_code, result.stderr) == (2, "found; expected; do\n"), kind


def test_interrupt_ends_with_130() -> None:
    result = CliRunner().invoke(_app_that_raises(KeyboardInterrupt()), ["fail"])
    assert result.exit_code == 130
    assert result.stderr == "interrupted; what is complete is kept\n"


def test_our_own_mistakes_are_not_hidden() -> None:
    result = CliRunner().invoke(_app_that_raises(ZeroDivisionError()), ["fail"])
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize(
    "command",
    [
        ["label", "--run", "{nothing}"],
        ["align", "--run", "{nothing}"],
        ["evaluate", "--run", "{nothing}"],
        ["report", "--run", "{nothing}"],
        ["stability", "--run", "{nothing}"],
        ["explain", "--run", "{nothing}"],
        ["explain", "--run", "{nothing}", "--user", "u"],
        ["target", "check", "{nothing}"],
        ["explain", "--run", "{nothing}", "--item", "i"],
        ["run", "--out", "x"],
        ["nonsense"],
        ["run", "--k-core", "0"],
    ],
    ids=" ".join,
)
def test_commands_without_their_input_end_with_2_and_write_nothing(
    command: list[str], tmp_path: Path
) -> None:
    words = [word.format(nothing=tmp_path / "nothing") for word in command]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.exception
    assert result.stderr
    assert "Traceback" not in result.stderr
    assert not result.stdout
    assert not list(tmp_path.iterdir())


def _shell(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    code = "from innerview.cli import app; app(prog_name='innerview')"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_terminal_without_letters_for_a_title_does_not_end_the_command(tmp_path: Path) -> None:
    path = tmp_path / "ł.csv"
    path.write_text("user_id,item_id,timestamp\nu1,7\n")
    done = _shell("data", "check", "--interactions", str(path), PYTHONIOENCODING="latin-1")
    assert done.returncode == 2
    assert b"\\u0142.csv:2: " in done.stderr
    assert b"Traceback" not in done.stderr


def test_reader_that_has_seen_enough_ends_the_command_quietly() -> None:
    code = (
        "import sys, os; from innerview.cli import app\n"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "app(['data', 'check', '--interactions', sys.argv[1]])"
    )
    table = "src/innerview/data/files/movietweetings/interactions.parquet"
    done = subprocess.run([sys.executable, "-c", code, table], capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
