"""Whether one answerer is better than others: differences over the very same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from innerview.alignment.records import Record
from innerview.evaluation.answers import AnswerValue, judged_answers
from innerview.evaluation.bootstrap import Figure, bootstrap_difference

__all__ = ["paired_differences"]

Answers = tuple[Sequence[Record], Sequence[AnswerValue]]
"""Questions, and one answer to each."""


def paired_differences(
    answered: Mapping[str, Answers], *, of: str, seed: int = 0
) -> dict[str, dict[str, Figure]]:
    """What an answerer's answers are worth, less each other's, by metric.

    Only questions that both were asked count. Probabilities are corrected for their number, all
    others and all metrics together (Holm, 1979). AUC and calibration are no means over answers, and
    are left out. That no difference is told from chance does not prove that there is none; its
    interval says how large it may be.

    Args:
        answered: by name, questions and answers.
        of: whose.
        seed: of resampling.

    Raises:
        RecordError: numbers of questions and answers differ, or a value does not fit its task.
    """
    own = judged_answers(*answered[of])
    found: dict[tuple[str, str], Figure] = {}
    for other, asked in answered.items():
        if other == of:
            continue
        for metric, judged in judged_answers(*asked).items():
            worth = {one.question: one.worth for one in judged}
            pairs = [
                (one.worth - worth[one.question], one.cluster)
                for one in own.get(metric, [])
                if one.question in worth
            ]
            if pairs:
                differences, clusters = zip(*pairs, strict=True)
                found[other, metric] = bootstrap_difference(differences, clusters, seed=seed)
    corrected = _holm({key: figure.p or 0.0 for key, figure in found.items()})
    told: dict[str, dict[str, Figure]] = {}
    for (other, metric), figure in found.items():
        told.setdefault(other, {})[metric] = replace(figure, p=corrected[other, metric])
    return told


def _holm(found: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Step-down: the smallest times how many there are, the next times one less, never falling."""
    corrected: dict[tuple[str, str], float] = {}
    least = 0.0
    for place, key in enumerate(sorted(found, key=lambda one: found[one])):
        least = max(least, min(1.0, found[key] * (len(found) - place)))
        corrected[key] = least
    return corrected
