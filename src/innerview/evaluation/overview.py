"""What drives a target's answers over many cases: what was measured of each, counted.

An explanation says why one case got its outcome; this says which parts, and which values of which
attributes, decide for how many.

Axes: N cases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.explanation.claims import CheckedClaim
from innerview.explanation.evidence import Evidence
from innerview.targets.protocol import Case, Target

__all__ = [
    "SLICES",
    "GroupDriver",
    "OutcomeDrivers",
    "Overview",
    "PartDriver",
    "Told",
    "overview",
]

SLICES = ("figures", "few_parts", "many_parts", "rare_outcomes", "other_outcomes")
"""Of which cases there are figures: all, and some apart."""
_PARTS_OF_AN_OUTCOME = 3

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Told:
    """One case, what was measured of what the target puts first for it, and the claims made."""

    case: Case
    evidence: Evidence
    claims: Sequence[CheckedClaim]

    @property
    def together(self) -> set[str]:
        """Where no part decides alone, the set found without which the outcome is not first."""
        if (
            self.evidence.decisive()
            or self.evidence.necessary is None
            or self.evidence.leaves_top != 1
        ):
            return set()
        return set(self.evidence.necessary.parts)

    @property
    def carried(self) -> float:
        """What the parts that speak for the outcome carry of its score, all of them together."""
        changes = (effect.score_change or 0.0 for effect in self.evidence.leave_out)
        return -sum(change for change in changes if change < 0)

    def part_weights(self) -> Mapping[str, float]:
        """The parts of which a verified claim says how strong they are, with their shares of what
        is carried."""
        changes = {e.part: e.score_change or 0.0 for e in self.evidence.leave_out}
        named = [p for c in self.claims if c.claim.type == "EVIDENCE" for p in c.claim.parts]
        return {part: -changes[part] / self.carried for part in named if self.carried}

    def group_weights(self) -> Mapping[tuple[str, str], float]:
        """The values of attributes that a verified claim is about, with what their parts do beyond
        as many others, as a share of what is carried; below 0 where they speak against."""
        beyond = {
            (a.attribute, a.value): a.control_change - a.score_change
            for a in self.evidence.attributes
        }
        stated = [c.claim.stated for c in self.claims if c.claim.type == "ATTRIBUTE"]
        keys = [(str(own["attribute"]), str(own["value"])) for own in stated]
        return {key: beyond[key] / self.carried for key in keys if self.carried and key in beyond}


@dataclass(frozen=True, slots=True)
class PartDriver:
    """A part, over all cases.

    Attributes:
        present: cases that hold it.
        strongest: of those, in which it carries most of the score; of several that do, the first.
        decides: of those, in which the outcome is no longer first without it alone.
        helps_decide: of those, in which none decides alone, and it is in a set that does; some of
            such a set may be idle, as it is found greedily.
        weight: of verified claims about its strength, each counted by the share of the case's
            score that the part carries.
    """

    part: str
    title: str
    present: int
    strongest: int
    decides: int
    helps_decide: int
    weight: float


@dataclass(frozen=True, slots=True)
class GroupDriver:
    """A value of an attribute, over all cases.

    Attributes:
        tried: cases in which its parts were taken away; some, of values that stand out.
        speaks_for, speaks_against: of those, in which its parts raise or lower the outcome beyond
            as many others, and no value that was tried does so more.
        weight: of verified claims about it, each counted by the share of the case's score that its
            parts carry beyond as many others; against counts below 0.
    """

    attribute: str
    value: str
    tried: int
    speaks_for: int
    speaks_against: int
    weight: float


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
            is lost without a single part, only without some together, without no set that was
            tried; ``enough``: how many parts keep the outcome near the top by themselves, a mean.
        few_parts, many_parts: the same of the cases with the fewest parts, a quarter or, where
            others have as many, more; and of the rest. Both empty where all have as many.
        rare_outcomes, other_outcomes: the same of the cases whose outcome is met least often, and
            of the rest; empty also where that is not known.
        parts: those that decide most often first.
        groups: those that speak most often first, for or against.
        outcomes: those that come first most often first.
    """

    n_cases: int
    figures: Mapping[str, Figure]
    few_parts: Mapping[str, Figure]
    many_parts: Mapping[str, Figure]
    rare_outcomes: Mapping[str, Figure]
    other_outcomes: Mapping[str, Figure]
    parts: tuple[PartDriver, ...]
    groups: tuple[GroupDriver, ...]
    outcomes: tuple[OutcomeDrivers, ...]

    def to_dict(self) -> dict[str, Any]:
        """The wire form: one JSON object."""
        told = asdict(self)
        for name in SLICES:
            told[name] = {key: f.to_dict() for key, f in getattr(self, name).items()}
        return told


def overview(
    told: Sequence[Told],
    target: Target,
    *,
    popularity: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Overview:
    """Count what was measured, and of the claims about attributes what was verified.

    Args:
        told: N cases; of their claims the verified ones count.
        target: whose catalogues name things.
        popularity: how often each outcome is met; those not named, never.
        seed: of the intervals.

    Raises:
        RecordError: there is no case.
    """
    told = [
        Told(t.case, t.evidence, [c for c in t.claims if c.verdict == "verified"]) for t in told
    ]
    times = popularity or {}
    apart = [
        *_apart(told, [len(t.case.parts) for t in told]),
        *_apart(told, [times.get(t.evidence.outcome, 0.0) for t in told]),
    ]
    few_parts, many_parts, rare, others = (_figures(own, seed) if own else {} for own in apart)
    return Overview(
        n_cases=len(told),
        figures=_figures(told, seed),
        few_parts=few_parts,
        many_parts=many_parts,
        rare_outcomes=rare,
        other_outcomes=others,
        parts=_parts(told, target),
        groups=_groups(told),
        outcomes=_outcomes(told, target),
    )


def _apart(told: Sequence[Told], sizes: Sequence[float]) -> tuple[list[Told], list[Told]]:
    """The cases of the least sizes, a quarter or, where others are as small, more, and the rest;
    nobody where all are alike."""
    least = sorted(sizes)[max(0, len(told) // 4 - 1)] if told else 0.0
    small = [t for t, size in zip(told, sizes, strict=True) if size <= least]
    large = [t for t, size in zip(told, sizes, strict=True) if size > least]
    return (small, large) if large else ([], [])


def _figures(told: Sequence[Told], seed: int) -> dict[str, Figure]:
    names = [t.case.case_id for t in told]
    kinds = {
        "one_part": [float(bool(t.evidence.decisive())) for t in told],
        "several_parts": [float(bool(t.together)) for t in told],
        "no_part": [float(not t.evidence.decisive() and not t.together) for t in told],
    }
    figures = {name: bootstrap_mean(own, names, seed=seed) for name, own in kinds.items()}
    kept = [(t.evidence.keep_only, t.case.case_id) for t in told]
    enough = [(len(own.parts), case_id) for own, case_id in kept if own is not None]
    if enough:
        figures["enough"] = bootstrap_mean(
            [n for n, _ in enough], [c for _, c in enough], seed=seed
        )
    return figures


def _parts(told: Sequence[Told], target: Target) -> tuple[PartDriver, ...]:
    present = Counter(part for t in told for part in set(t.case.parts))
    strongest = Counter(own[0].part for t in told if (own := t.evidence.strongest()))
    decides = Counter(part for t in told for part in t.evidence.decisive())
    helps = Counter(part for t in told for part in t.together)
    weights = _summed(t.part_weights() for t in told)
    found = [
        PartDriver(p, target.parts.title(p), n, strongest[p], decides[p], helps[p], weights[p])
        for p, n in present.items()
    ]
    return tuple(
        sorted(found, key=lambda d: (-d.decides, -d.helps_decide, -d.strongest, d.present, d.part))
    )


def _summed(weights: Iterable[Mapping[_Key, float]]) -> defaultdict[_Key, float]:
    sums: defaultdict[_Key, float] = defaultdict(float)
    for own in weights:
        for key, weight in own.items():
            sums[key] += weight
    return sums


def _groups(told: Sequence[Told]) -> tuple[GroupDriver, ...]:
    speaks: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for t in told:
        for c in t.claims:
            if c.claim.type == "ATTRIBUTE":
                stated = c.claim.stated
                key = (str(stated["attribute"]), str(stated["value"]))
                speaks[str(stated["direction"])][key] += 1
    keys = set(speaks["for"]) | set(speaks["against"])
    tried = Counter((own.attribute, own.value) for t in told for own in t.evidence.attributes)
    weights = _summed(t.group_weights() for t in told)
    found = [
        GroupDriver(*key, tried[key], speaks["for"][key], speaks["against"][key], weights[key])
        for key in keys
    ]
    return tuple(
        sorted(
            found,
            key=lambda d: (-d.speaks_for - d.speaks_against, d.tried, d.attribute, d.value),
        )
    )


def _outcomes(told: Sequence[Told], target: Target) -> tuple[OutcomeDrivers, ...]:
    cases = Counter(t.evidence.outcome for t in told)
    decides: dict[str, Counter[str]] = defaultdict(Counter)
    for t in told:
        decides[t.evidence.outcome].update(t.evidence.decisive() | t.together)
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
