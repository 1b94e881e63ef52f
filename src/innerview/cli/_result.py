"""What a finished run says on stdout: where its files are, and one explanation as an example."""

from __future__ import annotations

import json
from pathlib import Path

import typer

__all__ = ["show_fidelity", "show_run"]

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


def show_fidelity(path: Path) -> None:
    """The skill of every explainer, one line each, and where the figures are."""
    from innerview.evaluation.results import read_metrics

    tree = read_metrics(path)["fidelity"]
    measures = [m for m in next(iter(tree.values())) if m.endswith("_skill")]
    heads = [m.removesuffix("_skill").replace("_", " ") for m in measures]
    title = "skill of the order"
    width = max(map(len, [title, *tree]))
    typer.echo(" ".join([f"{title:<{width}}", *(f"{head:>14}" for head in heads)]))
    for name, own in tree.items():
        cells = [f"{own[m].value:14.2f}" if m in own else f"{'–':>14}" for m in measures]
        typer.echo(" ".join([f"{name.replace('_', ' '):<{width}}", *cells]))
    typer.echo(str(path))
