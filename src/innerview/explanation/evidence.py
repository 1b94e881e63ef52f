"""Measured effects on a target of removing and keeping parts of a case.

Knows the target protocol only. Three rounds of questions serve any number of cases: the first
leaves out each part in turn, the second tries the sets and groups which the first points to, the
third asks what comes first without what is decisive.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from innerview.errors import CaseError
from innerview.explanation._ask import BATCH_SIZE, Answer, Question, ask, first_outcomes
from innerview.explanation._groups import Group, random_groups, shared_values, stand_out
from innerview.explanation._values import AttributeEffect, Evidence, PartEffect, SetEffect
from innerview.targets.protocol import Case, Target, blocked_rows

__all__ = [
    "AttributeEffect",
    "Evidence",
    "PartEffect",
    "SetEffect",
    "Thresholds",
    "measure",
    "measure_many",
]

# Cases whose questions are held in memory at once; answers are small, questions are not.
_PAIRS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as decisive, and how much is tried.

    ``decisive_top`` and ``sufficient_top`` are ranks, ``max_set`` is in parts, ``max_groups`` in
    attribute values, ``attribute_draws`` in random groups per value.
    """

    decisive_top: int = 1
    """Leaving this top is what a decisive part causes, for an outcome that is in it."""
    sufficient_top: int = 10
    """Staying in this top is what sufficient parts achieve; also the decisive top of an
    outcome beyond ``decisive_top``. Outcomes beyond both are held to the next power of ten; where
    there are no more outcomes than this, to where they are."""
    max_set: int = 3
    max_groups: int = 4
    attribute_draws: int = 5
    seed: int = 0
    about: str | None = None
    """An attribute whose values are tried before others."""
    budget: int | None = None
    """Most cases to score for one case and outcome. What it does not pay for stays unmeasured:
    attributes first, then sets, then the oldest parts."""
    retries: int = 1
    """How often a batch that the target failed to answer is asked again."""

    def __post_init__(self) -> None:
        for name in ("decisive_top", "sufficient_top", "max_set", "budget"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise CaseError(f"threshold {name} is {getattr(self, name)}; expected 1 or more")
        if self.retries < 0:
            raise CaseError(f"threshold retries is {self.retries}; expected 0 or more")

    def tops(self, rank: int, n_outcomes: int) -> tuple[int | None, int | None]:
        """The top an outcome of this rank must leave, and the one it must stay in.

        None where that top would hold every outcome, so that nothing could be learned.
        """
        wide = self.sufficient_top
        while wide < rank:
            wide *= 10
        if n_outcomes <= self.sufficient_top:  # as where outcomes are a few classes
            wide = max(rank, self.decisive_top)
        leave = self.decisive_top if rank <= self.decisive_top else wide
        return (leave if leave < n_outcomes else None), (wide if wide < n_outcomes else None)


def measure(
    case: Case, outcome: str, target: Target, *, thresholds: Thresholds | None = None
) -> Evidence:
    """Measure one case and outcome; see ``measure_many``."""
    return next(measure_many([(case, outcome)], target, thresholds=thresholds))


def measure_many(
    pairs: Sequence[tuple[Case, str]],
    target: Target,
    *,
    thresholds: Thresholds | None = None,
    batch_size: int = BATCH_SIZE,
) -> Iterator[Evidence]:
    """Measure many cases with their outcomes, in order, in few large batches.

    Effects that would empty the case, that the budget does not pay for, and all effects of a target
    that cannot rescore are None.

    Raises:
        CaseError: a case is empty, an id is unknown, or an outcome is a part of its case.
        TargetQueryError: the target failed to answer.
    """
    settings = thresholds or Thresholds()
    ask_lists = partial(_ask_lists, target, batch_size=batch_size, retries=settings.retries)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        chunk = pairs[start : start + _PAIRS_AT_ONCE]
        whole = [Question(case, case, outcome) for case, outcome in chunk]
        first = [[q, *_leave_one_out(q, target, settings.budget)] for q in whole]
        works = [
            _Work(question, answers, target, settings)
            for question, answers in zip(whole, ask_lists(first), strict=True)
        ]
        second = ask_lists([w.asked for w in works])
        found = [w.evidence(answers) for w, answers in zip(works, second, strict=True)]
        cases = [case for case, _ in chunk]
        yield from _with_foils(found, cases, target, settings, batch_size)


def _with_foils(
    found: Sequence[Evidence],
    cases: Sequence[Case],
    target: Target,
    settings: Thresholds,
    batch_size: int,
) -> Iterator[Evidence]:
    """The same with what would be first instead, for those that hold first place by some parts."""
    decided = [
        (at, case, case.without(one.necessary.parts))
        for at, (one, case) in enumerate(zip(found, cases, strict=True))
        if one.necessary is not None and one.leaves_top == one.rank == 1
        if settings.budget is None or one.queries < settings.budget
    ]
    firsts = first_outcomes(
        target, [(c, v) for _, c, v in decided], batch_size=batch_size, retries=settings.retries
    )
    foils = dict(zip((at for at, _, _ in decided), firsts, strict=True))
    for at, one in enumerate(found):
        if at in foils:
            # A target that rounds otherwise in another batch may put the outcome itself first.
            foil = foils[at] if foils[at] != one.outcome else None
            yield replace(one, foil=foil, queries=one.queries + 1)
        else:
            yield one


def _ask_lists(
    target: Target, lists: Sequence[Sequence[Question]], *, batch_size: int, retries: int
) -> list[list[Answer]]:
    """Ask many lists of questions at once and hand each list its answers."""
    flat = [q for one in lists for q in one]
    answers = iter(ask(target, flat, batch_size=batch_size, retries=retries))
    return [[next(answers) for _ in one] for one in lists]


def _leave_one_out(whole: Question, target: Target, budget: int | None) -> list[Question]:
    """One question per distinct part, of the last ones where the budget pays for no more; none
    where that would empty the case."""
    parts = list(dict.fromkeys(whole.case.parts))
    if len(parts) < 2 or not target.capabilities.rescoring:
        return []
    paid = parts if budget is None else parts[max(0, len(parts) - budget + 1) :]
    return [Question(whole.case, whole.case.without([part]), whole.outcome) for part in paid]


class _Work:
    """One case and outcome between the two rounds: what the first one showed, what to ask next."""

    def __init__(
        self, whole: Question, answers: Sequence[Answer], target: Target, settings: Thresholds
    ) -> None:
        self.whole, self.settings = whole, settings
        self.parts = tuple(dict.fromkeys(whole.case.parts))
        self.before, singles = answers[0], answers[1:]
        measured = self.parts[len(self.parts) - len(singles) :]
        self.singles = [
            SetEffect((part,), answer.score - self.before.score, answer.rank)
            for part, answer in zip(measured, singles, strict=True)
        ]
        n_rankable = len(target.outcomes) - len(set(blocked_rows(target, whole.case)))
        self.leave, self.stay = settings.tops(self.before.rank, n_rankable)
        order = sorted(self.singles, key=lambda effect: effect.score_change)
        ordered = [effect.parts[0] for effect in order]
        sizes = range(1, min(settings.max_set, len(self.parts) - 1, len(ordered)) + 1)
        sets = [tuple(ordered[:size]) for size in sizes]
        left = self._left(1 + len(self.singles))
        self.removed = sets[1:][:left]
        self.kept = sets[: left - len(self.removed)]
        left -= len(self.removed) + len(self.kept)
        self.groups = self._groups(target)[: left // (1 + settings.attribute_draws)]
        self.asked = self._questions()

    def _left(self, spent: int) -> int:
        """Cases that the budget still pays for."""
        return sys.maxsize if self.settings.budget is None else self.settings.budget - spent

    def _groups(self, target: Target) -> list[tuple[Group, list[tuple[str, ...]]]]:
        """Attribute groups worth asking about, each with its random controls."""
        draws, limit = self.settings.attribute_draws, self.settings.max_groups
        if len(self.singles) < len(self.parts) or not draws or not limit:
            return []
        changes = {effect.parts[0]: effect.score_change for effect in self.singles}
        shared = shared_values(self.whole.case, target.parts)
        wanted = [group for group in shared if group.attribute == self.settings.about]
        others = [group for group in shared if group not in wanted]
        groups = stand_out(wanted, changes, limit)
        groups += stand_out(others, changes, limit - len(groups))
        key = f"evidence {self.settings.seed}"
        return [(g, random_groups(self.parts, g.parts, draws, key=key)) for g in groups]

    def _questions(self) -> list[Question]:
        """The second round, in the order in which ``evidence`` reads its answers."""
        case = self.whole.case
        variants = [case.without(parts) for parts in self.removed]
        variants += [case.keep(parts) for parts in self.kept]
        for group, controls in self.groups:
            variants += [case.without(parts) for parts in (group.parts, *controls)]
        return [Question(case, variant, self.whole.outcome) for variant in variants]

    def evidence(self, answers: Sequence[Answer]) -> Evidence:
        """Put both rounds together."""
        given = iter(answers)
        removed = tuple(self._effect(parts, next(given)) for parts in self.removed)
        kept = tuple(self._effect(parts, next(given)) for parts in self.kept)
        attributes = tuple(
            self._attribute(group, next(given), [next(given) for _ in controls])
            for group, controls in self.groups
        )
        variants = {question.variant for question in self.asked}
        return Evidence(
            case_id=self.whole.case.case_id,
            parts=self.whole.case.parts,
            outcome=self.whole.outcome,
            score=self.before.score,
            rank=self.before.rank,
            leaves_top=self.leave,
            stays_in_top=self.stay,
            leave_out=self._leave_out(),
            removed=removed,
            necessary=self._necessary(removed),
            kept=kept,
            keep_only=self._keep_only(kept),
            attributes=attributes,
            queries=1 + len(self.singles) + len(variants),
        )

    def _effect(self, parts: tuple[str, ...], answer: Answer) -> SetEffect:
        return SetEffect(parts, answer.score - self.before.score, answer.rank)

    def _leave_out(self) -> tuple[PartEffect, ...]:
        known = {e.parts[0]: PartEffect(e.parts[0], e.score_change, e.rank_after)
                 for e in self.singles}  # fmt: skip
        return tuple(known.get(part, PartEffect(part, None, None)) for part in self.parts)

    def _necessary(self, removed: Sequence[SetEffect]) -> SetEffect | None:
        """The single part that throws the outcome furthest out of the top, else the first set."""
        if self.leave is None:
            return None
        top = self.leave
        alone = [effect for effect in self.singles if effect.rank_after > top]
        if alone:
            return min(alone, key=lambda e: (-e.rank_after, e.score_change))
        return next((effect for effect in removed if effect.rank_after > top), None)

    def _keep_only(self, kept: Sequence[SetEffect]) -> SetEffect | None:
        top = self.stay
        return next((e for e in kept if top is not None and e.rank_after <= top), None)

    def _attribute(self, group: Group, own: Answer, controls: Sequence[Answer]) -> AttributeEffect:
        changes = [control.score - self.before.score for control in controls]
        return AttributeEffect(
            attribute=group.attribute,
            value=group.value,
            parts=group.parts,
            score_change=own.score - self.before.score,
            rank_after=own.rank,
            control_change=sum(changes) / len(changes),
            control_low=min(changes),
            control_high=max(changes),
        )
