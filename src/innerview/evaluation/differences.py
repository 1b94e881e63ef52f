"""Whether one answerer is better than others: differences over the very same questions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from innerview.alignment.records import Record
from innerview.evaluation.answers import AnswerValue, judged_answers
from innerview.evaluation.bootstrap import Figure, bootstrap_difference

__all__ = ["holm", "paired_differences"]

Key = TypeVar("Key", bound=Hashable)

Answers = tuple[Sequence[Record], Sequence[AnswerValue]]
"""Questions, and one answer to each."""


def paired_differences(
    answered: Mapping[str, Answers], *, of: str, few: bool = False, seed: int = 0
) -> dict[str, dict[str, Figure]]:
    """What an answerer's answers are worth, less each other's, by metric.

    Only questions that both were asked count. Probabilities are corrected for their number, all
    others and all metrics together (Holm, 1979). AUC and calibration are no means over answers, and
    are left out. That no difference is told from chance does not prove that there is none; its
    interval says how large it may be.

    Args:
        answered: by name, questions and answers.
        of: whose.
        few: the target has five outcomes or fewer.
        seed: of resampling.

    Raises:
        RecordError: numbers of questions and answers differ, or a value does not fit its task.
    """
    own = judged_answers(*answered[of], few=few)
    found: dict[tuple[str, str], Figure] = {}
    for other, asked in answered.items():
        if other == of:
            continue
        for metric, judged in judged_answers(*asked, few=few).items():
            worth = {one.question: one.worth for one in judged}
            pairs = [
                (one.worth - worth[one.question], one.cluster)
                for one in own.get(metric, [])
                if one.question in worth
            ]
            if pairs:
                differences, clusters = zip(*pairs, strict=True)
                found[other, metric] = bootstrap_difference(differences, clusters, seed=seed)
    corrected = holm(found)
    told: dict[str, dict[str, Figure]] = {}
    for (other, metric), figure in corrected.items():
        told.setdefault(other, {})[metric] = figure
    return told


def holm(found: Mapping[Key, Figure]) -> dict[Key, Figure]:
    """Differences with their probabilities corrected for the number of them, by Holm's steps: the
    smallest times how many there are, the next times one less, never falling."""
    corrected: dict[Key, Figure] = {}
    least = 0.0
    for place, key in enumerate(sorted(found, key=lambda one: found[one].p or 0.0)):
        least = max(least, min(1.0, (found[key].p or 0.0) * (len(found) - place)))
        corrected[key] = replace(found[key], p=least)
    return {key: corrected[key] for key in found}
