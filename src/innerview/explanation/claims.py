"""Typed claims about a target: pure values, checkable, with one wire form.

A claim says something that the target itself can contradict. Thresholds that a claim states
travel inside it (``stated``), so a stored claim can be replayed without any settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from innerview.errors import CaseError

__all__ = [
    "CLAIM_TYPES",
    "ONE_PART",
    "RANKS",
    "STATED",
    "CheckedClaim",
    "Claim",
    "ClaimType",
    "Verdict",
    "said_by",
]

ClaimType = Literal[
    "EVIDENCE", "NECESSARY", "SUFFICIENT", "CONTRAST", "ATTRIBUTE", "COUNTERFACTUAL", "SIMILAR",
    "UNDECIDED",
]  # fmt: skip
Verdict = Literal["verified", "refuted", "untestable"]
Value = int | float | str

CLAIM_TYPES: tuple[ClaimType, ...] = (
    "EVIDENCE", "NECESSARY", "SUFFICIENT", "CONTRAST", "ATTRIBUTE", "COUNTERFACTUAL", "SIMILAR",
    "UNDECIDED",
)  # fmt: skip

# What each type must state. EVIDENCE: of all parts, removing this one lowers the outcome's
# score the rank-th most. NECESSARY: without the parts the outcome leaves the top k.
# SUFFICIENT: with only the parts it stays in the top k. CONTRAST: the outcome is ahead of the
# foil, and without the parts behind it. ATTRIBUTE: removing every part with this value moves the
# score (direction "for": down, "against": up) more than removing as many other parts does on
# average. COUNTERFACTUAL: without the parts, and with another added at the end ("added", which may
# be missing where there are parts), the outcome is at that rank. SIMILAR: of all parts, this one's
# vector is the rank-th nearest to the outcome's, by the angle. UNDECIDED: no single part's removal
# takes it out of the top k.
STATED: Mapping[ClaimType, frozenset[str]] = {
    "EVIDENCE": frozenset({"rank"}),
    "NECESSARY": frozenset({"leaves_top"}),
    "SUFFICIENT": frozenset({"stays_in_top"}),
    "CONTRAST": frozenset({"foil"}),
    "ATTRIBUTE": frozenset({"attribute", "value", "direction"}),
    "COUNTERFACTUAL": frozenset({"new_rank"}),
    "SIMILAR": frozenset({"rank"}),
    "UNDECIDED": frozenset({"stays_in_top"}),
}

RANKS = frozenset({"rank", "leaves_top", "stays_in_top", "new_rank"})
ONE_PART = ("EVIDENCE", "SIMILAR")


@dataclass(frozen=True, slots=True)
class Claim:
    """A typed statement about why a target gave an outcome for a case.

    Attributes:
        type: one of ``CLAIM_TYPES``.
        outcome: id of the outcome it is about.
        parts: ids of parts of the case (one for EVIDENCE and SIMILAR; the attribute's parts for
            ATTRIBUTE; those taken away for COUNTERFACTUAL; none for UNDECIDED).
        stated: the type's arguments and thresholds.
        source: who says so: ``evidence`` (read off the target) or ``surrogate_FORM``.

    Raises:
        CaseError: arguments are missing or do not fit the type.
    """

    type: ClaimType
    outcome: str
    parts: tuple[str, ...] = ()
    stated: Mapping[str, Value] = field(default_factory=dict)
    source: str = "evidence"

    def __post_init__(self) -> None:
        if self.type not in STATED:
            raise CaseError(f"unknown claim type {self.type!r}; known: {', '.join(CLAIM_TYPES)}")
        missing = STATED[self.type] - set(self.stated)
        if missing:
            raise CaseError(f"a {self.type} claim must state {', '.join(sorted(missing))}")
        adds = self.type == "COUNTERFACTUAL" and "added" in self.stated
        if bool(self.parts) == (self.type == "UNDECIDED") and not adds:
            raise CaseError(f"a {self.type} claim cannot have {len(self.parts)} parts")
        if self.type in ONE_PART and len(self.parts) != 1:
            raise CaseError(
                f"{self._with_article()} claim is about one part, not {len(self.parts)}"
            )
        if self.stated.get("foil") == self.outcome:
            raise CaseError("a CONTRAST claim's foil is another outcome than its own")
        if len(set(self.parts)) != len(self.parts):
            raise CaseError(f"a {self.type} claim names a part twice")
        for name in ("foil", "added"):
            if name in self.stated and not isinstance(self.stated[name], str):
                raise CaseError(f"a claim's {name} is {self.stated[name]!r}; expected an id")
        if self.stated.get("direction", "for") not in ("for", "against"):
            raise CaseError("an ATTRIBUTE claim's direction is 'for' or 'against'")
        for name in STATED[self.type] & RANKS:
            value = self.stated[name]
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise CaseError(f"a claim's {name} is {value!r}; expected a whole number from 1 up")

    @property
    def named(self) -> tuple[str, ...]:
        """Ids of everything it names beside its outcome: parts, then foil and what is added."""
        others = (self.stated[name] for name in ("foil", "added") if name in self.stated)
        return (*self.parts, *map(str, others))

    def _with_article(self) -> str:
        return f"{'an' if self.type[0] in 'AEIOU' else 'a'} {self.type}"

    def number(self, name: str) -> int:
        """A stated rank or top as a number.

        Raises:
            CaseError: this type states no such number.
        """
        value = self.stated.get(name)
        if not isinstance(value, int):
            raise CaseError(f"a {self.type} claim states no number {name!r}")
        return value


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """A claim with what the target answered when it was replayed.

    Attributes:
        measured: the measured effect: always ``score_change`` and ``rank_after`` where the
            claim was testable, more by type.
        reason: why it is untestable, or which number contradicts it; empty if verified.
        queries: target queries the replay used.
    """

    claim: Claim
    verdict: Verdict
    measured: Mapping[str, Value] = field(default_factory=dict)
    reason: str = ""
    queries: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The wire form: one flat JSON object."""
        return {
            "type": self.claim.type,
            "parts": list(self.claim.parts),
            "outcome": self.claim.outcome,
            "stated": dict(self.claim.stated),
            "source": self.claim.source,
            "measured": dict(self.measured),
            "verdict": self.verdict,
            "reason": self.reason,
            "queries": self.queries,
        }

    @classmethod
    def from_dict(cls, wire: Mapping[str, Any]) -> CheckedClaim:
        """The inverse of ``to_dict``."""
        claim = Claim(
            type=wire["type"],
            outcome=wire["outcome"],
            parts=tuple(wire["parts"]),
            stated=dict(wire["stated"]),
            source=wire.get("source", "evidence"),
        )
        return cls(
            claim=claim,
            verdict=wire["verdict"],
            measured=dict(wire["measured"]),
            reason=wire.get("reason", ""),
            queries=int(wire.get("queries", 0)),
        )


def said_by(source: str) -> str:
    """Who made a claim, for readers; empty for claims that were read off the target."""
    if source == "evidence":
        return ""
    form = source.removeprefix("surrogate_")
    return f"the surrogate ({form}) says"
