"""Figures with 95 % intervals: a bootstrap that resamples whole cases.

Answers about one case hang together, so cases are drawn, not answers (Efron & Tibshirani 1993,
chapters 8 and 13). Intervals are corrected for bias and acceleration (BCa, chapter 14): a share
near 0 or 1 is skewed, and percentiles alone lie too near the middle. The interval says how far the
figure would move with other cases of the same kind; not with another target, another training run
or other questions. It cannot see what no case showed: where every answer is right it is [1, 1].

Axes: N answers, C cases, B resamples, L distinct scores.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from innerview.errors import RecordError
from innerview.evaluation.metrics import auc

__all__ = [
    "Figure",
    "bootstrap_auc",
    "bootstrap_calibration",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_skill",
    "bootstrap_table",
    "widened",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_RESAMPLES = 2000
_TAILS = (0.025, 0.975)
_NORMAL = NormalDist()
_ROUNDING = 1e-9
_MOST_LEFT_OUT = 2000
"""Of more cases some are left out together to measure the acceleration."""
N_FLIPS = 9999

# Resamples × answers held in memory at once: 4 Mi float64 values are 32 MiB.
_MAX_VALUES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval and the number of cases it rests on.

    Attributes:
        p: of a difference, how probable one as large is where there is none.
    """

    value: float
    low: float
    high: float
    n: int
    p: float | None = None

    def to_dict(self) -> dict[str, float | int]:
        """The wire form of ``metrics.json``."""
        told = {"value": self.value, "low": self.low, "high": self.high, "n": self.n}
        return told if self.p is None else {**told, "p": self.p}

    @classmethod
    def from_dict(cls, wire: dict[str, Any]) -> Figure:
        """The inverse of ``to_dict``."""
        p = float(wire["p"]) if "p" in wire else None
        return cls(float(wire["value"]), float(wire["low"]), float(wire["high"]), int(wire["n"]), p)


def bootstrap_mean(
    values: Sequence[float],
    cases: Sequence[Hashable],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Figure:
    """The mean over answers, every answer weighing the same.

    Args:
        values: (N,) one number per answer.
        cases: (N,) which case each answer is about.
        seed: of the resampling.
        n_resamples: B.

    Raises:
        RecordError: there is no answer, or not one case per answer.
    """
    owner, n_cases = _owners(cases, len(values))
    numbers = np.asarray(values, dtype=np.float64)
    sums = np.bincount(owner, weights=numbers, minlength=n_cases)
    counts = np.bincount(owner, minlength=n_cases).astype(np.float64)
    return _figure(
        float(numbers.mean()),
        lambda times: (times @ sums) / (times @ counts),
        n_cases,
        width=n_cases,
        seed=seed,
        n_resamples=n_resamples,
    )


def bootstrap_difference(
    differences: Sequence[float],
    cases: Sequence[Hashable],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    n_flips: int = N_FLIPS,
) -> Figure:
    """The mean of paired differences, and how probable one as large is where there is none.

    The probability is of a test by flipping signs (Fisher's): if nobody is better, a case's
    differences might as well have been the other way round, all of them together. It is two-sided,
    and at least 1 / (n_flips + 1).

    Args:
        differences: (N,) one number per question that both were asked.
        cases: (N,) which case each question is about.
        seed: of the resampling and the flips.
        n_resamples: B.
        n_flips: how often signs are drawn.

    Raises:
        RecordError: there is no difference, or not one case per difference.
    """
    figure = bootstrap_mean(differences, cases, seed=seed, n_resamples=n_resamples)
    owner, n_cases = _owners(cases, len(differences))
    sums = np.bincount(owner, weights=np.asarray(differences, np.float64), minlength=n_cases)
    rng = np.random.default_rng(seed)
    as_large, block = 0, max(1, _MAX_VALUES // n_cases)
    least = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())  # what rounding may take
    for start in range(0, n_flips, block):
        flips = rng.integers(2, size=(min(block, n_flips - start), n_cases)) * 2 - 1
        as_large += int((np.abs(flips @ sums) >= least).sum())
    return replace(figure, p=(1 + as_large) / (1 + n_flips))


def bootstrap_auc(
    scores: Sequence[float],
    liked: Sequence[bool],
    cases: Sequence[Hashable],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Figure:
    """The pooled AUC; a drawn case brings all its liked and disliked scores along.

    Args:
        scores: (N,) probabilities.
        liked: (N,) what the target said.
        cases: (N,) which case each answer is about.
        seed: of the resampling.
        n_resamples: B; those that lack one kind are left out.

    Raises:
        RecordError: there is no answer, not one case per answer, or only one kind.
    """
    owner, n_cases = _owners(cases, len(scores))
    kinds = np.asarray(liked, dtype=bool)
    value = auc(scores, kinds)
    if np.isnan(value):
        raise RecordError("an AUC needs liked and disliked answers; only one kind is there")
    order = np.argsort(np.asarray(scores, dtype=np.float64), kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(scores, dtype=np.float64)[order], prepend=np.nan))
    owner, kinds = owner[order], kinds[order]
    return _figure(
        value,
        lambda times: _weighted_auc(times[:, owner], kinds, starts),
        n_cases,
        width=len(owner),
        seed=seed,
        n_resamples=n_resamples,
    )


def bootstrap_calibration(
    scores: Sequence[float],
    liked: Sequence[bool],
    cases: Sequence[Hashable],
    *,
    n_bins: int = 10,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Figure:
    """Expected calibration error: how far, on average, the share of yes in a bin of probabilities
    lies from the mean probability there (Naeini et al., AAAI 2015); bins of equal width.

    Absolute values make the error of few answers too large, and that of their resamples larger
    still. So the interval is moved by as much as resamples lie above the figure on average; the
    figure is not, and is itself above what many answers would say.

    Args:
        scores: (N,) probabilities of yes.
        liked: (N,) what the target said.
        cases: (N,) which case each answer is about.
        n_bins: from 0 to 1.
        seed: of the resampling.
        n_resamples: B.

    Raises:
        RecordError: there is no answer, or not one case per answer.
    """
    owner, n_cases = _owners(cases, len(scores))
    numbers = np.asarray(scores, dtype=np.float64)
    bins = np.minimum((numbers * n_bins).astype(np.int64), n_bins - 1)
    excess = np.zeros((n_cases, n_bins))  # of probability over yes
    np.add.at(excess, (owner, bins), numbers - np.asarray(liked, dtype=np.float64))
    counts = np.bincount(owner, minlength=n_cases).astype(np.float64)
    return _figure(
        float(np.abs(excess.sum(axis=0)).sum() / len(numbers)),
        lambda times: np.abs(times @ excess).sum(axis=1) / (times @ counts),
        n_cases,
        width=n_cases,
        seed=seed,
        n_resamples=n_resamples,
        biased=True,
    )


def bootstrap_skill(
    values: npt.ArrayLike,
    floor: npt.ArrayLike,
    ceiling: npt.ArrayLike,
    cases: Sequence[Hashable],
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Figure:
    """Where a mean stands between two others over the same answers: 0 at the floor, 1 at the
    ceiling. A drawn case brings all three along.

    Args:
        values, floor, ceiling: (N,) one number per answer each.
        cases: (N,) which case each answer is about.
        seed: of the resampling.
        n_resamples: B; those whose ceiling is not above the floor are left out.

    Raises:
        RecordError: there is no answer, not one case per answer, or the ceiling is not above the
            floor.
    """
    numbers = np.stack([np.asarray(v, dtype=np.float64) for v in (values, floor, ceiling)])
    owner, n_cases = _owners(cases, numbers.shape[1])
    sums = np.stack([np.bincount(owner, weights=row, minlength=n_cases) for row in numbers])
    own, low, high = sums.sum(axis=1)
    if high <= low:
        raise RecordError("a skill needs a ceiling above its floor")

    def skill(times: Floats) -> Floats:
        means = times @ sums.T  # (b, 3), all three over as many answers
        room = means[:, 2] - means[:, 1]
        unknown = np.full(len(means), np.nan)
        return np.divide(means[:, 0] - means[:, 1], room, out=unknown, where=room > 0)

    value = float((own - low) / (high - low))
    return _figure(value, skill, n_cases, width=n_cases, seed=seed, n_resamples=n_resamples)


def bootstrap_table(
    rows: Sequence[int],
    columns: Sequence[int],
    cases: Sequence[Hashable],
    statistic: Callable[[Floats], Floats],
    *,
    n_levels: int,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Figure | None:
    """A statistic of how often two answers fall together; None where it is not defined.

    Args:
        rows, columns: (N,) two answers to the same question, each 0 to ``n_levels`` - 1.
        cases: (N,) which case each question is about.
        statistic: (b,) of (b, n_levels, n_levels) counts; NaN where it is not defined.
        n_levels: of the answers.
        seed: of the resampling.
        n_resamples: B; those in which the statistic is not defined are left out.

    Raises:
        RecordError: there is no answer, or not one case per answer.
    """
    owner, n_cases = _owners(cases, len(rows))
    counts = np.zeros((n_cases, n_levels, n_levels))
    np.add.at(counts, (owner, np.asarray(rows), np.asarray(columns)), 1.0)
    flat = counts.reshape(n_cases, -1)

    def of_resamples(times: Floats) -> Floats:
        return statistic((times @ flat).reshape(-1, n_levels, n_levels))

    value = float(statistic(counts.sum(axis=0)[None])[0])
    if np.isnan(value):
        return None
    width = n_levels * n_levels
    return _figure(value, of_resamples, n_cases, width=width, seed=seed, n_resamples=n_resamples)


def _weighted_auc(weights: Floats, liked: npt.NDArray[np.bool_], starts: Ints) -> Floats:
    """AUC of each row of weights.

    Args:
        weights: (B, N) how often each answer was drawn, answers by rising score.
        liked: (N,) in the same order.
        starts: (L,) where each run of equal scores begins.
    """
    positive = np.add.reduceat(weights * liked, starts, axis=1)  # (B, L)
    negative = np.add.reduceat(weights * ~liked, starts, axis=1)  # (B, L)
    below = np.cumsum(negative, axis=1) - 0.5 * negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    won = (positive * below).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full_like(won, np.nan), where=pairs > 0))


def widened(figure: Figure, among: int) -> tuple[float, float]:
    """Bounds of a figure that is one of several looked at together: all of them hold with 95 %
    (Bonferroni, each side as far as a normal interval's would go).

    Args:
        figure: with its own interval.
        among: how many there are, itself included.
    """
    normal = NormalDist()
    further = normal.inv_cdf(_TAILS[0] / max(1, among)) / normal.inv_cdf(_TAILS[0])
    return (
        figure.value - further * (figure.value - figure.low),
        figure.value + further * (figure.high - figure.value),
    )


def _owners(cases: Sequence[Hashable], n_answers: int) -> tuple[Ints, int]:
    """(N,) number of each answer's case, and how many cases there are."""
    if len(cases) != n_answers or not n_answers:
        raise RecordError(f"{n_answers} answers about {len(cases)} cases; expected one each")
    # Numbered by name, so that the intervals do not depend on the order of the answers.
    numbers = {case: number for number, case in enumerate(sorted(set(cases), key=repr))}
    return np.asarray([numbers[case] for case in cases], dtype=np.int64), len(numbers)


def _resamples(n_cases: int, width: int, seed: int, n_resamples: int) -> Iterable[Floats]:
    """Blocks of (b, C): how often each case was drawn in each of b resamples, B in all."""
    block = max(1, _MAX_VALUES // max(n_cases, width))
    if block < n_resamples:
        return _drawn(n_cases, block, seed, n_resamples)
    return _kept_resamples(n_cases, seed, n_resamples)


@lru_cache(maxsize=2)
def _kept_resamples(n_cases: int, seed: int, n_resamples: int) -> tuple[Floats, ...]:
    """All in one block; many figures are of the same cases."""
    return tuple(_drawn(n_cases, n_resamples, seed, n_resamples))


def _drawn(n_cases: int, block: int, seed: int, n_resamples: int) -> Iterator[Floats]:
    """Blocks of (b, C)."""
    rng = np.random.default_rng(seed)
    for start in range(0, n_resamples, block):
        b = min(block, n_resamples - start)
        drawn = rng.integers(n_cases, size=(b, n_cases)) + n_cases * np.arange(b)[:, None]
        times = np.bincount(drawn.ravel(), minlength=b * n_cases)
        yield times.reshape(b, n_cases).astype(np.float64)


def _figure(
    value: float,
    statistic: Callable[[Floats], Floats],
    n_cases: int,
    *,
    width: int,
    seed: int,
    n_resamples: int,
    biased: bool = False,
) -> Figure:
    """A figure with the BCa interval of a statistic; widened to the value itself where rounding or
    a rare case left it outside.

    Args:
        value: the statistic of all cases, once each.
        statistic: (b,) of (b, C) how often each case was drawn; NaN where it is not defined.
        n_cases: C.
        width: of what the statistic makes of a row.
        seed: of the resampling.
        n_resamples: B.
        biased: resamples lie above the value: percentiles, moved by their mean, and from 0 up.
    """
    resamples = _resamples(n_cases, width, seed, n_resamples)
    drawn = np.concatenate([statistic(times) for times in resamples])
    drawn = drawn[~np.isnan(drawn)]
    if biased:
        low, high = np.maximum(0.0, np.quantile(drawn, _TAILS) - drawn.mean() + value)
        return Figure(value, min(float(low), value), max(float(high), value), n_cases)
    shares = _corrected(value, drawn, statistic, n_cases, width) if n_cases > 1 else _TAILS
    low, high = np.quantile(drawn, shares) if len(drawn) else (value, value)
    return Figure(value, min(float(low), value), max(float(high), value), n_cases)


def _corrected(
    value: float, drawn: Floats, statistic: Callable[[Floats], Floats], n_cases: int, width: int
) -> tuple[float, float]:
    """Which quantiles of the resamples bound the interval (Efron & Tibshirani 1993, 14.9 to 14.15):
    the bias is how far their median lies from the value, the acceleration is how skewed the
    statistic is when each case is left out in turn."""
    alike = np.abs(drawn - value) <= _ROUNDING * max(1.0, abs(value))
    below = float((~alike & (drawn < value)).mean() + alike.mean() / 2) if len(drawn) else 0.0
    if not 0 < below < 1 or alike.all():
        return _TAILS
    acceleration = 0.0
    groups = np.arange(n_cases) * min(n_cases, _MOST_LEFT_OUT) // n_cases
    block = max(1, _MAX_VALUES // max(n_cases, width))
    left_out = np.concatenate([
        statistic((groups != np.arange(start, end)[:, None]).astype(np.float64))
        for start in range(0, int(groups[-1]) + 1, block)
        for end in [min(start + block, int(groups[-1]) + 1)]
    ])  # fmt: skip
    influence = np.nanmean(left_out) - left_out[~np.isnan(left_out)]
    squares = float((influence**2).sum())
    if squares > 0:
        acceleration = float((influence**3).sum()) / (6 * squares**1.5)
    bias = _NORMAL.inv_cdf(below)
    found = []
    for tail in _TAILS:
        moved = bias + _NORMAL.inv_cdf(tail)
        if (room := 1 - acceleration * moved) <= 0:
            return _TAILS
        found.append(_NORMAL.cdf(bias + moved / room))
    # Rounded, so that intervals do not depend on the order in which answers were added up.
    return round(found[0], 6), round(found[1], 6)
