"""A set of answers to its metrics."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from innerview.alignment.records import HELDOUT, Record
from innerview.errors import RecordError
from innerview.evaluation.answers import (
    LESS_IS_BETTER,
    METRICS,
    AnswerValue,
    alignment_metrics,
    paired_answers,
)
from innerview.targets.protocol import Case

from .conftest import ask, truth

CASE = Case("c", ("p", "q"))


def values(records: Sequence[Record]) -> list[AnswerValue]:
    return [truth(record) for record in records]


def test_perfect_answers_score_one_everywhere(records: list[Record]) -> None:
    found = alignment_metrics(records, values(records))
    assert list(found) == [name for name in METRICS if name != "retrieval_first"]
    for name, figure in found.items():
        best = 0.0 if name in LESS_IS_BETTER else 1.0
        assert (figure.value, figure.low, figure.high) == (best, best, best), name


def test_n_is_the_number_of_cases_or_of_outcomes_where_there_is_no_case(
    records: list[Record],
) -> None:
    found = alignment_metrics(records, values(records))
    assert found["interest_auc"].n == found["interest_accuracy"].n == 60
    assert found["item_recovery"].n == 10


def test_only_metrics_whose_task_occurs_are_there(records: list[Record]) -> None:
    some = [r for r in records if r.task == "ranking" and HELDOUT not in r.label]
    found = alignment_metrics(some, values(some))
    assert set(found) == {"ranking_ndcg5_reference", "ranking_ndcg5", "ranking_kendall"}
    assert alignment_metrics([], []) == {}
    liked = [ask("interest", CASE, outcome="o", liked=True)]
    assert set(alignment_metrics(liked, [0.7])) == {"interest_accuracy"}


def test_questions_about_heldout_outcomes_count_for_their_own_metrics_alone(
    records: list[Record],
) -> None:
    given = [truth(r) if HELDOUT not in r.label else wrong(r) for r in records]
    found = alignment_metrics(records, given)
    for name, figure in found.items():
        best = 0.0 if name in LESS_IS_BETTER else 1.0
        assert (figure.value != best) == name.endswith("_heldout_items"), name
    usual = [r for r in records if HELDOUT not in r.label]
    assert not any("heldout" in name for name in alignment_metrics(usual, values(usual)))


def test_order_of_records_does_not_matter(records: list[Record]) -> None:
    given = [truth(r) if n % 5 else wrong(r) for n, r in enumerate(records)]
    pairs = list(zip(records, given, strict=True))
    random.Random(1).shuffle(pairs)
    straight = alignment_metrics(records, given, seed=2)
    shuffled = alignment_metrics([r for r, _ in pairs], [v for _, v in pairs], seed=2)
    for name, figure in straight.items():
        other = shuffled[name]
        assert (figure.value, figure.low, figure.high) == pytest.approx(
            (other.value, other.low, other.high)
        ), name
        assert figure.value < 1.0, name


def wrong(record: Record) -> AnswerValue:
    right = truth(record)
    if isinstance(right, tuple):
        return ("?", *right[:0:-1])
    return 1.0 - right if isinstance(right, float) else "?"


def test_figures_by_hand() -> None:
    records = [
        ask("retrieval", CASE, top=["a", "b"]),
        ask("retrieval", Case("d", ("p",)), top=["c"]),
        ask("attribution", CASE, outcome="a", part="p"),
        ask("ranking", CASE, ranked=["a"], shown=["a"]),
    ]
    found = alignment_metrics(records, [("b", "a"), ("x",), "q", ()])
    assert found["retrieval_hr5"].value == 0.5
    assert found["retrieval_ndcg5"].value == pytest.approx(0.5 / 1.584962500721156)
    assert found["attribution_accuracy"].value == 0.0
    assert "ranking_ndcg5" not in found, "one outcome is always in order"


def test_a_part_that_is_named_twice_counts_twice_for_the_reference_alone() -> None:
    found = alignment_metrics([ask("history", CASE, parts=["p", "q"])], [("p", "p")])
    assert found["history_coverage_reference"].value == 1.0
    assert found["history_recall"].value == 0.5


@pytest.mark.parametrize(
    ("task", "value", "expected"),
    [
        ("retrieval", "a", "a list of ids"),
        ("history", (1, 2), "a list of ids"),
        ("interest", 1.2, "a probability from 0 to 1"),
        ("interest", float("nan"), "a probability from 0 to 1"),
        ("interest", "yes", "a probability from 0 to 1"),
        ("item_title", ("a",), "an id"),
        ("prose", 3.0, "a text"),
    ],
)
def test_a_value_that_does_not_fit_its_task_is_refused(
    task: str, value: AnswerValue, expected: str
) -> None:
    with pytest.raises(
        RecordError, match=f"answer 0 to a {task} record is .*; expected {expected}"
    ):
        paired_answers([ask(task, CASE)], [value])


def test_every_record_wants_one_answer() -> None:
    with pytest.raises(RecordError, match="0 answers to 1 records"):
        alignment_metrics([ask("prose", CASE)], [])
