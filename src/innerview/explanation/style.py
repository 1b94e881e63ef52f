"""How prose is put: for whom, how long, and what about. The claims beneath do not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from innerview.errors import CaseError

__all__ = ["AUDIENCES", "LENGTHS", "TONES", "Audience", "Length", "Style", "Tone"]

Audience = Literal["support", "customer", "engineer", "auditor"]
Length = Literal["line", "short", "full"]
Tone = Literal["plain", "warm"]

AUDIENCES: tuple[Audience, ...] = get_args(Audience)
LENGTHS: tuple[Length, ...] = get_args(Length)
TONES: tuple[Tone, ...] = get_args(Tone)

_CLAIMS = {"line": 1, "short": 4, "full": 99}


@dataclass(frozen=True, slots=True)
class Style:
    """How claims become prose.

    Attributes:
        audience: ``support``: whoever answers a customer; ranks before and after. ``customer``: no
            ranks and no scores. ``engineer``: ranks and scores. ``auditor``: the same, with the
            type of each claim and the queries that verified it.
        length: ``line``: the outcome and the most telling claim; ``short``: four claims at most,
            one of each type first; ``full``: all that are verified.
        tone: ``warm`` speaks to customers of their own parts, and of who recommends as "we".
        about: an attribute; claims about it come before others, and if none was verified, the
            prose says so.

    Raises:
        CaseError: there is no such audience, length or tone, or the tone is not for that audience.
    """

    audience: Audience = "support"
    length: Length = "short"
    about: str | None = None
    tone: Tone = "plain"

    def __post_init__(self) -> None:
        for name, own, known in (
            ("audience", self.audience, AUDIENCES),
            ("length", self.length, LENGTHS),
            ("tone", self.tone, TONES),
        ):
            if own not in known:
                raise CaseError(f"unknown {name} {own!r}; known: {', '.join(known)}")
        if self.tone == "warm" and self.audience != "customer":
            raise CaseError(f"the warm tone is for customers, not for {self.audience}; use plain")

    @property
    def n_claims(self) -> int:
        """Most claims that prose states."""
        return _CLAIMS[self.length]

    @property
    def ranked(self) -> bool:
        """Whether ranks and tops are told."""
        return self.audience != "customer"
