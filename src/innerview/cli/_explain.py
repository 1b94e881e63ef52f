"""``innerview explain``: one case to stdout, or all test cases into the run folder; and
``innerview chat``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from innerview.cli import _options as opt
from innerview.cli._progress import progress

if TYPE_CHECKING:
    from innerview.explainer import Claiming, Refuted
    from innerview.explanation.explanation import Explanation
    from innerview.explanation.followup import Reply
    from innerview.explanation.style import Style

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)
    app.command()(chat)


def explain(
    *,
    run: opt.Run,
    user: Annotated[str | None, typer.Option(help="One case; without it all test cases.")] = None,
    item: Annotated[
        str | None, typer.Option(help="The outcome to explain; without it the target's first.")
    ] = None,
    refuted: opt.RefutedReasons = "keep",
    claims: opt.Claims = "grounded",
    audience: opt.Audience = "support",
    length: opt.Length = "short",
    about: opt.About = None,
    tone: opt.Tone = "plain",
    as_json: opt.AsJson = False,
) -> None:
    """Explain one case, or all test cases.

    One goes to stdout. All go to a file under explanations/ in the run folder; the same command
    goes on where a killed one stopped.
    """
    from innerview.explanation.style import Style

    how = _How(refuted, claims, Style(audience, length, about, tone))
    if user is not None:
        _explain_one(run, user, item, how, as_json=as_json)
    elif item is not None:
        raise typer.BadParameter("--item needs --user: whose outcome is it?")
    else:
        _explain_all(run, how, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _How:
    """Settings of an ``Explainer``."""

    refuted: Refuted
    claims: Claiming
    style: Style


def _explain_one(run: opt.Run, user: str, item: str | None, how: _How, *, as_json: bool) -> None:
    from innerview.explainer import Explainer

    explainer = Explainer.load(run, refuted=how.refuted, claims=how.claims, style=how.style)
    one = explainer(user, outcome=item)
    typer.echo(json.dumps(one.to_dict(), ensure_ascii=False) if as_json else str(one))


def _explain_all(run: opt.Run, how: _How, *, as_json: bool) -> None:
    from innerview import pipeline
    from innerview.alignment.cases import read_cases

    wanted = [case.case_id for case in read_cases(run).test]
    with progress() as say:
        path = pipeline.explain(
            run, say, case_ids=wanted, refuted=how.refuted, claims=how.claims, style=how.style
        )
    typer.echo(json.dumps({"cases": len(wanted), "file": str(path)}) if as_json else str(path))


def chat(
    run: opt.Run,
    user: Annotated[str, typer.Option(help="Whose outcome is explained.")],
    item: Annotated[
        str | None, typer.Option(help="The outcome to explain; without it the target's first.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Explain one case, then answer questions about it, line by line.

    "What if I had not watched X?", "and with Y?", "why not Z?", "compare it with Z" are asked of
    the target and replayed; anything else the surrogate answers, marked as unchecked. Ends with the
    input.
    """
    from innerview.explainer import Explainer

    def show(one: Explanation | Reply) -> None:
        typer.echo(json.dumps(one.to_dict(), ensure_ascii=False) if as_json else str(one))

    explanation = Explainer.load(run)(user, outcome=item)
    show(explanation)
    for question in _lines():
        show(explanation.ask(question))


def _lines() -> Iterator[str]:
    """Questions from a terminal or a pipe, until they end."""
    asks = sys.stdin.isatty()
    while True:
        if asks:
            typer.echo("> ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line or line.strip() in ("quit", "exit"):
            return
        if line.strip():
            yield line.strip()
