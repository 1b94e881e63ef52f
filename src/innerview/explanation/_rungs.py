"""The rungs of a ladder of ranks: where an outcome stands once something of its case is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from innerview.explanation.explanation import Explanation

__all__ = ["short", "without_and_with_only", "without_each"]

_LONGEST_LABEL = 40

Rung = tuple[str, int]
"""What is changed, and the rank then."""


def without_each(explanation: Explanation) -> list[Rung]:
    """Without each part that could be left out; the worst rank last."""
    effects = explanation.evidence.leave_out if explanation.evidence else ()
    found = [
        (f"without {short(explanation.title(effect.part))}", effect.rank_after)
        for effect in effects
        if effect.rank_after is not None
    ]
    return sorted(found, key=lambda rung: rung[1])


def without_and_with_only(explanation: Explanation) -> list[Rung]:
    """Without the decisive set, where it is more than one part; with only the sufficient one."""
    evidence = explanation.evidence
    if evidence is None:
        return []
    found: list[Rung] = []
    for words, chosen in (("without", evidence.necessary), ("only", evidence.keep_only)):
        if chosen is not None and (words == "only" or len(chosen.parts) > 1):
            first = short(explanation.title(chosen.parts[0]))
            more = f" and {len(chosen.parts) - 1} more" if len(chosen.parts) > 1 else ""
            found.append((f"{words} {first}{more}", chosen.rank_after))
    return found


def short(title: str) -> str:
    """A title that fits beside a picture."""
    return title if len(title) <= _LONGEST_LABEL else title[: _LONGEST_LABEL - 1] + "…"
