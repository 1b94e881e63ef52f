"""What raters make of explanations, people and models alike.

A rating of 0 says that the text gives another decision than the target's. So the mean is told once
more of those that give the right one, or accuracy would pass for quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from innerview.evaluation.bootstrap import Figure, bootstrap_difference, bootstrap_mean
from innerview.evaluation.differences import holm
from innerview.evaluation.rater_agreement import agreement_figures
from innerview.evaluation.rubric import LEVELS, Rating, Shown

__all__ = [
    "Ratings",
    "Texts",
    "agreements",
    "mean_difference",
    "rating_differences",
    "rating_figures",
]

Texts = Mapping[str, Sequence[Shown]]
"""By explainer, its texts; the n-th of each is about the same case and outcome."""
Ratings = Mapping[str, Rating]
"""By id of what was shown."""


def rating_figures(shown: Sequence[Shown], ratings: Ratings, *, seed: int = 0) -> dict[str, Figure]:
    """What one rater makes of one explainer's texts.

    ``mean``
        of the levels;
    ``level_0`` to ``level_3``
        share of each;
    ``mean_if_right``
        of those above 0.

    Empty where nothing is rated.
    """
    rated = [(ratings[one.id].level, one.case_id) for one in shown if one.id in ratings]
    if not rated:
        return {}
    levels, cases = zip(*rated, strict=True)
    figures = {"mean": bootstrap_mean(levels, cases, seed=seed)}
    for level in range(len(LEVELS)):
        there = [float(own == level) for own in levels]
        figures[f"level_{level}"] = bootstrap_mean(there, cases, seed=seed)
    if any(levels):
        right, cases = zip(*(one for one in rated if one[0]), strict=True)
        figures["mean_if_right"] = bootstrap_mean(right, cases, seed=seed)
    return figures


def rating_differences(
    texts: Texts, raters: Mapping[str, Ratings], *, seed: int = 0
) -> dict[str, dict[str, dict[str, Figure]]]:
    """By rater, explainer and other explainer: how much higher the first is rated on the same
    cases. Probabilities are corrected for all of them together (Holm, 1979)."""
    found: dict[tuple[str, str, str], Figure] = {}
    for rater, ratings in raters.items():
        for one, other in combinations(texts, 2):
            figure = mean_difference(texts[one], texts[other], ratings, seed=seed)
            if figure is not None:
                found[rater, one, other] = figure
    told: dict[str, dict[str, dict[str, Figure]]] = {}
    for (rater, one, other), figure in holm(found).items():
        told.setdefault(rater, {}).setdefault(one, {})[other] = figure
    return told


def mean_difference(
    ones: Sequence[Shown], others: Sequence[Shown], ratings: Ratings, *, seed: int = 0
) -> Figure | None:
    """How much higher the first are rated than the second, one by one, where both are; None where
    no two are."""
    pairs = [
        (float(ratings[a.id].level - ratings[b.id].level), a.case_id)
        for a, b in zip(ones, others, strict=True)
        if a.id in ratings and b.id in ratings
    ]
    if not pairs:
        return None
    differences, cases = zip(*pairs, strict=True)
    return bootstrap_difference(differences, cases, seed=seed)


def agreements(
    texts: Texts, raters: Mapping[str, Ratings], *, seed: int = 0
) -> dict[str, dict[str, dict[str, Figure]]]:
    """By rater and other rater what ``agreement_figures`` says, where both have rated a text."""
    cases = {one.id: one.case_id for own in texts.values() for one in own}
    levels = {
        rater: {text: rating.level for text, rating in ratings.items() if text in cases}
        for rater, ratings in raters.items()
    }
    told: dict[str, dict[str, dict[str, Figure]]] = {}
    for one, other in combinations(raters, 2):
        figures = agreement_figures(levels[one], levels[other], cases, seed=seed)
        if figures:
            told.setdefault(one, {})[other] = figures
    return told
