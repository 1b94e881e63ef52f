from __future__ import annotations

import random
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.data import HoldOut, Interactions, k_core, leave_one_out, split_ids
from innerview.errors import DataError

PAIRS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("stuvwxyz")),
    unique=True,
    min_size=1,
    max_size=50,
)


def table(pairs: list[tuple[str, str]]) -> Interactions:
    rows = sorted((user, item, time) for time, (user, item) in enumerate(pairs))
    rows.sort(key=lambda row: (row[0], row[2]))
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
    return Interactions(pl.DataFrame(rows, schema=schema, orient="row"))


def naive_core(pairs: set[tuple[str, str]], k: int) -> set[tuple[str, str]]:
    while True:
        users = Counter(user for user, _ in pairs)
        items = Counter(item for _, item in pairs)
        kept = {(u, i) for u, i in pairs if users[u] >= k and items[i] >= k}
        if kept == pairs:
            return kept
        pairs = kept


@given(pairs=PAIRS, k=st.integers(1, 5))
def test_k_core_is_what_removing_one_by_one_leaves(pairs: list[tuple[str, str]], k: int) -> None:
    expected = naive_core(set(pairs), k)
    if not expected:
        with pytest.raises(DataError, match="the largest core is k = "):
            k_core(table(pairs), k)
        return
    core = k_core(table(pairs), k)
    assert set(core.frame.select("user_id", "item_id").iter_rows()) == expected
    assert core.frame.equals(core.frame.sort("user_id", "timestamp"))


@given(pairs=PAIRS)
def test_the_error_of_k_core_names_the_largest_k_that_works(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(DataError) as caught:
        k_core(table(pairs), 99)
    best = int(str(caught.value).rsplit("= ", 1)[1])
    assert naive_core(set(pairs), best)
    assert not naive_core(set(pairs), best + 1)


@given(pairs=PAIRS, how=st.sampled_from(["last", "random"]), seed=st.integers(0, 99))
def test_leave_one_out_is_disjoint_and_loses_nothing(
    pairs: list[tuple[str, str]], how: HoldOut, seed: int
) -> None:
    histories = table(pairs).histories()
    long = {user for user, history in histories.items() if len(history) >= 3}
    if not long:
        with pytest.raises(DataError, match="no user has 3 events"):
            leave_one_out(table(pairs), how=how, seed=seed)
        return
    split = leave_one_out(table(pairs), how=how, seed=seed)
    assert set(split.valid) == set(split.test) == long
    left = split.train.histories()
    for user, history in histories.items():
        held_out = {split.valid[user], split.test[user]} if user in long else set()
        assert len(held_out) == (2 if user in long else 0)
        assert left[user] == tuple(item for item in history if item not in held_out)
        if user in long and how == "last":
            assert (split.valid[user], split.test[user]) == history[-2:]


def test_random_hold_out_does_not_depend_on_other_users_and_covers_all_positions() -> None:
    many = table([(f"u{u:03d}", f"i{i}") for u in range(400) for i in range(4)])
    few = table([(f"u{u:03d}", f"i{i}") for u in (7, 3) for i in range(4)])
    split = leave_one_out(many, how="random", seed=5)
    assert leave_one_out(few, how="random", seed=5).test == {
        user: split.test[user] for user in ("u003", "u007")
    }
    pairs = Counter((split.valid[user], split.test[user]) for user in split.test)
    assert len(pairs) == 12  # every ordered pair of 4 positions
    assert min(pairs.values()) > 12  # expected 33 each; 12 lies 3.9 deviations below


def test_a_seed_changes_the_random_hold_out() -> None:
    data = table([(f"u{u:02d}", f"i{i}") for u in range(50) for i in range(9)])
    splits = [leave_one_out(data, how="random", seed=seed).test for seed in (0, 1, 0)]
    assert splits[0] == splits[2] != splits[1]


def test_an_unknown_way_to_hold_out_is_refused() -> None:
    with pytest.raises(DataError, match="known are 'last' and 'random'"):
        leave_one_out(table([("a", "s")]), how="first")  # type: ignore[arg-type]


@given(
    users=st.lists(st.text(), unique=True, min_size=1),
    shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.49)),
    seed=st.integers(),
)
def test_split_users_is_a_partition_whatever_the_order(
    users: list[str], shares: tuple[float, float], seed: int
) -> None:
    n_valid, n_test = (int(share * len(users)) for share in shares)
    split = split_ids(users, n_valid=n_valid, n_test=n_test, seed=seed)
    assert (len(split.valid), len(split.test)) == (n_valid, n_test)
    assert sorted(split.train + split.valid + split.test) == sorted(users)
    random.Random(0).shuffle(users)
    assert split_ids(users, n_valid=n_valid, n_test=n_test, seed=seed) == split


@pytest.mark.parametrize(
    ("users", "n_valid", "n_test", "message"),
    [
        (["a", "b"], 1, 1, "leave none to train"),
        (["a", "b"], -1, 0, "leave none to train"),
        (["a", "a"], 0, 0, "1 ids are named twice"),
    ],
)
def test_split_users_refuses_what_cannot_be(
    users: list[str], n_valid: int, n_test: int, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        split_ids(users, n_valid=n_valid, n_test=n_test)
