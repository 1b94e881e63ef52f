"""Asking a target about many variants of many cases in few large batches.

Knows the target protocol and nothing of claims. A variant that several questions need is scored
once per call, and score rows are reduced to a score and a rank as soon as they arrive, so that
memory stays at one batch however large the catalogue is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from innerview.errors import TargetQueryError
from innerview.targets.protocol import Case, FloatArray, Target, ranks_of, top_outcomes

__all__ = [
    "BATCH_SIZE",
    "Answer",
    "Question",
    "ask",
    "best_outcomes",
    "first_outcomes",
    "negligible",
]

BATCH_SIZE = 1024

# Score rows held at once: 64 Mi float32 values are 256 MiB, whatever the catalogue's size.
_MAX_VALUES = 64 * 1024 * 1024

# Float32 sums taken in another order differ by about 1e-6 of the score; ten times that is noise.
_NOISE = 1e-5


@dataclass(frozen=True, slots=True)
class Question:
    """How does an outcome fare when ``variant`` stands in for ``case``?"""

    case: Case
    variant: Case
    outcome: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome's score for a variant, and its rank (1 = best) with the case's parts blocked."""

    score: float
    rank: int


def negligible(change: float, *scores: float) -> bool:
    """Whether a change of score is no more than float32 noise beside the scores it lies between."""
    return abs(change) <= _NOISE * max((abs(s) for s in scores), default=0.0) + 1e-12


def ask(
    target: Target,
    questions: Sequence[Question],
    *,
    batch_size: int = BATCH_SIZE,
    retries: int = 0,
) -> list[Answer]:
    """Answer questions in order, scoring each distinct variant once.

    Args:
        target: whom to ask.
        questions: their variants are not empty.
        batch_size: most cases sent to the target at once; fewer for very large catalogues.
        retries: how often a batch that the target failed to answer is asked again.

    Raises:
        CaseError: a variant or an outcome that the target cannot take.
        TargetQueryError: the target failed, or answered in the wrong shape or not in numbers.
    """
    by_variant: dict[Case, list[int]] = defaultdict(list)
    for number, question in enumerate(questions):
        by_variant[question.variant].append(number)
    variants = list(by_variant)
    size = _at_once(target, batch_size)
    answers: dict[int, Answer] = {}
    for start in range(0, len(variants), size):
        batch = variants[start : start + size]
        scores = _scores(target, batch, retries)
        pairs = [(row, n) for row, variant in enumerate(batch) for n in by_variant[variant]]
        answers.update(_reduce(target, questions, scores, pairs))
    return [answers[number] for number in range(len(questions))]


def first_outcomes(
    target: Target,
    pairs: Sequence[tuple[Case, Case]],
    *,
    batch_size: int = BATCH_SIZE,
    retries: int = 0,
) -> list[str]:
    """What the target puts first for variants of cases, the cases' own parts left out.

    Args:
        target: whom to ask.
        pairs: a case, and a variant of it that is not empty.
        batch_size: as in ``ask``.
        retries: as in ``ask``.

    Raises:
        CaseError, TargetQueryError: as in ``ask``.
    """
    best = best_outcomes(target, pairs, 1, batch_size=batch_size, retries=retries)
    return [first for (first,) in best]


def best_outcomes(
    target: Target,
    pairs: Sequence[tuple[Case, Case]],
    k: int,
    *,
    batch_size: int = BATCH_SIZE,
    retries: int = 0,
) -> list[tuple[str, ...]]:
    """The same, the ``k`` best outcomes, best first; fewer where a case leaves no more."""
    size = _at_once(target, batch_size)
    found: list[tuple[str, ...]] = []
    for start in range(0, len(pairs), size):
        batch = pairs[start : start + size]
        scores = _scores(target, [variant for _, variant in batch], retries)
        found += [
            tuple(top_outcomes(target, case, row, k))
            for (case, _), row in zip(batch, scores, strict=True)
        ]
    return found


def _at_once(target: Target, batch_size: int) -> int:
    """Cases whose scores are held together."""
    return max(1, min(batch_size, _MAX_VALUES // max(1, len(target.outcomes))))


def _scores(target: Target, batch: Sequence[Case], retries: int) -> FloatArray:
    """(B, O) scores of a batch, checked: a target that breaks its promise is not believed."""
    try:
        return _checked(target, batch)
    except TargetQueryError:
        if not retries:
            raise
        return _scores(target, batch, retries - 1)


def _checked(target: Target, batch: Sequence[Case]) -> FloatArray:
    scores = target.score(batch)
    expected = (len(batch), len(target.outcomes))
    if scores.shape != expected:
        raise TargetQueryError(
            f"target {target.name!r} answered scores of shape {scores.shape}, not {expected}"
        )
    if not np.isfinite(scores).all():
        raise TargetQueryError(f"target {target.name!r} answered a score that is not finite")
    return scores


def _reduce(
    target: Target,
    questions: Sequence[Question],
    scores: FloatArray,
    pairs: Iterable[tuple[int, int]],
) -> dict[int, Answer]:
    """Scores and ranks per question; ``pairs`` are (row of ``scores``, number of question)."""
    by_case: dict[Case, list[tuple[int, int]]] = defaultdict(list)
    for row, number in pairs:
        by_case[questions[number].case].append((row, number))
    answers: dict[int, Answer] = {}
    for case, members in by_case.items():
        rows = [row for row, _ in members]
        outcomes = [questions[number].outcome for _, number in members]
        ranks = ranks_of(target, case, scores[rows], outcomes)
        own = scores[rows, target.outcomes.rows(outcomes)]
        for (_, number), score, rank in zip(members, own, ranks, strict=True):
            answers[number] = Answer(float(score), rank)
    return answers
