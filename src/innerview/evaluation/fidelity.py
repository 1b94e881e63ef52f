"""Whether an outcome hangs on the parts that an explanation names: all explainers, one measure.

An explainer is whatever puts the parts of a case in order, those that matter most first. Parts are
taken away, or kept alone, in that order, and the target says what becomes of the outcome; nothing
else is looked at. Where an explainer stands between chance and leaving out each part in turn is
its *skill*: (x − floor) / (ceiling − floor), both over the same cases.

Axes: N cases with their outcomes, k parts taken away or kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from innerview.errors import RecordError
from innerview.evaluation.bootstrap import Figure, bootstrap_mean, bootstrap_skill
from innerview.explanation._ask import BATCH_SIZE, Answer, Question, ask
from innerview.targets.protocol import Case, Target

__all__ = ["CONTROL_LIMIT", "MEASURES", "Effects", "effects_of", "failed_controls", "skills"]

MEASURES = ("necessity", "necessity_five", "sufficiency", "deletion", "insertion")
"""Of one order, each from 0 to 1, more is better:

``necessity``
    the outcome is no longer first without the first part;
``necessity_five``
    it is out of the top 10 without the first five;
``sufficiency``
    it is in the top 10 with only the first five;
``deletion``
    1 less the mean of 1 / log2(1 + rank) without the first 1, 2, 3, 5 and 8;
``insertion``
    that mean with only the first 1, 2, 3, 5 and 8.
"""

_FIRST, _WIDE, _FIVE = 1, 10, 5
_CURVE = (1, 2, 3, 5, 8)
_PAIRS_AT_ONCE = 128

CONTROL_LIMIT = 0.05
"""A control is an explainer that knows nothing; one that is sure to be farther from 0 than this
says that the measure can be fooled."""

Orders = Mapping[str, Sequence[Sequence[Sequence[str]]]]
"""By explainer one draw or several, each with the distinct parts of every case, those that matter
most first."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What an order of one case's parts does; see ``MEASURES``."""

    necessity: float
    necessity_five: float
    sufficiency: float
    deletion: float
    insertion: float


def effects_of(
    target: Target,
    pairs: Sequence[tuple[Case, str]],
    orders: Orders,
    *,
    batch_size: int = BATCH_SIZE,
) -> dict[str, list[Effects]]:
    """Take parts away and keep them alone, in each explainer's order.

    Variants that several explainers come to are scored once.

    Args:
        target: whom to ask.
        pairs: N cases, as the target sees them, with an outcome each.
        orders: by explainer, draws of N orders.
        batch_size: most cases sent to the target at once.

    Returns:
        By explainer N effects, each the mean over its draws.

    Raises:
        RecordError: an order does not hold the distinct parts of its case, or they are fewer than
            two.
        CaseError, TargetQueryError: as in ``ask``.
    """
    trials = {
        name: [
            [_Trial.of(name, case, outcome, own) for own in by_draw]
            for (case, outcome), *by_draw in zip(pairs, *draws, strict=True)
        ]
        for name, draws in orders.items()
    }
    found: dict[str, list[Effects]] = {name: [] for name in orders}
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        chunk = slice(start, start + _PAIRS_AT_ONCE)
        asked = [(name, draws) for name, own in trials.items() for draws in own[chunk]]
        questions = [q for _, draws in asked for trial in draws for q in trial.questions()]
        answers = iter(ask(target, questions, batch_size=batch_size))
        for name, draws in asked:
            found[name].append(_mean([trial.effects(answers) for trial in draws]))
    return found


def _mean(draws: Sequence[Effects]) -> Effects:
    return Effects(*np.mean([astuple(one) for one in draws], axis=0).tolist())


@dataclass(frozen=True, slots=True)
class _Trial:
    """One order on trial. At least one part is always left, and at least one always gone."""

    case: Case
    outcome: str
    order: tuple[str, ...]

    @classmethod
    def of(cls, explainer: str, case: Case, outcome: str, order: Sequence[str]) -> _Trial:
        parts = set(case.parts)
        if len(order) < 2 or len(order) != len(parts) or set(order) != parts:
            raise RecordError(
                f"{explainer}: {len(order)} parts in order for case {case.case_id!r}, which has "
                f"{len(parts)}; expected each of its parts once, and two or more"
            )
        return cls(case, outcome, tuple(order))

    def _sizes(self) -> list[int]:
        """How many parts are taken or kept: the curve's points, and five; each at most all but
        one."""
        most = len(self.order) - 1
        return [min(size, most) for size in (*_CURVE, _FIVE)]

    def questions(self) -> list[Question]:
        gone = [self.case.without(self.order[:size]) for size in self._sizes()]
        kept = [self.case.keep(self.order[:size]) for size in self._sizes()]
        return [Question(self.case, variant, self.outcome) for variant in (*gone, *kept)]

    def effects(self, answers: Iterator[Answer]) -> Effects:
        *gone, without_five = [next(answers).rank for _ in self._sizes()]
        *kept, with_five = [next(answers).rank for _ in self._sizes()]
        return Effects(
            necessity=float(gone[0] > _FIRST),
            necessity_five=float(without_five > _WIDE),
            sufficiency=float(with_five <= _WIDE),
            deletion=1.0 - _mean_gain(gone),
            insertion=_mean_gain(kept),
        )


def _mean_gain(ranks: Sequence[int]) -> float:
    return float(np.mean(1.0 / np.log2(1.0 + np.asarray(ranks))))


def skills(
    effects: Mapping[str, Sequence[Effects]],
    cases: Sequence[str],
    *,
    floor: str,
    ceiling: str,
    seed: int = 0,
) -> dict[str, dict[str, Figure]]:
    """Figures of every explainer, as measured and as ``…_skill``.

    Args:
        effects: by explainer, N in the same order.
        cases: (N,) which case each is about.
        floor, ceiling: the explainers that are.
        seed: of the intervals.
    """
    values = {
        name: {m: np.array([getattr(one, m) for one in own]) for m in MEASURES}
        for name, own in effects.items()
    }
    found: dict[str, dict[str, Figure]] = {}
    for name, own in values.items():
        figures: dict[str, Figure] = {}
        for measure in MEASURES:
            low, high = values[floor][measure], values[ceiling][measure]
            figures[measure] = bootstrap_mean(own[measure].tolist(), cases, seed=seed)
            if high.mean() > low.mean():
                figures[f"{measure}_skill"] = bootstrap_skill(
                    own[measure], low, high, cases, seed=seed
                )
        found[name] = figures
    return found


def failed_controls(figures: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """What speaks against believing any of the figures: controls whose skill is surely not 0.

    Args:
        figures: by explainer; those whose name begins with ``control_`` are controls.
    """
    return [
        f"{name} has a {measure} of {one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
        for name, own in figures.items()
        if name.startswith("control_")
        for measure, one in own.items()
        if measure.endswith("_skill") and (one.low > CONTROL_LIMIT or one.high < -CONTROL_LIMIT)
    ]
