"""What drives a target's answers over many cases: verified claims, counted.

An explanation says why one case got its outcome; this says which parts, and which values of which
attributes, decide for how many.

Axes: N cases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.explanation._groups import shared_values
from innerview.explanation.claims import CheckedClaim
from innerview.targets.protocol import Case, Target

__all__ = ["GroupDriver", "OutcomeDrivers", "Overview", "PartDriver", "Told", "overview"]

_PARTS_OF_AN_OUTCOME = 3


@dataclass(frozen=True, slots=True)
class Told:
    """One case, what the target puts first for it, and the claims about that."""

    case: Case
    outcome: str
    claims: Sequence[CheckedClaim]


@dataclass(frozen=True, slots=True)
class PartDriver:
    """A part, over all cases.

    Attributes:
        present: cases that hold it.
        strongest: of those, in which no part carries more of the score.
        decides: of those, in which the outcome loses its place without it, alone or with others.
    """

    part: str
    title: str
    present: int
    strongest: int
    decides: int


@dataclass(frozen=True, slots=True)
class GroupDriver:
    """A value of an attribute, over all cases.

    Attributes:
        present: cases of which some parts carry it, two at least, and not all.
        speaks_for, speaks_against: of those, in which its parts raise or lower the outcome beyond
            as many others, and no value does so more.
    """

    attribute: str
    value: str
    present: int
    speaks_for: int
    speaks_against: int


@dataclass(frozen=True, slots=True)
class OutcomeDrivers:
    """An outcome, the cases it comes first for, and the parts that decide most often for it."""

    outcome: str
    title: str
    cases: int
    parts: tuple[tuple[str, str, int], ...]
    """Id, title, and in how many of the cases."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What drives the answers to some cases.

    Attributes:
        figures: ``one_part``, ``several_parts``, ``no_part``: shares of cases in which first place
            hangs on one part, on some together, on none alone; ``enough``: how many parts keep the
            outcome near the top by themselves, a mean.
        few_parts, many_parts: the same of the cases with the fewest parts, a quarter, and the rest.
        parts: those that decide most often first.
        groups: those that speak most often first, for or against.
        outcomes: those that come first most often first.
    """

    n_cases: int
    figures: Mapping[str, Figure]
    few_parts: Mapping[str, Figure]
    many_parts: Mapping[str, Figure]
    parts: tuple[PartDriver, ...]
    groups: tuple[GroupDriver, ...]
    outcomes: tuple[OutcomeDrivers, ...]

    def to_dict(self) -> dict[str, Any]:
        """The wire form: one JSON object."""
        told = asdict(self)
        for name in ("figures", "few_parts", "many_parts"):
            told[name] = {key: f.to_dict() for key, f in getattr(self, name).items()}
        return told


def overview(told: Sequence[Told], target: Target, *, seed: int = 0) -> Overview:
    """Count what was verified.

    Args:
        told: N cases with their claims; refuted and untestable ones do not count.
        target: whose catalogues name things.
        seed: of the intervals.

    Raises:
        RecordError: there is no case.
    """
    told = [Told(t.case, t.outcome, [c for c in t.claims if c.verdict == "verified"]) for t in told]
    by_length = sorted(told, key=lambda t: (len(t.case.parts), t.case.case_id))
    few = max(1, len(told) // 4)
    return Overview(
        n_cases=len(told),
        figures=_figures(told, seed),
        few_parts=_figures(by_length[:few], seed),
        many_parts=_figures(by_length[few:], seed) if by_length[few:] else {},
        parts=_parts(told, target),
        groups=_groups(told, target),
        outcomes=_outcomes(told, target),
    )


def _figures(told: Sequence[Told], seed: int) -> dict[str, Figure]:
    names = [t.case.case_id for t in told]
    sizes = [len(_named(t, "NECESSARY")) for t in told]
    kinds = {
        "one_part": [float(n == 1) for n in sizes],
        "several_parts": [float(n > 1) for n in sizes],
        "no_part": [float(any(c.claim.type == "UNDECIDED" for c in t.claims)) for t in told],
    }
    figures = {name: bootstrap_mean(own, names, seed=seed) for name, own in kinds.items()}
    enough = [(len(own), t.case.case_id) for t in told if (own := _named(t, "SUFFICIENT"))]
    if enough:
        figures["enough"] = bootstrap_mean(
            [n for n, _ in enough], [c for _, c in enough], seed=seed
        )
    return figures


def _named(told: Told, kind: str) -> set[str]:
    return {part for c in told.claims if c.claim.type == kind for part in c.claim.parts}


def _parts(told: Sequence[Told], target: Target) -> tuple[PartDriver, ...]:
    present = Counter(part for t in told for part in set(t.case.parts))
    strongest = Counter(
        c.claim.parts[0]
        for t in told
        for c in t.claims
        if c.claim.type == "EVIDENCE" and c.claim.number("rank") == 1
    )
    decides = Counter(part for t in told for part in _named(t, "NECESSARY"))
    found = [
        PartDriver(part, target.parts.title(part), n, strongest[part], decides[part])
        for part, n in present.items()
    ]
    return tuple(sorted(found, key=lambda d: (-d.decides, -d.strongest, d.present, d.part)))


def _groups(told: Sequence[Told], target: Target) -> tuple[GroupDriver, ...]:
    speaks: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for t in told:
        for c in t.claims:
            if c.claim.type == "ATTRIBUTE":
                stated = c.claim.stated
                key = (str(stated["attribute"]), str(stated["value"]))
                speaks[str(stated["direction"])][key] += 1
    keys = set(speaks["for"]) | set(speaks["against"])
    present = Counter(
        (group.attribute, group.value)
        for t in told
        for group in shared_values(t.case, target.parts)
    )
    found = [
        GroupDriver(*key, present[key], speaks["for"][key], speaks["against"][key]) for key in keys
    ]
    return tuple(
        sorted(
            found,
            key=lambda d: (-d.speaks_for - d.speaks_against, d.present, d.attribute, d.value),
        )
    )


def _outcomes(told: Sequence[Told], target: Target) -> tuple[OutcomeDrivers, ...]:
    cases = Counter(t.outcome for t in told)
    decides: dict[str, Counter[str]] = defaultdict(Counter)
    for t in told:
        decides[t.outcome].update(_named(t, "NECESSARY"))
    return tuple(
        OutcomeDrivers(
            outcome,
            target.outcomes.title(outcome),
            n,
            tuple(
                (part, target.parts.title(part), times)
                for part, times in sorted(decides[outcome].items(), key=lambda p: (-p[1], p[0]))
            )[:_PARTS_OF_AN_OUTCOME],
        )
        for outcome, n in sorted(cases.items(), key=lambda p: (-p[1], p[0]))
    )
