"""Figures that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from innerview.data.embedded import load_embedded
from innerview.data.splits import leave_one_out
from innerview.errors import CaseError, DataError
from innerview.targets import Case, HeldOut, TrainingData, constant_surrogate
from innerview.targets.baselines import item_knn, popularity
from innerview.targets.metrics import evaluate, ranks
from innerview.testing import small_catalogue

HISTORIES = {"a": ("i0", "i1"), "b": ("i0", "i1", "i2"), "c": ("i0",)}


def test_popularity_counts_histories() -> None:
    score = popularity(HISTORIES, small_catalogue(4))
    np.testing.assert_array_equal(score([Case("x", ("i3",))]), [[3, 2, 1, 0]])


def test_item_knn_is_the_cosine_between_columns() -> None:
    score = item_knn(HISTORIES, small_catalogue(4))
    scores = score([Case("x", ("i1",))])[0]
    # i1 is in 2 histories; both hold i0 (in 3), one holds i2 (in 1).
    np.testing.assert_allclose(scores, [2 / np.sqrt(6), 0, 1 / np.sqrt(2), 0], rtol=1e-6)


def test_ranks_give_ties_to_the_lower_row() -> None:
    scores = np.array([[1, 3, 3, 2]] * 4, dtype=np.float32)
    np.testing.assert_array_equal(ranks(scores, np.arange(4)), [4, 1, 2, 3])


def test_evaluate_leaves_own_parts_out() -> None:
    catalogue = small_catalogue(20)
    fixed = np.arange(20, 0, -1, dtype=np.float32)  # i0 best, i19 worst
    held_out = HeldOut(
        (Case("a", ("i0", "i1")), Case("b", ("i5",)), Case("c", ("i0",))), ("i3", "i0", "i11")
    )
    found = evaluate(lambda cases: np.repeat(fixed[None], len(cases), 0), held_out, catalogue)
    # Ranks 2, 1 and 11.
    assert found.hr10 == pytest.approx(2 / 3)
    assert found.ndcg10 == pytest.approx((1 / np.log2(3) + 1) / 3)
    assert found.first == ("i2", "i0", "i1")
    assert found.distinct_first == 3


def test_constant_surrogate_judges_each_half_by_the_other() -> None:
    # The even cases answer a, the odd ones b: neither table knows the other's answer.
    assert constant_surrogate(["a", "b"] * 10).hr5 == 0.0
    assert constant_surrogate(["a"] * 20).hr5 == 1.0
    table = constant_surrogate(["a", "a", "b", "b", "a", "c"])
    # Even: a, b, a. Odd: a, b, c. Even hits: a, b, a; odd hits: a, b.
    assert table.hr5 == pytest.approx(5 / 6)
    assert table.distinct_first == 3
    assert table.most_frequent == ("a", "b", "c")


def test_constant_surrogate_of_nothing_is_zero() -> None:
    assert constant_surrogate([]).hr5 == 0.0


def test_held_out_needs_one_outcome_per_case() -> None:
    with pytest.raises(CaseError, match="1 cases with 2 held-out"):
        HeldOut((Case("a", ("i0",)),), ("i1", "i2"))


def test_training_data_without_test_cases_is_refused() -> None:
    empty = HeldOut((), ())
    with pytest.raises(DataError, match="0 test cases"):
        TrainingData(HISTORIES, empty, empty, small_catalogue(4), "last")


@pytest.mark.parametrize("how", ["last", "random"])
def test_training_data_from_a_split_keeps_the_test_outcome_out(how: str) -> None:
    loaded = load_embedded()
    split = leave_one_out(loaded.interactions, how=how)  # type: ignore[arg-type]
    data = TrainingData.from_split(
        loaded.interactions,
        split,
        loaded.catalogue,
        how=how,  # type: ignore[arg-type]
    )
    whole = loaded.interactions.histories()
    assert len(data.test) == len(data.valid) == 4333
    for case, outcome in zip(data.test.cases, data.test.outcomes, strict=True):
        assert outcome not in case.parts
        assert len(case.parts) == len(whole[case.case_id]) - 1
    for case, outcome in zip(data.valid.cases, data.valid.outcomes, strict=True):
        assert outcome not in case.parts
        assert case.parts == data.train[case.case_id]
