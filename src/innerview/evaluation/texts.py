"""All that is measured of explanations as texts, whoever made them, and when not to believe it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from innerview.evaluation.bootstrap import Figure, widened
from innerview.evaluation.choices import WordReader, chosen
from innerview.evaluation.discriminators import foretold_scores
from innerview.evaluation.fidelity import CONTROL_LIMIT
from innerview.evaluation.given import Given, foreign_figures, given_figures
from innerview.evaluation.numbers import Truths, number_figures
from innerview.evaluation.simulatability import simulated_changes
from innerview.explanation.evidence import Evidence
from innerview.targets.protocol import Target

__all__ = ["can_read", "failed_readers", "text_measures"]


def can_read() -> bool:
    """Whether there is what readers are made with."""
    return find_spec("sklearn") is not None


def text_measures(
    given: Sequence[Given],
    evidence: Sequence[Evidence],
    target: Target,
    *,
    known: Truths | None = None,
    seed: int = 0,
) -> dict[str, Figure]:
    """What texts are like, whether what they name and count is there, and, where there is
    scikit-learn, what a reader learns from them.

    Args:
        given: N explanations.
        evidence: of each, with every part left out in turn.
        target: is asked for what bears numbers out, and scores each whole case.
        known: as of ``number_figures``.
        seed: of folds, candidates, controls and intervals.
    """
    figures = given_figures(given, seed=seed)
    figures |= foreign_figures(given, target, seed=seed)
    figures |= number_figures(given, target, known=known, seed=seed)
    if can_read():
        figures |= simulated_changes(given, evidence, target, seed=seed)
        figures |= foretold_scores(given, evidence, target, seed=seed)
        figures |= chosen(given, target, WordReader(target, seed=seed), seed=seed)
    return figures


def failed_readers(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What speaks against believing any reader: controls, told another case's text, that are surely
    better than whoever is told nothing, by more than ``CONTROL_LIMIT``, for how many are looked at.

    Whoever is told nothing: of two candidates has one in two right, or as many as are right by what
    is liked in general; foresees what falls from the number of parts; takes every score for the
    mean.

    Args:
        figures: by explainer; those that no reader has read do not matter.
    """
    asked = [
        (f"{name}: {control}", own[control], level, sign)
        for name, own in figures.items()
        for control, level, sign in _levels(own)
    ]
    found = []
    for told, one, level, sign in asked:
        low, high = widened(one, len(asked))
        # The worse end of the interval; of errors that is the upper one.
        if min(sign * low, sign * high) > sign * level + CONTROL_LIMIT:
            within = f"{one.value:.2f} [{low:.2f}, {high:.2f}]"
            found.append(f"{told} is {within}, without text {level:.2f}")
    return found


def _levels(figures: Mapping[str, Figure]) -> Iterator[tuple[str, float, int]]:
    """Controls that were measured, what whoever is told nothing has, and whether more is better (1)
    or less (-1)."""
    for reader in ("chosen", "language"):
        # Of five, who knows nothing may be right more often than in one of five; see ``chosen``.
        for kind, told in (("same", "_beats"), ("unseen", "")):
            if (control := f"{reader}_{kind}_shuffled{told}") in figures:
                liked = figures[f"{reader}_{kind}_liked{told}"].value
                yield control, max(0.5, liked), 1
    if "simulated_shuffled" in figures:
        yield "simulated_shuffled", max(0.5, figures["simulated_without_text"].value), 1
    if "score_error_shuffled" in figures:
        yield "score_error_shuffled", figures["score_error_mean"].value, -1
