"""Some cases of a run: those that have something in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from innerview.alignment.cases import read_times
from innerview.errors import RunError
from innerview.explanation._groups import attributes_of, with_value
from innerview.pipeline._stage import digest
from innerview.targets import Case, Target

__all__ = ["Segment"]

_WEEK = re.compile(r"(\d{4})-?W(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Segment:
    """Some cases of a run; by default all.

    Attributes:
        outcome: those for which this comes first.
        part: those that hold this.
        having: ``attribute=value``: those of which at least half of the parts have it; an attribute
            of the catalogue, or of the cases' own marks.
        week: those whose last part came in this ISO week, ``2013-W21``, by universal time.
        ids: a file of case ids, one a line.
    """

    outcome: str | None = None
    part: str | None = None
    having: str | None = None
    week: str | None = None
    ids: Path | None = None

    def key(self) -> str:
        """The same for the same cases; empty where none is left out."""
        if self == Segment():
            return ""
        ids = sorted(_ids_in(self.ids)) if self.ids is not None else None
        return digest([self.outcome, self.part, self.having, self.week, ids])

    def told(self) -> str:
        """Which cases these are, for people."""
        said = {
            "has {!r} first": self.outcome,
            "holds {!r}": self.part,
            "has {} in at least half of its parts": self.having,
            "ends in week {}": self.week,
            "is named in {}": self.ids.name if self.ids is not None else None,
        }
        told = [text.format(value) for text, value in said.items() if value is not None]
        return " and ".join(told) or "has parts to leave out"

    def of(self, run: Path, cases: Sequence[Case], target: Target) -> list[Case]:
        """Those of a run's cases, before the target is asked what comes first.

        Raises:
            CaseError: an id is unknown.
            RunError: the run knows no times or no such attribute, or what is asked for is no week,
                no value of an attribute or no file.
        """
        found = list(cases)
        if self.part is not None:
            target.parts.rows([self.part])
            found = [case for case in found if self.part in case.parts]
        if self.ids is not None:
            ids = _ids_in(self.ids)
            found = [case for case in found if case.case_id in ids]
        if self.having is not None:
            found = _with_half(found, target, self.having)
        if self.week is not None:
            first, last = _seconds_of(self.week)
            times = read_times(run)
            if not times:
                raise RunError(
                    f"{run} does not know when its cases came, nor does what ships with the "
                    "package; make a run from a table with times, or innerview demo --from-scratch"
                )
            found = [case for case in found if first <= times.get(case.case_id, -1) < last]
        return found


def _ids_in(path: Path) -> set[str]:
    """The ids that a file has, one a line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is no readable list of case ids: {error}") from None
    return {line.strip() for line in lines} - {""}


def _with_half(cases: Sequence[Case], target: Target, having: str) -> list[Case]:
    """Those of which at least half of the parts have a value of an attribute."""
    attribute, equals, value = having.partition("=")
    if not (attribute and equals and value):
        raise RunError(f"{having!r} is no attribute with a value; write genre=Horror")
    asked = [case for case in cases if attribute in attributes_of(case, target.parts)]
    if not asked:
        raise RunError(f"no case has parts with an attribute {attribute!r}")
    return [
        case
        for case in asked
        if 2 * len(with_value(case, target.parts, attribute, value)) >= len(set(case.parts))
    ]


def _seconds_of(week: str) -> tuple[int, int]:
    """When an ISO week begins and the next one does, in Unix seconds."""
    told = _WEEK.fullmatch(week)
    try:
        year, number = map(int, told.groups() if told else ("", ""))
        first = datetime.fromisocalendar(year, number, 1).replace(tzinfo=UTC)
    except ValueError:
        raise RunError(f"{week!r} is no week; write 2013-W21") from None
    return int(first.timestamp()), int((first + timedelta(weeks=1)).timestamp())
