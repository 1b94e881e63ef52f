"""Metrics against numbers worked out on paper and against the reference's published ones."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from innerview.evaluation import metrics as m

ABCDE = ("a", "b", "c", "d", "e")


def mean_over_orders(gains: list[float]) -> float:
    return float(np.mean([m.ranking_ndcg(o, ABCDE, gains) for o in permutations(ABCDE)]))


@pytest.mark.parametrize(
    ("answers", "hit", "gain"),
    [
        (("x", "b"), 1.0, 1.0),
        (("a", "b", "x"), 1.0, 0.5),
        (("a", "b", "c", "d", "x"), 1.0, 1 / math.log2(6)),
        (("a", "b", "c", "d", "e", "x"), 0.0, 0.0),
        ((), 0.0, 0.0),
    ],
)
def test_retrieval_counts_only_the_first_five_answers(
    answers: tuple[str, ...], hit: float, gain: float
) -> None:
    assert m.hit(answers, "x") == hit
    assert m.reciprocal_gain(answers, "x") == pytest.approx(gain)


def test_reference_ranking_of_a_random_order_is_the_papers_random_row() -> None:
    # RecExplainer's Random rows read .6153, .6100 and .6139, each over a sample of users.
    assert mean_over_orders(m.reference_gains(5)) == pytest.approx(0.613, abs=0.0005)


def test_ordinary_ranking_of_a_random_order_is_0805() -> None:
    assert mean_over_orders(m.linear_gains(5)) == pytest.approx(0.805, abs=0.0005)


def test_reference_ranking_is_nearly_whether_the_best_came_first() -> None:
    gains = m.reference_gains(5)
    assert gains == [1000, 100, 10, 1, 0]
    assert m.ranking_ndcg(("a",), ABCDE, gains) == pytest.approx(0.936, abs=0.0005)
    assert m.ranking_ndcg(("a", *"edcb"), ABCDE, gains) == pytest.approx(0.977, abs=0.0005)
    by_hand = (1000 + 1 / 2 + 10 / math.log2(5) + 100 / math.log2(6)) / (
        1000 + 100 / math.log2(3) + 10 / 2 + 1 / math.log2(5)
    )
    assert m.ranking_ndcg(("a", *"edcb"), ABCDE, gains) == pytest.approx(by_hand, rel=1e-12)


def test_ranking_gives_nothing_for_repeats_and_strangers_but_keeps_their_place() -> None:
    gains = m.linear_gains(5)
    once = m.ranking_ndcg(("a", "?", "b"), ABCDE, gains)
    assert m.ranking_ndcg(("a", "a", "b"), ABCDE, gains) == once
    assert once < m.ranking_ndcg(("a", "b"), ABCDE, gains)
    assert m.ranking_ndcg((), ABCDE, gains) == 0.0


@given(st.permutations(ABCDE))
def test_kendall_is_scipys_where_nothing_is_missing(order: list[str]) -> None:
    expected = kendalltau([order.index(x) for x in ABCDE], range(5)).statistic
    assert m.kendall_tau(order, ABCDE) == pytest.approx(expected)


def test_kendall_puts_missing_outcomes_last_and_ties_them() -> None:
    assert m.kendall_tau(("a", "b", "c"), ABCDE) == pytest.approx(0.9)  # only d, e undecided
    assert m.kendall_tau(("e",), ABCDE) == pytest.approx(-0.4)  # e wrongly before four
    assert m.kendall_tau((), ABCDE) == 0.0
    assert m.kendall_tau(("a", "?", "b", "a", "c", "d", "e"), ABCDE) == 1.0


def test_interest_ties_to_yes() -> None:
    assert m.interest_correct(0.5, liked=True) == 1.0
    assert m.interest_correct(0.5, liked=False) == 0.0
    assert m.interest_correct(0.49, liked=False) == 1.0


def test_auc_by_hand() -> None:
    assert m.auc([0.9, 0.4, 0.4, 0.1], [True, True, False, False]) == pytest.approx(3.5 / 4)
    assert m.auc([0.5, 0.5], [True, False]) == 0.5
    assert math.isnan(m.auc([0.5, 0.6], [True, True]))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30))
def test_auc_counts_pairs(drawn: list[tuple[int, bool]]) -> None:
    pairs = [(p > q) + 0.5 * (p == q) for p, good in drawn if good for q, bad in drawn if not bad]
    found = m.auc([s for s, _ in drawn], [k for _, k in drawn])
    assert math.isnan(found) if not pairs else found == pytest.approx(np.mean(pairs))


def test_history_counts_a_repeated_answer_once_where_the_reference_counts_it_each_time() -> None:
    truth = ("a", "b", "c", "d")
    repeated = ("a", "a", "a", "a")
    assert m.reference_history_coverage(repeated, truth) == 1.0
    assert m.history_recall(repeated, truth) == 0.25
    assert m.history_precision(repeated, truth) == 1.0
    assert m.history_precision(("a", "x"), truth) == 0.5
    assert m.history_precision((), truth) == 0.0
    # Beyond as many answers as there are parts, the reference does not look.
    assert m.reference_history_coverage(("x", "y", "z", "w", "a"), truth) == 0.0
    assert m.history_recall(("x", "y", "z", "w", "a"), truth) == 0.25
