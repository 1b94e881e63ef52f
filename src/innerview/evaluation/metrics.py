"""What one answer, or many, are worth: pure functions on ids and numbers.

Every metric compares with what the target said, never with what really happened. Facts about
the reference are RecExplainer's (arXiv 2311.10947) and its published ``inference.py``.

Axes: N answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

__all__ = [
    "REFERENCE_GAINS",
    "auc",
    "history_hallucination",
    "history_order_recall",
    "history_precision",
    "history_recall",
    "hit",
    "interest_correct",
    "jaccard",
    "kendall_tau",
    "linear_gains",
    "log_odds",
    "overlap",
    "rank_biased_overlap",
    "ranking_ndcg",
    "reciprocal_gain",
    "reference_gains",
    "reference_history_coverage",
    "reference_title_hits",
]

REFERENCE_GAINS = (1000.0, 100.0, 10.0, 1.0)
"""Gains of the target's first four in the reference; all later ones gain nothing."""

_SUREST = 34.0
"""Nats."""


def hit(answers: Sequence[str], truth: str, *, k: int = 5) -> float:
    """1 if the target's first outcome is among the first ``k`` answers, else 0."""
    return float(truth in answers[:k])


def reciprocal_gain(answers: Sequence[str], truth: str, *, k: int = 5) -> float:
    """NDCG@k with one relevant outcome: 1 / log2(1 + place of the truth), 0 if it is missing."""
    if truth not in answers[:k]:
        return 0.0
    return float(1.0 / np.log2(2.0 + list(answers).index(truth)))


def overlap(answers: Sequence[str], truth: Sequence[str], *, k: int = 5) -> float:
    """Share of the target's first ``k`` outcomes that are among the first ``k`` answers."""
    wanted = set(truth[:k])
    return len(wanted & set(answers[:k])) / len(wanted) if wanted else 1.0


def jaccard(ones: Sequence[str], others: Sequence[str]) -> float:
    """How many of what is in either list are in both; 1 of two that are empty."""
    either = set(ones) | set(others)
    return len(set(ones) & set(others)) / len(either) if either else 1.0


def rank_biased_overlap(
    answers: Sequence[str], truth: Sequence[str], *, k: int = 5, persistence: float = 0.8
) -> float:
    """Rank-biased overlap of two lists down to ``k`` (Webber et al., TOIS 2010): the mean over
    depths of how much the lists share that far, a depth weighing ``persistence`` times the one
    above it. 1 equal, 0 nothing shared."""
    depths = range(1, min(k, len(truth)) + 1)
    weights = [persistence ** (depth - 1) for depth in depths]
    shared = [len(set(answers[:depth]) & set(truth[:depth])) / depth for depth in depths]
    return float(np.dot(weights, shared) / sum(weights)) if weights else 1.0


def reference_gains(n: int) -> list[float]:
    """Gains 1000, 100, 10, 1, 0, … by the target's order of ``n`` outcomes.

    The paper does not state them; they are in its code, and explain its random row of 0.61. They
    make the metric nearly "was the best one put first": that alone scores 0.936 or more.
    """
    return [*REFERENCE_GAINS, *[0.0] * n][:n]


def linear_gains(n: int) -> list[float]:
    """Gains n-1, …, 1, 0 by the target's order; of five outcomes in random order, NDCG is 0.805."""
    return [float(gain) for gain in range(n - 1, -1, -1)]


def ranking_ndcg(
    answers: Sequence[str], ranked: Sequence[str], gains: Sequence[float], *, k: int = 5
) -> float:
    """NDCG@k of an order, with gains by the target's order.

    An answer that is not among the ranked, or is repeated, keeps its place and gains nothing.

    Args:
        answers: ids, best first.
        ranked: the same ids in the target's order.
        gains: one per ranked id, falling.
    """
    left = dict(zip(ranked, gains, strict=True))
    got = sum(left.pop(a, 0.0) / np.log2(2.0 + place) for place, a in enumerate(answers[:k]))
    best = sum(gain / np.log2(2.0 + place) for place, gain in enumerate(gains[:k]))
    return float(got / best) if best else 1.0


def kendall_tau(answers: Sequence[str], ranked: Sequence[str]) -> float:
    """Kendall's tau between an answered order and the target's: 1 equal, -1 reversed.

    Outcomes missing from the answer come last and are tied among themselves; a tied pair counts
    for neither side (tau-a). Answers that are not among the ranked are ignored.
    """
    if len(ranked) < 2:
        return 1.0
    place = {a: at for at, a in reversed(list(enumerate(answers)))}
    last = len(answers)
    pairs = list(combinations([place.get(r, last) for r in ranked], 2))
    return float(sum(np.sign(later - earlier) for earlier, later in pairs) / len(pairs))


def interest_correct(probability: float, liked: bool) -> float:
    """1 if the answer, yes from one half on, is the target's; the reference ties to yes too."""
    return float((probability >= 0.5) == liked)


def log_odds(probability: float) -> float:
    """In nats; certainty counts as the most certain odds that float64 tells from it."""
    if probability in (0.0, 1.0):
        return math.copysign(_SUREST, probability - 0.5)
    return min(_SUREST, max(-_SUREST, math.log(probability / (1.0 - probability))))


def auc(scores: npt.ArrayLike, liked: npt.ArrayLike) -> float:
    """Chance that a liked outcome scores above a disliked one; ties count half.

    Args:
        scores: (N,) probabilities, pooled over cases.
        liked: (N,) bool.

    Returns:
        NaN where either kind is missing.
    """
    values, kinds = np.asarray(scores, dtype=np.float64), np.asarray(liked, dtype=bool)
    n_liked, n_other = int(kinds.sum()), int((~kinds).sum())
    if not n_liked or not n_other:
        return float("nan")
    above = rankdata(values)[kinds].sum() - n_liked * (n_liked + 1) / 2.0
    return float(above / (n_liked * n_other))


def history_recall(answers: Sequence[str], truth: Sequence[str]) -> float:
    """Share of the distinct true parts that were named; a repeated answer counts once."""
    true = set(truth)
    return len(true & set(answers)) / len(true) if true else 1.0


def history_order_recall(answers: Sequence[str], truth: Sequence[str]) -> float:
    """Share of the true parts that were named in their order: of the longest common subsequence.

    Args:
        answers: ids as named.
        truth: ids in the order of the case.
    """
    longest = [0] * (len(truth) + 1)
    for answer in answers:
        before = 0
        for at, part in enumerate(truth, start=1):
            here = longest[at]
            longest[at] = before + 1 if answer == part else max(here, longest[at - 1])
            before = here
    return longest[-1] / len(truth) if truth else 1.0


def history_precision(answers: Sequence[str], truth: Sequence[str]) -> float:
    """Share of the distinct named parts that are true; 0 where none was named."""
    named = set(answers)
    return len(named & set(truth)) / len(named) if named else 0.0


def history_hallucination(answers: Sequence[str], truth: Sequence[str]) -> float:
    """Share of what was named, each time it was, that is no part of the case: made up. 0 where
    nothing was named. Answers are ids, so whatever was named is at least in the catalogue."""
    true = set(truth)
    return sum(a not in true for a in answers) / len(answers) if answers else 0.0


def reference_history_coverage(answers: Sequence[str], truth: Sequence[str]) -> float:
    """The reference's history coverage, for comparison only: it counts duplicates.

    Of the first n answers (n true parts) the share that is true; repeating one true part n times
    scores 1. Recall above is what Innerview reports.
    """
    true = set(truth)
    return sum(a in true for a in answers[: len(truth)]) / len(truth) if truth else 1.0


def reference_title_hits(said: Sequence[str], wanted: str) -> tuple[float, float]:
    """The reference's HR@5 and NDCG@5 of one question, for comparison only.

    Five titles are spoken freely, best first; right is the first that is the wanted one, stripped
    and in lower case, to the letter (RecExplainer's code of March 2024). With one right title
    NDCG@5 is 1 / log2(1 + its place).
    """
    right = wanted.strip().lower()
    for place, title in enumerate(said[:5], start=1):
        if title.strip().lower() == right:
            return 1.0, 1.0 / math.log2(1 + place)
    return 0.0, 0.0
