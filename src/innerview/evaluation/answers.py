"""Answers to alignment records, whoever gave them, and the metrics of a set of them.

An answerer takes records and yields one value per record, in order. Knows nothing of how they
were made: a surrogate, a table and a coin are judged alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from innerview.alignment.records import DECILE, HELDOUT, Form, Record, Task
from innerview.errors import RecordError
from innerview.evaluation import metrics
from innerview.evaluation.bootstrap import (
    Figure,
    bootstrap_auc,
    bootstrap_calibration,
    bootstrap_mean,
)

__all__ = [
    "LESS_IS_BETTER",
    "METRICS",
    "Answer",
    "AnswerValue",
    "Judged",
    "alignment_metrics",
    "judged_answers",
    "paired_answers",
    "worths",
]

AnswerValue = tuple[str, ...] | float | str
"""By task: ids best first (retrieval, at most 5; ranking; history), a probability of yes from 0
to 1 (interest), an id (item_title, item_similar, attribution), or text (all else)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answerer said to one record.

    Attributes:
        index: place of the record among those that were asked.
        case_id: of the record; empty where it has no case.
        value: by task, see ``AnswerValue``.
    """

    index: int
    case_id: str
    task: Task
    form: Form
    value: AnswerValue


@dataclass(frozen=True, slots=True)
class Judged:
    """What an answer is worth by some metric.

    Attributes:
        worth: by the metric, more being better.
        question: the same for everyone who was asked it, in whatever form and words.
        cluster: what hangs together: a case; for questions without one, the outcome asked about.
    """

    worth: float
    question: tuple[str, ...]
    cluster: tuple[str, str]


Judge = Callable[[Record, AnswerValue], float | None]

_LISTS: frozenset[Task] = frozenset({"retrieval", "ranking", "history"})
_IDS: frozenset[Task] = frozenset({"item_title", "item_similar", "attribution"})


def paired_answers(records: Sequence[Record], values: Sequence[AnswerValue]) -> list[Answer]:
    """One checked answer per record, in order; lists become tuples.

    Raises:
        RecordError: the numbers differ, or a value does not fit its task.
    """
    if len(records) != len(values):
        raise RecordError(f"{len(values)} answers to {len(records)} records; expected one each")
    return [
        Answer(at, record.case_id, record.task, record.form, _fitting(record, value, at))
        for at, (record, value) in enumerate(zip(records, values, strict=True))
    ]


def _fitting(record: Record, value: AnswerValue, at: int) -> AnswerValue:
    if record.task in _LISTS:
        if isinstance(value, tuple | list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        expected = "a list of ids"
    elif record.task == "interest":
        if isinstance(value, int | float) and 0.0 <= value <= 1.0:
            return float(value)
        expected = "a probability from 0 to 1"
    elif isinstance(value, str):
        return value
    else:
        expected = "an id" if record.task in _IDS else "a text"
    raise RecordError(f"answer {at} to a {record.task} record is {value!r}; expected {expected}")


def _top_hit(record: Record, value: AnswerValue) -> float:
    return metrics.hit(_ids(value), record.label["top"][0])


def _first(record: Record, value: AnswerValue) -> float:
    return metrics.hit(_ids(value)[:1], record.label["top"][0])


def _top_gain(record: Record, value: AnswerValue) -> float:
    return metrics.reciprocal_gain(_ids(value), record.label["top"][0])


def _top_overlap(record: Record, value: AnswerValue) -> float:
    return metrics.overlap(_ids(value), record.label["top"])


def _top_rbo(record: Record, value: AnswerValue) -> float:
    return metrics.rank_biased_overlap(_ids(value), record.label["top"])


def _ranking(gains: Callable[[int], list[float]]) -> Judge:
    def judge(record: Record, value: AnswerValue) -> float | None:
        ranked = record.label["ranked"]
        # One outcome is in order whatever is said: no question was asked.
        if len(ranked) < 2:
            return None
        return metrics.ranking_ndcg(_ids(value), ranked, gains(len(ranked)))

    return judge


def _tau(record: Record, value: AnswerValue) -> float | None:
    ranked = record.label["ranked"]
    return metrics.kendall_tau(_ids(value), ranked) if len(ranked) > 1 else None


def _interest(record: Record, value: AnswerValue) -> float:
    return metrics.interest_correct(_probability(value), bool(record.label["liked"]))


def _recall(record: Record, value: AnswerValue) -> float:
    return metrics.history_recall(_ids(value), record.label["parts"])


def _order_recall(record: Record, value: AnswerValue) -> float:
    return metrics.history_order_recall(_ids(value), record.label["parts"])


def _reference_coverage(record: Record, value: AnswerValue) -> float:
    return metrics.reference_history_coverage(_ids(value), record.label["parts"])


def _precision(record: Record, value: AnswerValue) -> float:
    return metrics.history_precision(_ids(value), record.label["parts"])


def _exact(name: str) -> Judge:
    return lambda record, value: float(value == record.label[name])


_JUDGES: Mapping[str, tuple[Task, Judge]] = {
    "retrieval_first": ("retrieval", _first),
    "retrieval_hr5": ("retrieval", _top_hit),
    "retrieval_ndcg5": ("retrieval", _top_gain),
    "retrieval_overlap5": ("retrieval", _top_overlap),
    "retrieval_rbo5": ("retrieval", _top_rbo),
    "ranking_ndcg5_reference": ("ranking", _ranking(metrics.reference_gains)),
    "ranking_ndcg5": ("ranking", _ranking(metrics.linear_gains)),
    "ranking_kendall": ("ranking", _tau),
    "interest_accuracy": ("interest", _interest),
    "history_recall": ("history", _recall),
    "history_coverage_reference": ("history", _reference_coverage),
    "history_order_recall": ("history", _order_recall),
    "history_precision": ("history", _precision),
    "item_recovery": ("item_title", _exact("outcome")),
    "attribution_accuracy": ("attribution", _exact("part")),
}

_WORTH: Mapping[Task, str] = {
    "retrieval": "retrieval_rbo5",
    "ranking": "ranking_kendall",
    "interest": "interest_accuracy",
    "history": "history_recall",
    "item_title": "item_recovery",
    "attribution": "attribution_accuracy",
}
"""The one metric that says most of a single answer."""

_OF_FEW, _OF_MANY = {"retrieval_first"}, {"retrieval_hr5", "retrieval_overlap5"}
"""Whoever names five of five outcomes or fewer names all of them; what comes first still counts."""

METRICS: tuple[str, ...] = (
    "retrieval_first", "retrieval_hr5", "retrieval_ndcg5", "retrieval_overlap5", "retrieval_rbo5",
    "ranking_ndcg5_reference", "ranking_ndcg5", "ranking_kendall", "interest_accuracy",
    "interest_auc", "interest_calibration_error", "history_recall", "history_coverage_reference",
    "history_order_recall", "history_precision", "history_hallucination", "item_recovery",
    "attribution_accuracy",
    "interest_accuracy_heldout_items", "interest_auc_heldout_items",
    "ranking_kendall_heldout_items",
)  # fmt: skip
"""Every alignment metric, in the order in which tables show them."""

LESS_IS_BETTER = frozenset({"interest_calibration_error", "history_hallucination"})
"""Of the metrics; of all others more is."""


def alignment_metrics(
    records: Sequence[Record], values: Sequence[AnswerValue], *, few: bool = False, seed: int = 0
) -> dict[str, Figure]:
    """How well answers agree with the target: one figure per metric whose task occurs.

    Questions about outcomes that were kept out of training count for metrics of their own alone.

    Args:
        records: questions of one form's test, with the target's labels.
        values: one answer per record, in order; see ``AnswerValue``.
        few: the target has five outcomes or fewer.
        seed: of the bootstrap.

    Raises:
        RecordError: the numbers differ, or a value does not fit its task.
    """
    found = {
        name: bootstrap_mean([j.worth for j in own], [j.cluster for j in own], seed=seed)
        for name, own in judged_answers(records, values, few=few).items()
    }
    answers = paired_answers(records, values)
    if read_back := [(records[a.index], a.value) for a in answers if a.task == "history"]:
        found["history_hallucination"] = bootstrap_mean(
            [
                metrics.history_hallucination(_ids(said), record.label["parts"])
                for record, said in read_back
            ],
            [_cluster(record) for record, _ in read_back],
            seed=seed,
        )
    for suffix, own in _apart(records, answers):
        by_score = _interest_by_score(records, own, seed)
        found |= {f"{name}{suffix}": figure for name, figure in by_score.items()}
    return {name: found[name] for name in METRICS if name in found}


def judged_answers(
    records: Sequence[Record], values: Sequence[AnswerValue], *, few: bool = False
) -> dict[str, list[Judged]]:
    """What each answer is worth, by metric: those that are means over answers, of ``METRICS``.

    Args:
        records: questions, with the target's labels.
        values: one answer per record, in order; see ``AnswerValue``.
        few: the target has five outcomes or fewer.

    Raises:
        RecordError: the numbers differ, or a value does not fit its task.
    """
    found: dict[str, list[Judged]] = {}
    mute = _OF_MANY if few else _OF_FEW
    for suffix, own in _apart(records, paired_answers(records, values)):
        for name, (task, judge) in _JUDGES.items():
            for answer in own if name not in mute else ():
                record = records[answer.index]
                if answer.task == task and (worth := judge(record, answer.value)) is not None:
                    judged = Judged(worth, _question(record), _cluster(record))
                    found.setdefault(f"{name}{suffix}", []).append(judged)
    return {name: found[name] for name in METRICS if name in found}


def worths(records: Sequence[Record], values: Sequence[AnswerValue]) -> list[float | None]:
    """What each answer is worth: rank-biased overlap of a retrieval's first five, Kendall's tau of
    a ranking, recall of a history, and of judgements and names 1 if they are right, else 0. None
    where the target has said nothing to compare with.

    Raises:
        RecordError: the numbers differ, or a value does not fit its task.
    """
    return [
        None
        if answer.task not in _WORTH or DECILE in record.label
        else _JUDGES[_WORTH[answer.task]][1](record, answer.value)
        for record, answer in zip(records, paired_answers(records, values), strict=True)
    ]


def _apart(records: Sequence[Record], answers: Sequence[Answer]) -> list[tuple[str, list[Answer]]]:
    """Answers to usual questions, and those about outcomes kept out of training, with what is
    behind the names of their metrics. Judgements without a right answer are neither."""
    labels = [records[answer.index].label for answer in answers]
    return [
        (suffix, [a for a, label in zip(answers, labels, strict=True)
                  if DECILE not in label and bool(label.get(HELDOUT)) == of_heldout])
        for suffix, of_heldout in (("", False), ("_heldout_items", True))
    ]  # fmt: skip


def _interest_by_score(
    records: Sequence[Record], answers: Sequence[Answer], seed: int
) -> dict[str, Figure]:
    asked = [(records[a.index], a) for a in answers if a.task == "interest"]
    liked = [bool(record.label["liked"]) for record, _ in asked]
    if len(set(liked)) < 2:
        return {}
    scores = [_probability(answer.value) for _, answer in asked]
    cases = [_cluster(record) for record, _ in asked]
    return {
        "interest_auc": bootstrap_auc(scores, liked, cases, seed=seed),
        "interest_calibration_error": bootstrap_calibration(scores, liked, cases, seed=seed),
    }


def _question(record: Record) -> tuple[str, ...]:
    """What the target said to it tells a question from others about the case; in which order
    outcomes were shown is wording."""
    said = {key: value for key, value in record.label.items() if key != "shown"}
    return (record.task, record.case_id, json.dumps(said, sort_keys=True))


def _cluster(record: Record) -> tuple[str, str]:
    if record.case_id:
        return ("case", record.case_id)
    return ("outcome", str(record.label.get("outcome", "")))


def _ids(value: AnswerValue) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return value


def _probability(value: AnswerValue) -> float:
    assert isinstance(value, float)
    return value
