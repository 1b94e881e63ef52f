"""How far two raters agree: Cohen's kappa, plain and weighted, and Spearman's rho.

Kappa (Cohen, 1960) is agreement beyond what the raters' own habits would bring about by chance: 0
is that, 1 is agreement throughout. Weighted (Cohen, 1968), a disagreement by two levels counts four
times one by a single level.

Axes: b tables, L levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from innerview.evaluation.bootstrap import Figure, Floats, bootstrap_mean, bootstrap_table
from innerview.evaluation.rubric import LEVELS

__all__ = ["STATISTICS", "agreement_figures"]

_L = len(LEVELS)
_STEPS = np.subtract.outer(np.arange(_L), np.arange(_L)).astype(np.float64)


def agreement_figures(
    one: Mapping[str, int], other: Mapping[str, int], cases: Mapping[str, str], *, seed: int = 0
) -> dict[str, Figure]:
    """Agreement over what both have rated.

    ``same``
        share of equal ratings;
    ``kappa``, ``weighted_kappa``
        see above; left out where both know one level only;
    ``spearman``
        correlation of ranks, equal ratings sharing theirs; left out where one of them knows one
        level only;
    ``texts``
        how many both have rated, a number without interval.

    Empty where that is nothing. Intervals resample cases, which ``n`` counts.

    Args:
        one, other: levels by id.
        cases: which case each id is about.
        seed: of the resampling.
    """
    both = sorted(one.keys() & other.keys())
    if not both:
        return {}
    first, second = [one[text] for text in both], [other[text] for text in both]
    owners = [cases[text] for text in both]
    same = [float(a == b) for a, b in zip(first, second, strict=True)]
    figures = {"same": bootstrap_mean(same, owners, seed=seed)}
    for name, statistic in STATISTICS.items():
        figure = bootstrap_table(first, second, owners, statistic, n_levels=_L, seed=seed)
        if figure is not None:
            figures[name] = figure
    n = float(len(both))
    return figures | {"texts": Figure(n, n, n, len(set(owners)))}


def _kappa(weights: Floats) -> Callable[[Floats], Floats]:
    """One less the disagreement there is by that which chance would bring about.

    Args:
        weights: (L, L) what each disagreement counts; 0 on the diagonal.
    """

    def kappa(tables: Floats) -> Floats:
        by_chance = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :]
        found = (weights * tables).sum(axis=(1, 2)) * tables.sum(axis=(1, 2))
        return np.asarray(1.0 - _ratio(found, (weights * by_chance).sum(axis=(1, 2))))

    return kappa


def _spearman(tables: Floats) -> Floats:
    """Pearson's correlation of the ranks that the levels have in each table."""
    first, second = (_ranks(tables.sum(axis=axis)) for axis in (2, 1))  # (b, L) each
    together = np.einsum("bij,bi,bj->b", tables, first, second)
    squares = [
        np.einsum("bi,bi->b", tables.sum(axis=axis), ranks**2)
        for axis, ranks in ((2, first), (1, second))
    ]
    return _ratio(together, np.sqrt(squares[0] * squares[1]))


def _ranks(counts: Floats) -> Floats:
    """(b, L) mean rank of each level, from the middle of all ranks."""
    middles = np.cumsum(counts, axis=1) - counts / 2
    return np.asarray(middles - counts.sum(axis=1, keepdims=True) / 2)


def _ratio(above: Floats, below: Floats) -> Floats:
    unknown = np.full_like(above, np.nan)
    return np.asarray(np.divide(above, below, out=unknown, where=below > 0))


STATISTICS: Mapping[str, Callable[[Floats], Floats]] = {
    "kappa": _kappa((_STEPS != 0).astype(np.float64)),
    "weighted_kappa": _kappa(_STEPS**2),
    "spearman": _spearman,
}
"""By name, each (b,) of (b, L, L) counts of how often two raters' levels fall together; NaN where
it is not defined."""
