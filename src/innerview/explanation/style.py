"""How prose is put: for whom, how long, and what about. The claims beneath do not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from innerview.errors import CaseError

__all__ = ["AUDIENCES", "LENGTHS", "Audience", "Length", "Style"]

Audience = Literal["support", "customer", "engineer", "auditor"]
Length = Literal["line", "short", "full"]

AUDIENCES: tuple[Audience, ...] = get_args(Audience)
LENGTHS: tuple[Length, ...] = get_args(Length)

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
        about: an attribute; claims about it come before others, and if none was verified, the
            prose says so.

    Raises:
        CaseError: there is no such audience or length.
    """

    audience: Audience = "support"
    length: Length = "short"
    about: str | None = None

    def __post_init__(self) -> None:
        for name, own, known in (
            ("audience", self.audience, AUDIENCES), ("length", self.length, LENGTHS),
        ):  # fmt: skip
            if own not in known:
                raise CaseError(f"unknown {name} {own!r}; known: {', '.join(known)}")

    @property
    def n_claims(self) -> int:
        """Most claims that prose states."""
        return _CLAIMS[self.length]

    @property
    def ranked(self) -> bool:
        """Whether ranks and tops are told."""
        return self.audience != "customer"
