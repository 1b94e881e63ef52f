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
    assert m.history_hallucination(("a", "x", "x"), truth) == pytest.approx(2 / 3)
    assert m.history_hallucination((), truth) == 0.0, "silence makes nothing up"
    # Beyond as many answers as there are parts, the reference does not look.
    assert m.reference_history_coverage(("x", "y", "z", "w", "a"), truth) == 0.0
    assert m.history_recall(("x", "y", "z", "w", "a"), truth) == 0.25


def test_overlap_of_fives_looks_at_sets_and_at_five() -> None:
    assert m.overlap(("b", "a", "x", "y", "z", "c"), ABCDE) == pytest.approx(0.4)
    assert m.overlap(("b", "a"), ("a", "b")) == 1.0
    assert m.overlap((), ABCDE) == 0.0


def test_rank_biased_overlap_is_the_formula_at_hand() -> None:
    # Depths 1 to 3 share 0 of 1, 1 of 2 and 3 of 3.
    wanted = (0.0 + 0.8 / 2 + 0.64) / (1.0 + 0.8 + 0.64)
    assert m.rank_biased_overlap(("b", "a", "x"), ("a", "x", "b"), k=3) == pytest.approx(wanted)
    assert m.rank_biased_overlap(ABCDE, ABCDE) == 1.0
    assert m.rank_biased_overlap(("v", "w"), ABCDE) == 0.0
    # What comes first weighs more.
    first = m.rank_biased_overlap(("a", "v", "w", "x", "y"), ABCDE)
    assert first > m.rank_biased_overlap(("v", "w", "x", "y", "e"), ABCDE)


@given(st.permutations(ABCDE), st.lists(st.sampled_from("abcdexyz"), max_size=8))
def test_recall_in_order_is_at_most_recall(truth: list[str], answers: list[str]) -> None:
    found = m.history_order_recall(answers, truth)
    assert 0.0 <= found <= m.history_recall(answers, truth)
    assert m.history_order_recall(truth, truth) == 1.0


def test_recall_in_order_is_of_the_longest_common_subsequence() -> None:
    assert m.history_order_recall(("c", "a", "x", "b", "e"), ABCDE) == pytest.approx(3 / 5)
    assert m.history_order_recall(ABCDE[::-1], ABCDE) == pytest.approx(1 / 5)
    assert m.history_order_recall((), ABCDE) == 0.0 and m.history_order_recall((), ()) == 1.0


@pytest.mark.parametrize(
    ("said", "hit", "ndcg"),
    [
        (["Heat", "Alien", "Up", "Jaws", "Big"], 1.0, 1.0),
        ([" heat ", "Alien"], 1.0, 1.0),
        (["Alien", "HEAT"], 1.0, 0.6309297535714575),
        (["Alien", "Up", "Jaws", "Big", "Heat"], 1.0, 0.38685280723454163),
        (["Alien", "Up", "Jaws", "Big", "Brazil", "Heat"], 0.0, 0.0),
        (["Heat (1995)", "The Heat", '"Heat"'], 0.0, 0.0),
        ([], 0.0, 0.0),
    ],
)
def test_titles_are_right_to_the_letter_as_in_the_reference(
    said: list[str], hit: float, ndcg: float
) -> None:
    assert m.reference_title_hits(said, "Heat") == (hit, pytest.approx(ndcg))
