"""``innerview doctor``: what a bug report needs."""

from __future__ import annotations

import json

import typer

from innerview.cli import _options as opt

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: opt.AsJson = False) -> None:
    """Versions, device, extras, base models at hand."""
    from innerview.doctor import diagnose, to_text

    found = diagnose()
    typer.echo(json.dumps(found, indent=1) if as_json else to_text(found))
