"""What a finished run says on stdout: where its files are, and one explanation as an example."""

from __future__ import annotations

import json
from pathlib import Path

import typer

__all__ = ["show_run"]

_FILES = {
    "report": "report/index.html",
    "metrics": "report/metrics.json",
    "explanations": "explanations",
    "surrogate": "surrogate",
    "target": "target",
}


def show_run(run: Path, *, as_json: bool = False, example: bool = False) -> None:
    """List what the run folder holds."""
    found = {name: run / file for name, file in _FILES.items() if (run / file).exists()}
    if as_json:
        files = {name: str(path) for name, path in found.items()}
        typer.echo(json.dumps({"run": str(run), "files": files}))
        return
    if example:
        _show_example(run / "explanations")
    for name, path in found.items():
        typer.echo(f"{name:<13}{path}")


def _show_example(folder: Path) -> None:
    """The first of the newest explanations, if there is one."""
    from innerview.explanation.explanation import Explanations

    for shard in sorted(folder.glob("*.jsonl"), key=lambda path: -path.stat().st_mtime):
        for one in Explanations.from_jsonl(shard)[:1]:
            typer.echo(f"{one}\n")
            return
