"""What was measured, as pure values with one wire form. Scores are in the target's units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["AttributeEffect", "Evidence", "PartEffect", "SetEffect"]


@dataclass(frozen=True, slots=True)
class PartEffect:
    """What leaving out one part does; None where that empties the case.

    Attributes:
        part: id of the part.
        score_change: score without it minus score with it; negative: it speaks for the outcome.
        rank_after: rank of the outcome without it.
    """

    part: str
    score_change: float | None
    rank_after: int | None


@dataclass(frozen=True, slots=True)
class SetEffect:
    """What removing several parts, or keeping only them, does to score and rank."""

    parts: tuple[str, ...]
    score_change: float
    rank_after: int


@dataclass(frozen=True, slots=True)
class AttributeEffect:
    """What removing every part with one value of an attribute does, beside as many random others.

    Attributes:
        control_change: mean score change over the random groups.
        control_low, control_high: their least and greatest score change.
    """

    attribute: str
    value: str
    parts: tuple[str, ...]
    score_change: float
    rank_after: int
    control_change: float
    control_low: float
    control_high: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything measured for one case and outcome.

    Attributes:
        score, rank: of the outcome in the whole case; rank 1 is best.
        leaves_top: the top that ``necessary`` takes it out of; None where none can be left.
        stays_in_top: the top that ``keep_only`` keeps it in; None where it would be everything.
        leave_out: one effect per distinct part, in the order of the case.
        removed: effects of removing the strongest 2, 3, … parts together.
        necessary: the smallest set found whose removal takes it out of the top, if any.
        kept: effects of keeping only the strongest 1, 2, 3, … parts.
        keep_only: the smallest of those with which it stays in the top, if any.
        attributes: effects of the attribute values that stand out.
        foil: of an outcome at rank 1, what the target puts first once ``necessary`` is removed.
        queries: cases this needs scored on its own; a batch that shares some scores fewer.
    """

    case_id: str
    parts: tuple[str, ...]
    outcome: str
    score: float
    rank: int
    leaves_top: int | None
    stays_in_top: int | None
    leave_out: tuple[PartEffect, ...]
    removed: tuple[SetEffect, ...]
    necessary: SetEffect | None
    kept: tuple[SetEffect, ...]
    keep_only: SetEffect | None
    attributes: tuple[AttributeEffect, ...]
    queries: int
    foil: str | None = None

    def strongest(self) -> list[PartEffect]:
        """Measured parts, the one whose removal lowers the score most first."""
        measured = [e for e in self.leave_out if e.score_change is not None]
        return sorted(measured, key=lambda e: e.score_change or 0.0)

    def decisive(self) -> set[str]:
        """Measured parts without each of which, alone, the outcome loses its rank."""
        return {
            effect.part
            for effect in self.leave_out
            if effect.rank_after is not None and effect.rank_after > self.rank
        }

    def to_dict(self) -> dict[str, Any]:
        """The wire form: one JSON object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, wire: Mapping[str, Any]) -> Evidence:
        """The inverse of ``to_dict``, also after a journey through JSON."""

        def sets(items: Any) -> tuple[SetEffect, ...]:
            return tuple(SetEffect(**_tupled(item)) for item in items if item is not None)

        return cls(
            **{
                **wire,
                "parts": tuple(wire["parts"]),
                "leave_out": tuple(PartEffect(**effect) for effect in wire["leave_out"]),
                "removed": sets(wire["removed"]),
                "necessary": next(iter(sets([wire["necessary"]])), None),
                "kept": sets(wire["kept"]),
                "keep_only": next(iter(sets([wire["keep_only"]])), None),
                "attributes": tuple(AttributeEffect(**_tupled(a)) for a in wire["attributes"]),
            }
        )


def _tupled(wire: Mapping[str, Any]) -> dict[str, Any]:
    """The same object with its list of parts as a tuple again."""
    return {**wire, "parts": tuple(wire["parts"])}
