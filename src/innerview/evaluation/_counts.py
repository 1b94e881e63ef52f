"""The report's tables of counts as plain values: what drives the answers, and how claims fared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from innerview.evaluation._tables import FORM_NAMES
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.sheets import Sheet
from innerview.explanation.claims import CLAIM_TYPES, Verdict
from innerview.explanation.explanation import Explanation

__all__ = [
    "Drivers",
    "Tally",
    "driver_sheets",
    "driver_tables",
    "verdict_groups",
    "verdict_sheet",
]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often claims of one kind got each verdict."""

    label: str
    verified: int
    refuted: int
    untestable: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.verified + self.refuted + self.untestable

    @property
    def share(self) -> str:
        """Verified among those that could be tested."""
        testable = self.verified + self.refuted
        return f"{self.verified / testable:.0%}" if testable else "–"


@dataclass(frozen=True, slots=True)
class Drivers:
    """What first place hangs on, over many cases, as tables show it.

    Attributes:
        n_cases: how many.
        segment: what they have in common; empty of all cases.
        facts: of which cases, their number, shares lost without one part, without some together and
            without none in percent, and how many parts are enough, a mean.
        parts: title, cases decided alone and with others, cases that hold it, weight, the two
            shares in percent.
        groups: attribute and value, for, against, cases it was tried in, weight, the two shares.
        outcomes: title, cases it comes first for, and what decides most often for it.
    """

    n_cases: int
    segment: str
    facts: tuple[tuple[str, int, float, float, float, str], ...]
    parts: tuple[tuple[str, int, int, int, str, float, float], ...]
    groups: tuple[tuple[str, int, int, int, str, float, float], ...]
    outcomes: tuple[tuple[str, int, str], ...]


_WHOSE: Mapping[str, str] = {
    "figures": "All",
    "few_parts": "Fewest parts",
    "many_parts": "More parts",
    "rare_outcomes": "Outcomes met least",
    "other_outcomes": "Outcomes met more",
}
"""Of which cases there are figures; see ``overview.SLICES``."""
_DRIVEN: Mapping[str, str] = {
    "one_part": "first place is lost without one part",
    "several_parts": "only without some together",
    "no_part": "without none that was tried",
    "enough": "parts that keep it near the top, mean",
}
_DRIVERS = 10
_COUNTED: Mapping[str, Mapping[str, str]] = {
    "parts": {
        "part": "id",
        "title": "part",
        "decides": "decides",
        "helps_decide": "with others",
        "present": "of cases",
        "weight": "weight",
    },
    "groups": {
        "attribute": "attribute",
        "value": "value",
        "speaks_for": "for",
        "speaks_against": "against",
        "tried": "tried in",
        "weight": "weight",
    },
    "outcomes": {"outcome": "id", "title": "outcome", "cases": "first"},
}
"""What files show of what was counted, and under which headings."""


def driver_tables(found: Mapping[str, Any]) -> Drivers:
    """What ``overview`` counted."""
    return Drivers(
        n_cases=found["n_cases"],
        segment=found.get("meta", {}).get("segment") or "",
        facts=tuple(
            (
                label,
                own["one_part"]["n"],
                *(round(100 * own[kind]["value"], 1) for kind in list(_DRIVEN)[:3]),
                f"{own['enough']['value']:.1f}" if "enough" in own else "–",
            )
            for name, label in _WHOSE.items()
            if (own := found.get(name))
        ),
        parts=tuple(
            (
                d["title"],
                d["decides"],
                d["helps_decide"],
                d["present"],
                _one_decimal(d.get("weight")),
                _percent(d["decides"], d["present"]),
                _percent(d["helps_decide"], d["present"]),
            )
            for d in _deciding(found)[:_DRIVERS]
        ),
        groups=tuple(
            (
                f"{d['attribute']} {d['value']}",
                d["speaks_for"],
                d["speaks_against"],
                d["tried"],
                _one_decimal(d.get("weight")),
                _percent(d["speaks_for"], d["tried"]),
                _percent(d["speaks_against"], d["tried"]),
            )
            for d in found["groups"][:_DRIVERS]
        ),
        outcomes=tuple(
            (d["title"], d["cases"], "; ".join(f"{title} ({n})" for _, title, n in d["parts"]))
            for d in found["outcomes"][:_DRIVERS]
        ),
    )


def driver_sheets(overviews: Sequence[Mapping[str, Any]]) -> list[Sheet]:
    """The same for files, with whatever counts and not only what comes first; those of segments
    are numbered."""
    return [
        sheet
        for number, found in enumerate(overviews)
        for sheet in _sheets_of(found, f"drivers{number or ''}")
    ]


def _sheets_of(found: Mapping[str, Any], name: str) -> Iterator[Sheet]:
    segment = found.get("meta", {}).get("segment") or "has parts to leave out"
    facts = [
        (label, own["one_part"]["n"], *(_figure(own.get(kind)) for kind in _DRIVEN))
        for whose, label in _WHOSE.items()
        if (own := found.get(whose))
    ]
    heads = (f"of cases of which each {segment}", "cases", *_DRIVEN.values())
    yield Sheet(name, heads, tuple(facts))
    counted = {**found, "parts": _deciding(found)}
    for what, columns in _COUNTED.items():
        rows = tuple(tuple(d.get(key) for key in columns) for d in counted[what])
        yield Sheet(f"{name}_{what}", tuple(columns.values()), rows)


def _deciding(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts that decide anywhere."""
    return [part for part in found["parts"] if part["decides"] or part["helps_decide"]]


def _figure(wire: dict[str, Any] | None) -> Figure | None:
    return None if wire is None else Figure.from_dict(wire)


def _one_decimal(weight: float | None) -> str:
    """A weight, which older files do not have."""
    return "–" if weight is None else f"{weight:.1f}".replace("-", "−")


def _percent(some: int, of: int) -> float:
    return round(100.0 * some / of, 1) if of else 0.0


def verdict_groups(explanations: Sequence[Explanation]) -> list[tuple[str, list[Tally]]]:
    """Claims by type and verdict: read off the target, made by the surrogate, its one reason."""
    grounded: Counter[tuple[str, Verdict]] = Counter()
    own: Counter[tuple[str, Verdict]] = Counter()
    reasons: Counter[tuple[str, Verdict]] = Counter()
    for one in explanations:
        for checked in one.claims:
            counted = grounded if checked.claim.source == "evidence" else own
            counted[checked.claim.type, checked.verdict] += 1
        for form, answer in one.answers.items():
            if answer.reason_verdict is not None:
                reasons[form, answer.reason_verdict] += 1
    groups = [
        ("Read off the target", _tallies(grounded, CLAIM_TYPES)),
        ("Made by the surrogate", _tallies(own, CLAIM_TYPES)),
        ("The surrogate's one reason, by form", _tallies(reasons, FORM_NAMES)),
    ]
    return [(title, tallies) for title, tallies in groups if tallies]


def verdict_sheet(groups: Iterable[tuple[str, Iterable[Tally]]]) -> Sheet:
    """The same for files."""
    return Sheet(
        "verdicts",
        ("claims", "claim", "verified", "refuted", "untestable"),
        tuple(
            (title, tally.label, tally.verified, tally.refuted, tally.untestable)
            for title, tallies in groups
            for tally in tallies
        ),
    )


def _tallies(counted: Counter[tuple[str, Verdict]], names: Iterable[str]) -> list[Tally]:
    """One tally per name that occurs, and their sum where there is more than one."""
    tallies = [
        Tally(
            FORM_NAMES.get(name, name),
            counted[name, "verified"],
            counted[name, "refuted"],
            counted[name, "untestable"],
        )
        for name in names
    ]
    tallies = [tally for tally in tallies if tally.total]
    if len(tallies) > 1 and set(names) == set(CLAIM_TYPES):
        sums = (sum(t.verified for t in tallies), sum(t.refuted for t in tallies))
        tallies.append(Tally("all", *sums, sum(t.untestable for t in tallies)))
    return tallies
