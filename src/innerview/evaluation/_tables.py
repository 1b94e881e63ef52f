"""The report's tables of figures as plain values: text, and geometry for drawings; no markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from innerview.data.domain import RECOMMENDER, Domain
from innerview.evaluation.answers import LESS_IS_BETTER, METRICS
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.fidelity import CURVE_SIZES, MEASURES
from innerview.evaluation.interest import BINS
from innerview.evaluation.sheets import Sheet, three_decimals, told_p
from innerview.explanation.wording import plural

__all__ = [
    "CURVES",
    "FIDELITY_METRICS",
    "FLOORS",
    "FORM_NAMES",
    "METHODS",
    "TEXT_METRICS",
    "Cell",
    "Row",
    "alignment_table",
    "calibration_table",
    "channel_table",
    "curve_table",
    "decile_table",
    "difference_table",
    "fidelity_difference_table",
    "fidelity_table",
    "further_table",
    "judge_table",
    "methods_shown",
    "reader_table",
    "sheet_of",
    "spaced",
    "stability_table",
    "text_table",
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
    "retrieval_first": "Retrieval, the same first",
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
    "history_recall": "{case}, recall",
    "history_coverage_reference": "{case}, coverage of the reference",
    "history_order_recall": "{case}, recall in order",
    "history_precision": "{case}, precision",
    "history_hallucination": "{case}, hallucination (less is better)",
    "item_recovery": "{Outcome} recovery",
    "attribution_accuracy": "Strongest part, accuracy",
    "interest_accuracy_heldout_items": "Interest, accuracy, held-out {outcomes}",
    "interest_auc_heldout_items": "Interest, AUC, held-out {outcomes}",
    "ranking_kendall_heldout_items": "Ranking, Kendall's tau, held-out {outcomes}",
}

_CHANNEL_METRICS = ("shift", "preference")

_CHANGES: Mapping[str, str] = {
    "unchanged": "nothing",
    "vectors_swapped": "vectors, for the other case's",
    "text_swapped": "titles, for the other case's",
    "both_swapped": "both, for the other case's",
    "vectors_zero": "vectors, for zeros",
    "vectors_random": "vectors, for random ones",
}

_FURTHER: Mapping[str, str] = {
    "kept_vector": "vector of three parts",
    "kept_gain": "1 / log2(1 + rank) of three",
    "pos_at_1": "POS@1",
    "pos_at_10": "POS@10",
    "neg_at_1": "NEG@1",
    "neg_at_10": "NEG@10",
}

_RATED: Mapping[str, str] = {
    "mean": "mean",
    "mean_if_right": "if the decision is right",
    **{f"level_{level}": f"rated {level}" for level in range(4)},
}

_TOLD_LESS: Mapping[str, str] = {
    "": "",
    "_without_text": ", without text",
    "_masked": ", titles masked",
    "_shuffled": ", another case's text",
    "_constant": ", one text for all",
    "_liked": ", told what is liked elsewhere",
    "_decision": ", told the decision alone",
    "_mean": ", told nothing",
}
_READERS: Mapping[str, str] = {
    f"{measure}{less}": f"{says}{told}"
    for measure, says in {
        "simulated": "What falls without a part, AUC",
        "chosen_same": "Which of five was explained",
        "chosen_unseen": "Which of two is put higher",
        "language_same": "Which of five was explained, language model",
        "language_unseen": "Which of two is put higher, language model",
        "score_error": "Error about the score (less is better)",
        "told_apart": "Texts known for whose they are",
    }.items()
    for less, told in _TOLD_LESS.items()
}

_AGREEMENT: Mapping[str, str] = {
    "first_same": "same first part",
    "overlap3": "overlap of three",
    "rbo5": "rank-biased overlap",
    "claims_recur": "claims that recur",
}

_CONDITIONS: Mapping[str, str] = {
    "titles": "titles reworded",
    "order": "parts shuffled",
    "surrogates": "another surrogate",
    "seeds": "another seed",
    "another_case": "control: another case",
    "chance": "floor",
}

_MEASURED: Mapping[str, str] = {"yes": "says yes", "order": "in order"}

FIDELITY_METRICS: Mapping[str, str] = {
    "necessity_skill": "necessity",
    "necessity_five_skill": "necessity of five",
    "sufficiency_skill": "sufficiency of five",
    "deletion_skill": "deletion",
    "insertion_skill": "insertion",
    "verified_share": "verified",
    "coverage": "coverage",
}

TEXT_METRICS: Mapping[str, str] = {
    "ungrounded": "ungrounded",
    "foreign_titles": "foreign titles",
    "numbers_stated": "with numbers",
    "numbers_ungrounded": "numbers ungrounded",
    "unexplained": "unexplained",
    "empty": "empty",
    "repeated": "repeated",
    "words": "words",
    "distinct_1": "distinct words",
    "distinct_2": "distinct pairs",
    "commonest_opening": "commonest opening",
}
"""Of explanations as texts."""


CURVES: Mapping[str, str] = {
    "deletion": "parts taken away, the first in order",
    "insertion": "parts kept alone, the first in order",
}
"""Of an explainer's order, and what is on their axis."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure as a table shows it.

    Attributes:
        figure: itself.
        value, interval: for people.
        best: the best of its row.
        at, low, width: places on a track from 0 to 100; None where the metric has no fixed ends.
    """

    figure: Figure
    value: str
    interval: str
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


def methods_shown(metrics: Mapping[str, Any]) -> dict[str, str]:
    """The methods that were asked, of ``METHODS`` and in their order."""
    asked = metrics.get("alignment", {})
    return {method: says for method, says in METHODS.items() if method in asked}


def _label(metric: str, domain: Domain) -> str:
    """In the words of a field."""
    return _LABELS[metric].format(
        case=domain.case, Outcome=domain.outcome.capitalize(), outcomes=plural(domain.outcome)
    )


def alignment_table(metrics: Mapping[str, Any], domain: Domain = RECOMMENDER) -> list[Row]:
    """One row per metric that any method has, one cell per method of ``methods_shown``."""
    branches = metrics.get("alignment", {})
    shown = methods_shown(metrics)
    rows = []
    for name in METRICS:
        found = [branches[method].get(name) for method in shown]
        if any(found):
            ends = (-1.0, 1.0) if name.startswith("ranking_kendall") else (0.0, 1.0)
            best = min if name in LESS_IS_BETTER else max
            rows.append(Row(_label(name, domain), name, _cells(found, ends, best)))
    return rows


def difference_table(
    metrics: Mapping[str, Any], domain: Domain = RECOMMENDER
) -> tuple[list[str], list[Row]]:
    """Headings, and one row per metric: what text and vectors have over each of the others that
    know the case."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("differences", {})
    others = [name for name in METHODS if name in branches]
    rows = [
        Row(_label(name, domain), name, tuple(_cell(branches[o].get(name)) for o in others))
        for name in METRICS
        if any(name in branches[o] for o in others)
    ]
    return [METHODS[name] for name in others], rows


def fidelity_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings of the metrics that occur, and one row per method, in the order given."""
    return _by_explainer(metrics, FIDELITY_METRICS)


def fidelity_difference_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per explainer and other: what it achieves, less what the other does; no
    rows where that was not measured."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("fidelity_differences", {})
    rows = [
        Row(
            f"{spaced(explainer)}, less {spaced(other)}",
            f"{explainer}.{other}",
            tuple(_cell(own.get(measure)) for measure in MEASURES),
        )
        for explainer, others in branches.items()
        for other, own in others.items()
    ]
    return [FIDELITY_METRICS[f"{measure}_skill"] for measure in MEASURES], rows


def further_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """The same of what is measured beside; no rows where nothing was."""
    return _by_explainer(metrics, _FURTHER)


def curve_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Numbers of parts, and one row per explainer and curve; no rows where none was kept."""
    rows = [
        Row(
            f"{spaced(explainer)}: {curve}",
            f"{explainer}.curves.{curve}",
            tuple(_cell(points[str(size)]) for size in CURVE_SIZES),
        )
        for explainer, branch in metrics.get("fidelity", {}).items()
        for curve, points in branch.get("curves", {}).items()
    ]
    return [str(size) for size in CURVE_SIZES], rows


def _by_explainer(
    metrics: Mapping[str, Any], says: Mapping[str, str]
) -> tuple[list[str], list[Row]]:
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("fidelity", {})
    names = [name for name in says if any(name in branch for branch in branches.values())]
    rows = [
        Row(spaced(method), method, tuple(_cell(branch.get(name)) for name in names))
        for method, branch in branches.items()
        if any(name in branch for name in names)
    ]
    return [says[name] for name in names], rows


def text_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """The same of what is measured of texts; no rows where nobody has any."""
    return _by_explainer(metrics, TEXT_METRICS)


def reader_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Explainers whose texts were read, and one row per measure; no rows where none were."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("fidelity", {})
    read = [name for name, branch in branches.items() if _READERS.keys() & branch.keys()]
    rows = [
        Row(says, measure, tuple(_cell(branches[name].get(measure)) for name in read))
        for measure, says in _READERS.items()
        if any(measure in branches[name] for name in read)
    ]
    return [spaced(name) for name in read], rows


def judge_table(judges: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per rater and explainer, of what ``judges.json`` holds; no rows where
    nobody rated."""
    ratings: Mapping[str, Mapping[str, Any]] = judges.get("judges", {}).get("ratings", {})
    rows = [
        Row(
            f"{rater}: {spaced(explainer)}",
            f"{rater}.{explainer}",
            tuple(_cell(figures.get(name)) for name in _RATED),
        )
        for rater, own in ratings.items()
        for explainer, figures in own.items()
    ]
    return list(_RATED.values()), rows


def channel_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per thing that was exchanged; no rows where nothing was."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("channels", {})
    rows = [
        Row(says, name, tuple(_cell(branches[name].get(m)) for m in _CHANNEL_METRICS))
        for name, says in _CHANGES.items()
        if name in branches
    ]
    return list(_CHANNEL_METRICS), rows


def stability_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per explainer for each thing that was changed; no rows where nothing
    was."""
    branches: Mapping[str, Mapping[str, Mapping[str, Any]]] = metrics.get("stability", {})
    rows = [
        Row(
            f"{says}: {explainer.replace('_', ' ')}",
            f"{condition}.{explainer}",
            tuple(_cell(own.get(name)) for name in _AGREEMENT),
        )
        for condition, says in _CONDITIONS.items()
        for explainer, own in branches.get(condition, {}).items()
    ]
    return list(_AGREEMENT.values()), rows


def decile_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per tenth of the target's ranking: how often each form says yes, and
    how far everybody's judgements are in order."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("deciles", {})
    shown = [
        *((name, "yes") for name in FORM_NAMES if name in branches),
        *((name, "order") for name in METHODS if name in branches),
    ]
    rows = [
        Row(
            str(tenth),
            str(tenth),
            tuple(_cell(branches[name][measure].get(str(tenth))) for name, measure in shown),
        )
        for tenth in (range(1, 11) if shown else ())
    ]
    return [f"{spaced(name)}, {_MEASURED[measure]}" for name, measure in shown], rows


def calibration_table(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Headings, and one row per bin of probabilities: their mean, and the share that the target
    likes, by form."""
    branches: Mapping[str, Mapping[str, Any]] = metrics.get("calibration", {})
    shown = [
        (form, name) for form in FORM_NAMES if form in branches for name in ("probability", "liked")
    ]
    rows = [
        Row(
            f"{(number - 1) / BINS:g} to {number / BINS:g}",
            str(number),
            tuple(_cell(branches[form].get(str(number), {}).get(name)) for form, name in shown),
        )
        for number in (range(1, BINS + 1) if shown else ())
    ]
    return [f"{form}, {name}" for form, name in shown], rows


def sheet_of(name: str, corner: str, headings: Iterable[str], rows: Sequence[Row]) -> Sheet:
    """The same table for files; the corner heads the labels."""
    return Sheet(
        name,
        (corner, *headings),
        tuple((row.label, *(cell.figure if cell else None for cell in row.cells)) for row in rows),
    )


def spaced(name: str) -> str:
    return name.replace("_", " ")


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
    value = three_decimals(figure.value)
    interval = f"{three_decimals(figure.low)} to {three_decimals(figure.high)}{told_p(figure)}"
    if ends is None:
        return Cell(figure, value, interval)
    at, low, high = (
        round(100.0 * (x - ends[0]) / (ends[1] - ends[0]), 2)
        for x in (figure.value, figure.low, figure.high)
    )
    is_best = round(figure.value, 3) == best
    # An interval of no width would vanish; a hair of it says that there is one.
    return Cell(figure, value, interval, is_best, at, low, round(max(high - low, 0.5), 2))
