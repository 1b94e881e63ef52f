"""What ``judges.json`` says, as rows of a table and sentences; for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.rubric import LEVELS

__all__ = ["JUDGE", "PEOPLE", "JudgeRow", "believed", "judge_notes", "judge_rows"]

JUDGE, PEOPLE = "judge", "people"
"""What the model is called among raters, and all others together."""

_AGREEMENT = ("kappa", "weighted_kappa", "spearman")


@dataclass(frozen=True, slots=True)
class JudgeRow:
    """What one rater makes of one explainer.

    Attributes:
        rater, explainer: names.
        mean: or ``not run``, and nothing else; as there is no such rater.
        interval: of the mean.
        if_right: mean of the texts that give the right decision.
        levels: share of each.
        n: cases.
    """

    rater: str
    explainer: str = ""
    mean: str = "not run"
    interval: str = ""
    if_right: str = ""
    levels: tuple[str, ...] = ("",) * len(LEVELS)
    n: str = ""


def judge_rows(metrics: Mapping[str, Any]) -> list[JudgeRow]:
    """Ratings by rater and explainer; raters that there are none of say so.

    Args:
        metrics: as ``read_metrics`` reads ``judges.json``.
    """
    rows = [
        _row(rater, explainer, figures)
        for rater, own in metrics["judges"]["ratings"].items()
        for explainer, figures in own.items()
    ]
    missing = metrics["meta"]["not_run"]
    return rows + [JudgeRow(rater) for rater in (JUDGE, PEOPLE) if rater in missing]


def _row(rater: str, explainer: str, figures: Mapping[str, Figure]) -> JudgeRow:
    mean, right = figures["mean"], figures.get("mean_if_right")
    return JudgeRow(
        rater,
        explainer,
        f"{mean.value:.2f}",
        f"[{mean.low:.2f}, {mean.high:.2f}]",
        "–" if right is None else f"{right.value:.2f}",
        tuple(f"{figures[f'level_{level}'].value:.2f}" for level in range(len(LEVELS))),
        f"{mean.n:,}",
    )


def judge_notes(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Differences, comparisons, agreement, whom to believe, and what was not run and why.

    Args:
        metrics: as ``read_metrics`` reads ``judges.json``.
    """
    found, meta = metrics["judges"], metrics["meta"]
    for rater, ones in found["differences"].items():
        for one, other, figure in _by_two(ones):
            yield f"{rater}: {one} less {other}: {_shown(figure)}, p {figure.p:.4f}"
    for one, other, own in _by_two(found.get("pairs", {})):
        if own:
            yield (
                f"{one} over {other}: win rate {_shown(own['win_rate'])}, ties "
                f"{own['ties'].value:.2f}, verdicts that change with the order "
                f"{own['flips'].value:.2f}, {own['flips'].n:,} cases"
            )
    for one, other, own in _by_two(found["agreement"]):
        known = [f"{name.replace('_', ' ')} {_shown(own[name])}" for name in _AGREEMENT
                 if name in own]  # fmt: skip
        same = f"same {own['same'].value:.2f} of {own['texts'].value:.0f} texts"
        yield f"{one} and {other}: {', '.join([*known, same])}"
    if (trusted := believed(metrics)) is not None:
        beyond = _shown(found["control"]["beyond_shuffled"])
        told = f"{JUDGE}: texts about their own case less those of another: {beyond}"
        yield told if trusted else f"{told}; it is not to be believed"
    if meta.get("unanswered"):
        yield f"{JUDGE}: {meta['unanswered']:,} questions never answered in form, and left out"
    if meta.get("by_words"):
        yield (
            f"{JUDGE}: {meta['by_words']:,} answers held to their form by words alone, not by the "
            "server, which takes no response_format"
        )
    for what, why in meta["not_run"].items():
        yield f"{what}: not run ({why})"


def believed(metrics: Mapping[str, Any]) -> bool | None:
    """Whether the model rates texts higher about their own case than about another; None where it
    was not asked."""
    beyond = metrics["judges"].get("control", {}).get("beyond_shuffled")
    return None if beyond is None else bool(beyond.low > 0)


def _by_two(tree: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    for one, others in tree.items():
        for other, found in others.items():
            yield one, other, found


def _shown(figure: Figure) -> str:
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"
