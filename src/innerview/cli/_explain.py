"""``innerview explain``: one case to stdout, or all test cases into the run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from innerview.cli import _options as opt
from innerview.cli._progress import Say, Step, progress
from innerview.errors import RunError

if TYPE_CHECKING:
    from innerview.explainer import Explainer

__all__ = ["add_to"]

SHARD = 16
"""Cases explained between two files: what a killed command loses at most."""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    run: opt.Run,
    user: Annotated[str | None, typer.Option(help="One case; without it all test cases.")] = None,
    item: Annotated[
        str | None, typer.Option(help="The outcome to explain; without it the target's first.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Explain one case, or all test cases.

    One goes to stdout, all go to explanations/*.jsonl in the run folder; cases that a file there
    already holds are not explained again.
    """
    if user is None and item is not None:
        raise typer.BadParameter("--item needs --user: whose outcome is it?")
    from innerview.explainer import Explainer

    explainer = Explainer.load(run)
    if user is not None:
        one = explainer(user, outcome=item)
        typer.echo(json.dumps(one.to_dict(), ensure_ascii=False) if as_json else str(one))
        return
    from innerview.alignment.cases import read_cases

    folder = run / "explanations"
    wanted = [case.case_id for case in read_cases(run).test]
    with progress() as say:
        kept, made = explain_all(explainer, wanted, folder, say)
    if as_json:
        typer.echo(json.dumps({"explanations": str(folder), "kept": kept, "made": made}))
    else:
        typer.echo(f"{folder}: {made} cases explained, {kept} were there already")


def explain_all(
    explainer: Explainer, wanted: Sequence[str], folder: Path, say: Say
) -> tuple[int, int]:
    """Explain every wanted case that no file in the folder holds.

    Returns:
        How many were there already, and how many were made.
    """
    done = explained(folder)
    missing = [case_id for case_id in wanted if case_id not in done]
    kept = len(wanted) - len(missing)
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(missing), SHARD):
        say(Step("explain", f"case {start + 1} of {len(missing)}", start / len(missing)))
        shard = explainer(missing[start : start + SHARD])
        path = _next_free(folder)
        part = path.with_name(f".{path.name}.part")
        shard.to_jsonl(part)
        part.replace(path)
    say(Step("explain", f"{len(missing)} cases explained", 1.0))
    return kept, len(missing)


def explained(folder: Path) -> set[str]:
    """The cases that files in a folder hold.

    Raises:
        RunError: a line is no explanation; says which.
    """
    cases: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        # Split on line feeds only: titles may hold U+2028, which splitlines takes for a break.
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if line.strip():
                cases.add(_case_of(line, path, number))
    return cases


def _case_of(line: bytes, path: Path, number: int) -> str:
    try:
        return str(json.loads(line)["case_id"])
    except (ValueError, KeyError, TypeError):
        raise RunError(
            f"{path}:{number}: not an explanation; remove this file, and its cases are made again"
        ) from None


def _next_free(folder: Path) -> Path:
    taken = {path.name for path in folder.glob("*.jsonl")}
    number = len(taken)
    while f"shard-{number:05d}.jsonl" in taken:
        number += 1
    return folder / f"shard-{number:05d}.jsonl"
