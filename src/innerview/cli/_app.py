"""The top command: its options, and what becomes of errors."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated, Any, Never

import typer
from typer.core import TyperGroup

from innerview.cli._quiet import quiet
from innerview.errors import InnerviewError

__all__ = ["BAD_INPUT", "INTERRUPTED", "app"]

BAD_INPUT = 2
INTERRUPTED = 130
"""As a shell says it of a program that Ctrl-C ended."""


class _Commands(TyperGroup):
    """Turns errors into one line on stderr and an exit code.

    A file that cannot be read or written is the user's to mend, like any other bad input. All
    other exceptions are our own mistakes and keep their traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except InnerviewError as error:
            _stop(str(error), BAD_INPUT)
        except BrokenPipeError:
            raise  # the reader has seen enough; the caller of this knows how to end quietly
        except OSError as error:
            what = error.strerror or str(error)
            _stop(f"{error.filename}: {what}" if error.filename else what, BAD_INPUT)
        except KeyboardInterrupt:
            _stop("interrupted; what is complete is kept", INTERRUPTED)


def _stop(message: str, code: int) -> Never:
    typer.echo(" ".join(message.split()), err=True)
    raise typer.Exit(code)


app = typer.Typer(
    name="innerview",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"innerview {version('innerview')}")
        raise typer.Exit


@app.callback()
def innerview(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Explain a frozen model, and replay every claim against it.

    Start with: innerview demo
    """
    quiet()
    for stream in (sys.stdout, sys.stderr):
        # A title that the terminal has no letters for must not end a long run.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
