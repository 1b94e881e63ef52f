"""Explanations as a self-contained page: no script, no outside request, titles escaped.

The card of one explanation is the macro ``card`` of ``_card.html.j2``, with its looks in
``_style.css``; other pages use both by way of ``template_loader`` and ``card_view``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import log
from typing import Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined

from innerview.explanation._rungs import without_and_with_only, without_each
from innerview.explanation.claims import CheckedClaim, said_by
from innerview.explanation.explanation import Explanation, FormAnswer
from innerview.explanation.render import statement
from innerview.explanation.wording import plural

__all__ = ["Bar", "Rung", "card_view", "render_page", "template_loader"]

# Width of a whole bar in SVG units; zero is in the middle.
_BAR = 100.0

# Room for the dots at the ends of a ladder; and how many parts have a rung.
_INSET, _MOST_SINGLES = 2.0, 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from the middle of a box of 100 units: to the right for, to the left against.

    Attributes:
        x, width: in SVG units.
        side: ``for`` or ``against``, a CSS class.
        label: the score carried, signed, for people.
    """

    x: float
    width: float
    side: str
    label: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder of ranks, in a box of 100 units: a line from where the outcome stands
    to where it would stand.

    Attributes:
        x, width, at: of the line, and of its end, in SVG units.
        side: ``for`` where the rank is lost without what is changed, else ``against``.
    """

    label: str
    rank: int
    x: float
    width: float
    at: float
    side: str


def template_loader() -> BaseLoader:
    """Finds ``_card.html.j2`` and ``_style.css`` for pages of other rooms."""
    return PackageLoader("innerview.explanation", "templates")


def render_page(explanations: Sequence[Explanation], *, heading: str = "Explanations") -> str:
    """The page with one card for each explanation."""
    first = explanations[0] if len(explanations) == 1 else None
    if first is not None:
        heading = f"Why {first.title(first.outcome_id)}?"
    cards = [card_view(one) for one in explanations]
    return _environment().get_template("page.html.j2").render(heading=heading, cards=cards)


def card_view(explanation: Explanation) -> dict[str, Any]:
    """Everything the macro ``card`` shows, as text and bars; escaping is the template's."""
    one = explanation
    scale = _scale(one)
    n = len(one.parts)
    return {
        "case_id": one.case_id,
        "outcome": one.title(one.outcome_id),
        "rank": one.rank,
        "score": _number(one.score),
        "decision": one.decision,
        "probability": _percent(one.probability),
        "form": one.form,
        "text": one.text,
        "parts_heading": f"{n} {plural(one.noun, n)}",
        "noun": one.noun,
        "parts": _parts(one),
        "ladder": _ladder(one),
        "claims": [_claim(checked, one, scale) for checked in one.claims],
        "answers": [_answer(form, answer, one) for form, answer in one.answers.items()],
        "provenance": [(key, _plain(value)) for key, value in one.provenance.items()],
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=template_loader(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _scale(one: Explanation) -> float:
    """The largest effect of the card's claims, which fills half a bar."""
    changes = [change for c in one.claims if (change := _lost(c)) is not None]
    return max((abs(change) for change in changes), default=0.0)


def _lost(checked: CheckedClaim) -> float | None:
    """The score change by removing what a claim names; None where it is about keeping."""
    change = checked.measured.get("score_change")
    if checked.claim.type == "SUFFICIENT" or not isinstance(change, int | float):
        return None
    return float(change)


def _bar(change: float | None, scale: float) -> Bar | None:
    """The bar of what is carried: the score lost, so a fall points right."""
    if change is None:
        return None
    width = _BAR / 2 * abs(change) / scale if scale else 0.0
    middle = _BAR / 2
    carried = -change
    return Bar(
        x=round(middle if carried >= 0 else middle - width, 2),
        width=round(width, 2),
        side="for" if carried >= 0 else "against",
        label=_number(carried, signed=True),
    )


def _parts(one: Explanation) -> list[dict[str, Any]]:
    """One entry per part, in the order of the case; bars on the parts' own scale.

    Marked are those that a verified claim names, but for ATTRIBUTE, which names whole groups.
    """
    effects = {e.part: e for e in (one.evidence.leave_out if one.evidence else ())}
    changes = [e.score_change for e in effects.values() if e.score_change is not None]
    scale = max((abs(change) for change in changes), default=0.0)
    telling = [c for c in one.claims if c.verdict == "verified" and c.claim.type != "ATTRIBUTE"]
    cited = {part for checked in telling for part in checked.claim.parts}
    return [
        {
            "title": one.title(part),
            "cited": part in cited,
            "bar": _bar(effects[part].score_change, scale) if part in effects else None,
            "rank_after": effects[part].rank_after if part in effects else None,
        }
        for part in one.parts
    ]


def _ladder(one: Explanation) -> list[Rung]:
    """Ranks as it is, without the parts that cost most, and without and with only what is decisive.

    On a logarithmic scale with the best rank at the left; nothing where nothing moves it.
    """
    worst_first = without_each(one)[: -_MOST_SINGLES - 1 : -1]
    told = [("as it is", one.rank), *worst_first, *without_and_with_only(one)]
    worst = max(rank for _, rank in told)
    if worst == min(rank for _, rank in told):
        return []

    def place(rank: int) -> float:
        return _INSET + (_BAR - 2 * _INSET) * log(rank) / log(worst)

    start = place(one.rank)
    return [
        Rung(
            label=label,
            rank=rank,
            x=round(min(start, place(rank)), 2),
            width=round(abs(place(rank) - start), 2),
            at=round(place(rank), 2),
            side="for" if rank > one.rank else "against",
        )
        for label, rank in told
    ]


def _claim(checked: CheckedClaim, one: Explanation, scale: float) -> dict[str, Any]:
    """A claim as a sentence with its verdict and effect."""
    measured = checked.measured
    titles = {named: one.title(named) for named in checked.claim.named}
    return {
        "type": checked.claim.type,
        "statement": statement(checked.claim, titles, noun=one.noun),
        "verdict": checked.verdict,
        "reason": checked.reason,
        "ranks": (measured["rank_before"], measured["rank_after"])
        if "rank_after" in measured
        else None,
        "bar": _bar(_lost(checked), scale),
        "said_by": said_by(checked.claim.source),
    }


def _answer(form: str, answer: FormAnswer, one: Explanation) -> dict[str, Any]:
    return {
        "form": form,
        "decision": answer.decision,
        "probability": _percent(answer.probability),
        "top": [
            {"title": one.title(outcome), "own": outcome == one.outcome_id}
            for outcome in answer.top
        ],
        "reason": None if answer.reason_part is None else one.title(answer.reason_part),
        "verdict": answer.reason_verdict,
    }


def _number(value: float, *, signed: bool = False) -> str:
    """Three significant digits, with a real minus sign."""
    text = f"{value:+.3g}" if signed else f"{value:.3g}"
    return text.replace("-", "−")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%}"


def _plain(value: object) -> str:
    """A provenance value as one line."""
    structured = isinstance(value, Mapping | list | tuple)
    return json.dumps(value, ensure_ascii=False, default=str) if structured else str(value)
