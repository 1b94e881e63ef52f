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
from innerview.evaluation.bootstrap import (
    Figure,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_skill,
    widened,
)
from innerview.evaluation.differences import holm
from innerview.explanation._ask import BATCH_SIZE, Answer, Question, ask
from innerview.targets.protocol import Case, FloatArray, Target

__all__ = [
    "CONTROL_LIMIT",
    "CURVE_SIZES",
    "FURTHER",
    "MEASURES",
    "Effects",
    "curves",
    "differences_of",
    "effects_of",
    "failed_controls",
    "skills",
]

MEASURES = ("necessity", "necessity_five", "sufficiency", "deletion", "insertion")
"""Of one order, each from 0 to 1, more is better:

``necessity``
    the outcome is no longer first without the first part;
``necessity_five``
    it is out of the top 10, or, of ten outcomes or fewer, no longer first, without the first five;
``sufficiency``
    it is there with only the first five;
``deletion``
    1 less the mean of 1 / log2(1 + rank) without the first 1, 2, 3, 5 and 8;
``insertion``
    that mean with only the first 1, 2, 3, 5 and 8.
"""

_FIRST, _WIDE, _FIVE, _THREE = 1, 10, 5, 3
_TOPS = (1, 5, 10, 20)

CURVE_SIZES = (1, 2, 3, 5, 8)
"""How many parts are gone, or kept, where a curve is measured."""

FURTHER = (
    "kept_vector", "kept_vector_explained", "kept_gain",
    *(f"pos_at_{k}" for k in _TOPS), *(f"neg_at_{k}" for k in _TOPS),
)  # fmt: skip
"""Of the same order, without skill: leaving out each part says nothing of how far these can go.

``kept_vector``
    the cosine of the target's vector of the whole case and of its first three parts alone: how
    much of what its vector says is said by what an explanation names. Left out, as is the next,
    where the target gives no vectors;
``kept_vector_explained``
    1 less their squared distance as a share of the whole's squared length; negative where the
    three tell less than nothing would;
``kept_gain``
    1 / log2(1 + rank) with only the first three;
``pos_at_1``, ``_5``, ``_10``, ``_20``
    of the times that the first 1, 2, 3, 5 and 8 are gone, those in which the outcome is still in
    that top; less is better;
``neg_at_1``, ``_5``, ``_10``, ``_20``
    the same without the last 1, 2, 3, 5 and 8; more is better.

Source: POS@k and NEG@k are those of LXR (Barkan et al., WWW 2024), who take parts away in tenths of
a case and count the whole and the empty one too; no target here can be asked with nothing, and
cases are short, so the points are those of the curve. Their CDCG is 1 less ``deletion``.
"""
_PAIRS_AT_ONCE = 128

CONTROL_LIMIT = 0.05
"""A control is an explainer that knows nothing; one that is sure to be farther from 0 than this
says that the measure can be fooled."""

_Told = dict[tuple[Case, Case], tuple[float, float]]
"""By a case and what is kept of it, the cosine of their vectors, and the share explained."""

Orders = Mapping[str, Sequence[Sequence[Sequence[str]]]]
"""By explainer one draw or several, each with the distinct parts of every case, those that matter
most first."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What an order of one case's parts does; see ``MEASURES`` and ``FURTHER``.

    Of a target without vectors, what is measured on them is NaN. ``gone`` and ``kept`` are the
    points of the curves whose means ``deletion`` and ``insertion`` are: 1 / log2(1 + rank) without
    the first 1, 2, 3, 5 and 8 parts, and with only those.
    """

    necessity: float
    necessity_five: float
    sufficiency: float
    deletion: float
    insertion: float
    kept_vector: float
    kept_vector_explained: float
    kept_gain: float
    pos_at_1: float
    pos_at_5: float
    pos_at_10: float
    pos_at_20: float
    neg_at_1: float
    neg_at_5: float
    neg_at_10: float
    neg_at_20: float
    gone: Sequence[float]
    kept: Sequence[float]


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
    wide = _WIDE if len(target.outcomes) > _WIDE else _FIRST
    trials = {
        name: [
            [_Trial.of(name, case, outcome, own, wide) for own in by_draw]
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
        told = _told_by_kept(target, [trial for _, draws in asked for trial in draws])
        for name, draws in asked:
            found[name].append(_mean([trial.effects(answers, told) for trial in draws]))
    return found


def _mean(draws: Sequence[Effects]) -> Effects:
    if len(draws) == 1:
        return draws[0]
    columns = zip(*map(astuple, draws), strict=True)
    return Effects(*(np.mean(own, axis=0).tolist() for own in columns))


@dataclass(frozen=True, slots=True)
class _Trial:
    """One order on trial. At least one part is always left, and at least one always gone."""

    case: Case
    outcome: str
    order: tuple[str, ...]
    wide: int
    """Rank of the last outcome that counts as a good one."""

    @classmethod
    def of(
        cls, explainer: str, case: Case, outcome: str, order: Sequence[str], wide: int
    ) -> _Trial:
        parts = set(case.parts)
        if len(order) < 2 or len(order) != len(parts) or set(order) != parts:
            raise RecordError(
                f"{explainer}: {len(order)} parts in order for case {case.case_id!r}, which has "
                f"{len(parts)}; expected each of its parts once, and two or more"
            )
        return cls(case, outcome, tuple(order), wide)

    def _size(self, size: int) -> int:
        """As many parts, but at most all but one."""
        return min(size, len(self.order) - 1)

    def gone(self, size: int) -> Case:
        """Without the first parts."""
        return self.case.without(self.order[: self._size(size)])

    def kept(self, size: int) -> Case:
        """With the first parts alone."""
        return self.case.keep(self.order[: self._size(size)])

    def questions(self) -> list[Question]:
        """In the order in which ``effects`` reads their answers."""
        variants = [
            *map(self.gone, (*CURVE_SIZES, _FIVE)),
            *map(self.kept, (*CURVE_SIZES, _FIVE)),
            *(self.case.without(self.order[-self._size(size) :]) for size in CURVE_SIZES),
        ]
        return [Question(self.case, variant, self.outcome) for variant in variants]

    def effects(self, answers: Iterator[Answer], told: _Told) -> Effects:
        """What the answers and the vectors, if there are any, say."""
        *gone, without_five = [next(answers).rank for _ in (*CURVE_SIZES, _FIVE)]
        *kept, with_five = [next(answers).rank for _ in (*CURVE_SIZES, _FIVE)]
        last_gone = [next(answers).rank for _ in CURVE_SIZES]
        gone_gains, kept_gains = _gains(gone), _gains(kept)
        cosine, explained = told.get((self.case, self.kept(_THREE)), (np.nan, np.nan))
        return Effects(
            necessity=float(gone[0] > _FIRST),
            necessity_five=float(without_five > self.wide),
            sufficiency=float(with_five <= self.wide),
            deletion=1.0 - float(np.mean(gone_gains)),
            insertion=float(np.mean(kept_gains)),
            kept_vector=cosine,
            kept_vector_explained=explained,
            kept_gain=kept_gains[CURVE_SIZES.index(_THREE)],
            **{f"pos_at_{k}": float(np.mean(np.array(gone) <= k)) for k in _TOPS},
            **{f"neg_at_{k}": float(np.mean(np.array(last_gone) <= k)) for k in _TOPS},
            gone=gone_gains,
            kept=kept_gains,
        )


def _told_by_kept(target: Target, trials: Sequence[_Trial]) -> _Told:
    """How much of each case's vector its first parts tell; nothing where there are no vectors."""
    if not target.capabilities.vectors:
        return {}
    new = list(dict.fromkeys((trial.case, trial.kept(_THREE)) for trial in trials))
    found: _Told = {}
    for start in range(0, len(new), _PAIRS_AT_ONCE):
        pairs = new[start : start + _PAIRS_AT_ONCE]
        wholes, kept = (target.case_vectors([pair[at] for pair in pairs]) for at in (0, 1))
        found |= zip(pairs, map(_alike, wholes, kept), strict=True)
    return found


def _alike(whole: FloatArray, kept: FloatArray) -> tuple[float, float]:
    """Cosine of two vectors, and the share of the first that the second explains; of one without
    length nothing can be told, and it counts as 0."""
    one, other = whole.astype(np.float64), kept.astype(np.float64)
    length = float(one @ one)
    cosine = float(one @ other / max(np.sqrt(length * (other @ other)), 1e-12))
    explained = 1.0 - float((one - other) @ (one - other)) / length if length else 0.0
    return cosine, explained


def _gains(ranks: Sequence[int]) -> list[float]:
    gains: list[float] = (1.0 / np.log2(1.0 + np.asarray(ranks))).tolist()
    return gains


def skills(
    effects: Mapping[str, Sequence[Effects]],
    cases: Sequence[str],
    *,
    floor: str,
    ceiling: str,
    seed: int = 0,
) -> dict[str, dict[str, Figure]]:
    """Figures of every explainer, as measured and, of ``MEASURES``, as ``…_skill``; the latter only
    where the ceiling is surely above the floor. Of few cases it may not be, and a skill would be
    luck divided by luck, with which controls fail.

    Args:
        effects: by explainer, N in the same order.
        cases: (N,) which case each is about.
        floor, ceiling: the explainers that are.
        seed: of the intervals.
    """
    values = {
        name: {m: np.array([getattr(one, m) for one in own]) for m in (*MEASURES, *FURTHER)}
        for name, own in effects.items()
    }
    room = {
        measure: bootstrap_mean(
            (values[ceiling][measure] - values[floor][measure]).tolist(), cases, seed=seed
        ).low
        for measure in MEASURES
    }
    found: dict[str, dict[str, Figure]] = {}
    for name, own in values.items():
        figures: dict[str, Figure] = {}
        for measure, numbers in own.items():
            if np.isnan(numbers).any():
                continue
            low, high = values[floor][measure], values[ceiling][measure]
            figures[measure] = bootstrap_mean(numbers.tolist(), cases, seed=seed)
            if room.get(measure, 0.0) > 0.0:
                figures[f"{measure}_skill"] = bootstrap_skill(numbers, low, high, cases, seed=seed)
        found[name] = figures
    return found


def curves(
    effects: Sequence[Effects], cases: Sequence[str], *, seed: int = 0
) -> dict[str, dict[str, Figure]]:
    """One explainer's curves: what is left of the outcome's place, 1 / log2(1 + rank), without the
    parts that come first (``deletion``), and with only those (``insertion``), by their number.

    Args:
        effects: (N,) of one explainer.
        cases: (N,) which case each is about.
        seed: of the bands.
    """
    columns = {
        "deletion": zip(*(one.gone for one in effects), strict=True),
        "insertion": zip(*(one.kept for one in effects), strict=True),
    }
    return {
        name: {
            str(size): bootstrap_mean(own, cases, seed=seed)
            for size, own in zip(CURVE_SIZES, points, strict=True)
        }
        for name, points in columns.items()
    }


def differences_of(
    explainer: str,
    effects: Mapping[str, Sequence[Effects]],
    cases: Sequence[str],
    *,
    seed: int = 0,
) -> dict[str, dict[str, Figure]]:
    """By each other explainer and of ``MEASURES``, what one achieves, less what the other does for
    the same cases. Probabilities are corrected for their number, all together (Holm, 1979).
    Controls are left out: nobody asks whether they are better.

    Args:
        explainer: whose.
        effects: by explainer, N in the same order.
        cases: (N,) which case each is about.
        seed: of the intervals and probabilities.
    """
    others = [o for o in effects if o != explainer and not o.startswith("control_")]
    found = holm({
        (other, measure): bootstrap_difference(
            [
                getattr(one, measure) - getattr(same, measure)
                for one, same in zip(effects[explainer], effects[other], strict=True)
            ],
            cases,
            seed=seed,
        )
        for other in others
        for measure in MEASURES
    })  # fmt: skip
    return {other: {measure: found[other, measure] for measure in MEASURES} for other in others}


def failed_controls(figures: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """What speaks against believing any of the figures: controls whose skill is surely not 0.

    Surely, for how many are looked at: with ten, each alone on 95 %, a sound report of few cases
    would be refused every third time.

    Args:
        figures: by explainer; those whose name begins with ``control_`` are controls.
    """
    controls = [
        (f"{name} has a {measure}", one)
        for name, own in figures.items()
        if name.startswith("control_")
        for measure, one in own.items()
        if measure.endswith("_skill")
    ]
    bounds = [widened(one, len(controls)) for _, one in controls]
    return [
        f"{told} of {one.value:.2f} [{low:.2f}, {high:.2f}]"
        for (told, one), (low, high) in zip(controls, bounds, strict=True)
        if low > CONTROL_LIMIT or high < -CONTROL_LIMIT
    ]
