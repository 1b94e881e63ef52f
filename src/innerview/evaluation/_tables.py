"""The report's tables as plain values: text, and geometry for small drawings; no markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from innerview.evaluation.answers import METRICS
from innerview.evaluation.bootstrap import Figure
from innerview.explanation.claims import CLAIM_TYPES, Verdict
from innerview.explanation.explanation import Explanation

__all__ = [
    "FIDELITY_METRICS",
    "FLOORS",
    "FORM_NAMES",
    "METHODS",
    "Cell",
    "Drivers",
    "Row",
    "Tally",
    "alignment_table",
    "channel_table",
    "difference_table",
    "driver_tables",
    "fidelity_table",
    "methods_shown",
    "verdict_groups",
]

METHODS: Mapping[str, str] = {
    "behavior": "text",
    "intention": "vectors",
    "hybrid": "text and vectors",
    "unaligned": "not aligned",
    "in_context": "shown two examples",
    "distilled": "small student",
    "popularity": "most popular",
    "constant": "target's favourites",
    "random": "chance",
}
"""Columns of the alignment table, and what each answers from."""

FLOORS: tuple[str, ...] = ("popularity", "constant", "random")
"""Those that answer alike about every case."""

FORM_NAMES: Mapping[str, str] = {
    "behavior": "Text only",
    "intention": "Vectors only",
    "hybrid": "Text and vectors",
}

_LABELS: Mapping[str, str] = {
    "retrieval_hr5": "Retrieval, HR@5",
    "retrieval_ndcg5": "Retrieval, NDCG@5",
    "retrieval_overlap5": "Retrieval, overlap of fives",
    "retrieval_rbo5": "Retrieval, rank-biased overlap",
    "ranking_ndcg5_reference": "Ranking, NDCG@5, reference gains",
    "ranking_ndcg5": "Ranking, NDCG@5, linear gains",
    "ranking_kendall": "Ranking, Kendall's tau",
    "interest_accuracy": "Interest, accuracy",
    "interest_auc": "Interest, AUC",
    "interest_calibration_error": "Interest, calibration error (less is better)",
    "history_recall": "History, recall",
    "history_order_recall": "History, recall in order",
    "history_precision": "History, precision",
    "item_recovery": "Item recovery",
    "attribution_accuracy": "Strongest part, accuracy",
    "interest_accuracy_heldout_items": "Interest, accuracy, held-out items",
    "interest_auc_heldout_items": "Interest, AUC, held-out items",
    "ranking_kendall_heldout_items": "Ranking, Kendall's tau, held-out items",
}

_LESS_IS_BETTER = frozenset({"interest_calibration_error"})

_CHANNEL_METRICS = ("shift", "preference")

_CHANGES: Mapping[str, str] = {
    "unchanged": "nothing",
    "vectors_swapped": "vectors, for the other case's",
    "text_swapped": "titles, for the other case's",
    "both_swapped": "both, for the other case's",
    "vectors_zero": "vectors, for zeros",
    "vectors_random": "vectors, for random ones",
}

FIDELITY_METRICS: Mapping[str, str] = {
    "necessity_skill": "necessity",
    "necessity_five_skill": "necessity of five",
    "sufficiency_skill": "sufficiency of five",
    "deletion_skill": "deletion",
    "insertion_skill": "insertion",
    "verified_share": "verified",
    "coverage": "coverage",
    "ungrounded": "ungrounded",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure as a table shows it.

    Attributes:
        value, interval: for people.
        best: the best of its row.
        at, low, width: places on a track from 0 to 100; None where the metric has no fixed ends.
    """

    value: str
    interval: str
    n: int
    best: bool = False
    at: float | None = None
    low: float = 0.0
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled row; ``name`` is the key in ``metrics.json``. None is a cell without figure."""

    label: str
    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often claims of one kind got each verdict."""

    label: str
    verified: int
    refuted: int
    untestable: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.verified + self.refuted + self.untestable

    @property
    def share(self) -> str:
        """Verified among those that could be tested."""
        testable = self.verified + self.refuted
        return f"{self.verified / testable:.0%}" if testable else "–"


@dataclass(frozen=True, slots=True)
class Drivers:
    """What first place hangs on, over many cases, as tables show it.

    Attributes:
        n_cases: how many.
        facts: label, figure of all, of those with the fewest parts, of the others.
        parts: title, cases decided alone and with others, cases that hold it, the two shares in
            percent.
        groups: attribute and value, for, against, cases it was tried in, the two shares.
        outcomes: title, cases it comes first for, and what decides most often for it.
    """

    n_cases: int
    facts: tuple[tuple[str, ...], ...]
    parts: tuple[tuple[str, int, int, int, float, float], ...]
    groups: tuple[tuple[str, int, int, int, float, float], ...]
    outcomes: tuple[tuple[str, int, str], ...]


_DRIVEN: Mapping[str, str] = {
    "one_part": "First place is lost without one part",
    "several_parts": "Only without some together",
    "no_part": "Without none that was tried",
    "enough": "Parts that keep it near the top, mean",
}
_DRIVERS = 10


def driver_tables(found: Mapping[str, Any]) -> Drivers | None:
    """What ``overview`` counted; None where it did not."""
    if not found:
        return None
    of_whom = [found[name] for name in ("figures", "few_parts", "many_parts")]
    return Drivers(
        n_cases=found["n_cases"],
        facts=tuple(
            (label, *(_two_decimals(own.get(name)) for own in of_whom))
            for name, label in _DRIVEN.items()
        ),
        parts=tuple(
            (
                d["title"],
                d["decides"],
                d["helps_decide"],
                d["present"],
                _percent(d["decides"], d["present"]),
                _percent(d["helps_decide"], d["present"]),
            )
            for d in found["parts"][:_DRIVERS]
            if d["decides"] or d["helps_decide"]
        ),
        groups=tuple(
            (
                f"{d['attribute']} {d['value']}",
                d["speaks_for"],
                d["speaks_against"],
                d["tried"],
                _percent(d["speaks_for"], d["tried"]),
                _percent(d["speaks_against"], d["tried"]),
            )
            for d in found["groups"][:_DRIVERS]
        ),
        outcomes=tuple(
            (d["title"], d["cases"], "; ".join(f"{title} ({n})" for _, title, n in d["parts"]))
            for d in found["outcomes"][:_DRIVERS]
        ),
    )


def _two_decimals(figure: Mapping[str, float] | None) -> str:
    return "–" if figure is None else f"{figure['value']:.2f}"


def _percent(some: int, of: int) -> float:
    return round(100.0 * some / of, 1) if of else 0.0


def methods_shown(metrics: Mapping[str, Any]) -> dict[str, str]:
    """The methods that were asked, of ``METHODS`` and in their order."""
    asked = metrics.get("alignment", {})
    return {method: says for method, says in METHODS.items() if method in asked}


def alignment_table(metrics: Mapping[str, Any]) -> list[Row]:
    """One row per metric that any method has, one cell per method of ``methods_shown``."""
    branches = metrics.get("alignment", {})
    shown = methods_shown(metrics)
    rows = []
    for name in METRICS:
        found = [_figure(branches[method].get(name)) for method in shown]
        if any(found):
            ends = (-1.0, 1.0) if name.startswith("ranking_kendall") else (0.0, 1.0)
            best = min if name in _LESS_IS_BETTER else max
            rows.append(Row(_LABELS[name], name, _cells(found, ends, best)))
    return rows


def difference_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per metric: what text and vectors have over each of the others that
    know the case."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("differences", {})
    others = [name for name in METHODS if name in branches]
    rows = [
        Row(_LABELS[name], name, tuple(_cell(_figure(branches[o].get(name))) for o in others))
        for name in METRICS
        if any(name in branches[o] for o in others)
    ]
    return [METHODS[name] for name in others], rows


def fidelity_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings of the metrics that occur, and one row per method, in the order given."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("fidelity", {})
    names = [n for n in FIDELITY_METRICS if any(n in branch for branch in branches.values())]
    rows = [
        Row(
            method.replace("_", " "),
            method,
            tuple(_cell(_figure(branch.get(name))) for name in names),
        )
        for method, branch in branches.items()
    ]
    return [FIDELITY_METRICS[name] for name in names], rows


def channel_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per thing that was exchanged; no rows where nothing was."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("channels", {})
    rows = [
        Row(says, name, tuple(_cell(_figure(branches[name].get(m))) for m in _CHANNEL_METRICS))
        for name, says in _CHANGES.items()
        if name in branches
    ]
    return list(_CHANNEL_METRICS), rows


def verdict_groups(explanations: Sequence[Explanation]) -> list[tuple[str, list[Tally]]]:
    """Claims by type and verdict: read off the target, made by the surrogate, its one reason."""
    grounded: Counter[tuple[str, Verdict]] = Counter()
    own: Counter[tuple[str, Verdict]] = Counter()
    reasons: Counter[tuple[str, Verdict]] = Counter()
    for one in explanations:
        for checked in one.claims:
            counted = grounded if checked.claim.source == "evidence" else own
            counted[checked.claim.type, checked.verdict] += 1
        for form, answer in one.answers.items():
            if answer.reason_verdict is not None:
                reasons[form, answer.reason_verdict] += 1
    groups = [
        ("Read off the target", _tallies(grounded, CLAIM_TYPES)),
        ("Made by the surrogate", _tallies(own, CLAIM_TYPES)),
        ("The surrogate's one reason, by form", _tallies(reasons, FORM_NAMES)),
    ]
    return [(title, tallies) for title, tallies in groups if tallies]


def _tallies(counted: Counter[tuple[str, Verdict]], names: Iterable[str]) -> list[Tally]:
    """One tally per name that occurs, and their sum where there is more than one."""
    tallies = [
        Tally(
            FORM_NAMES.get(name, name),
            counted[name, "verified"],
            counted[name, "refuted"],
            counted[name, "untestable"],
        )
        for name in names
    ]
    tallies = [tally for tally in tallies if tally.total]
    if len(tallies) > 1 and set(names) == set(CLAIM_TYPES):
        sums = (sum(t.verified for t in tallies), sum(t.refuted for t in tallies))
        tallies.append(Tally("all", *sums, sum(t.untestable for t in tallies)))
    return tallies


def _figure(found: Any) -> Figure | None:
    """A figure, whether it comes from memory or from JSON."""
    return Figure.from_dict(found) if isinstance(found, dict) else found


def _cells(
    figures: Sequence[Figure | None],
    ends: tuple[float, float],
    best_of: Callable[[Iterable[float]], float],
) -> tuple[Cell | None, ...]:
    best = best_of(round(f.value, 3) for f in figures if f is not None)
    return tuple(_cell(f, ends, best) for f in figures)


def _cell(
    figure: Figure | None, ends: tuple[float, float] | None = None, best: float | None = None
) -> Cell | None:
    if figure is None:
        return None
    value, interval = _number(figure.value), f"{_number(figure.low)} to {_number(figure.high)}"
    if figure.p is not None:
        interval += f", p {_number(figure.p)}" if figure.p >= _LEAST_P else f", p < {_LEAST_P}"
    if ends is None:
        return Cell(value, interval, figure.n)
    at, low, high = (
        round(100.0 * (x - ends[0]) / (ends[1] - ends[0]), 2)
        for x in (figure.value, figure.low, figure.high)
    )
    is_best = round(figure.value, 3) == best
    # An interval of no width would vanish; a hair of it says that there is one.
    return Cell(value, interval, figure.n, is_best, at, low, round(max(high - low, 0.5), 2))


_LEAST_P = 0.001


def _number(value: float) -> str:
    """Three decimals, with a real minus sign and without a negative zero."""
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")
