"""What judgements are worth over the target's whole ranking, and whether their odds are true.

Ordinary interest questions are about the best fifth and the worst half of a ranking. What lies
between is neither liked nor disliked, and a cut there, at the median or anywhere else, would be
ours and not the target's. So over tenths of the ranking no single answer is called right: yes must
be said the less often the worse the tenth, and of two outcomes of a case the target's order is the
truth. In the first two tenths the share of yes is accuracy, in the last five what it lacks of 1.

Axes: N answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from innerview.alignment.records import DECILE, Record
from innerview.errors import RecordError
from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.metrics import log_odds

__all__ = ["BINS", "calibration_bins", "decile_figures"]

BINS = 10
"""Of probabilities, of equal width."""


def decile_figures(
    records: Sequence[Record], values: Sequence[float], *, seed: int = 0
) -> dict[str, dict[str, Figure]]:
    """Figures by tenth of the target's ranking, ``1`` being the best.

    ``yes``
        share of its outcomes that were judged yes, from a probability of one half on;
    ``order``
        share of pairs with the case's outcomes of other tenths that are in the target's order,
        equal odds counting half: the AUC of telling this tenth from the rest, within cases. 0.5 by
        chance;
    ``log_odds``
        mean of the log-odds of yes, in nats.

    Args:
        records: (N,) what ``decile_records`` made.
        values: (N,) probabilities of yes.
        seed: of the intervals.

    Raises:
        RecordError: the numbers differ.
    """
    by_case: dict[str, dict[int, float]] = defaultdict(dict)
    for record, value in _pairs(records, values):
        by_case[record.case_id][record.label[DECILE]] = value
    found: dict[str, dict[str, Figure]] = {}
    for name, measure in _MEASURES.items():
        told: dict[int, dict[str, float]] = defaultdict(dict)
        for case, own in by_case.items():
            for tenth in own:
                if (worth := measure(own, tenth)) is not None:
                    told[tenth][case] = worth
        found[name] = {
            str(tenth): bootstrap_mean([*told[tenth].values()], [*told[tenth]], seed=seed)
            for tenth in sorted(told)
        }
    return found


def calibration_bins(
    records: Sequence[Record], values: Sequence[float], *, seed: int = 0
) -> dict[str, dict[str, Figure]]:
    """By bin of probabilities of yes, ``1`` being the lowest: the mean ``probability`` in it, and
    the share of its outcomes that the target likes, ``liked``. Bins without an answer are absent.

    Args:
        records: (N,) interest questions, about the best fifth and the worst half.
        values: (N,) probabilities of yes.
        seed: of the intervals.

    Raises:
        RecordError: the numbers differ.
    """
    bins: dict[int, list[tuple[Record, float]]] = defaultdict(list)
    for record, value in _pairs(records, values):
        bins[min(int(value * BINS), BINS - 1) + 1].append((record, value))
    found: dict[str, dict[str, Figure]] = {}
    for number, own in sorted(bins.items()):
        cases = [record.case_id for record, _ in own]
        liked = [float(record.label["liked"]) for record, _ in own]
        found[str(number)] = {
            "probability": bootstrap_mean([value for _, value in own], cases, seed=seed),
            "liked": bootstrap_mean(liked, cases, seed=seed),
        }
    return found


def _pairs(records: Sequence[Record], values: Sequence[float]) -> Iterator[tuple[Record, float]]:
    if len(records) != len(values):
        raise RecordError(f"{len(values)} answers to {len(records)} records; expected one each")
    return zip(records, values, strict=True)


def _in_order(own: Mapping[int, float], tenth: int) -> float | None:
    """None where the case has no other outcome to compare with."""
    won = [
        0.5 if own[other] == own[tenth] else float((own[other] < own[tenth]) == (other > tenth))
        for other in own
        if other != tenth
    ]
    return sum(won) / len(won) if won else None


_MEASURES: Mapping[str, Callable[[Mapping[int, float], int], float | None]] = {
    "yes": lambda own, tenth: float(own[tenth] >= 0.5),
    "order": _in_order,
    "log_odds": lambda own, tenth: log_odds(own[tenth]),
}
