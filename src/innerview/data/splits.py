"""Cutting interactions: cores, held-out items, held-out users.

All of it is decided by hashes of ids, never by the order of rows, so that the same users and the
same seed give the same split on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import polars as pl

from innerview.data.tables import Interactions
from innerview.errors import DataError

__all__ = ["HoldOut", "IdSplit", "Split", "k_core", "leave_one_out", "split_ids"]

HoldOut = Literal["last", "random"]

_LEAST_EVENTS = 3  # one to learn from, one for each of valid and test


@dataclass(frozen=True, slots=True)
class Split:
    """Interactions with one item of each user held out for validation and one for the test.

    Attributes:
        train: the events that are left.
        valid: the held-out item of each user with at least three events.
        test: another held-out item of the same users.
    """

    train: Interactions
    valid: dict[str, str]
    test: dict[str, str]


@dataclass(frozen=True, slots=True)
class IdSplit:
    """Users in three groups, each in a random but fixed order."""

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]


def k_core(interactions: Interactions, k: int) -> Interactions:
    """The largest part in which every user and every item has at least ``k`` events.

    Raises:
        DataError: nothing remains; says which ``k`` would leave something.
    """
    core = _core(interactions.frame, k)
    if core.is_empty():
        best = _largest_core(interactions.frame, k)
        raise DataError(
            f"no user and no item has {k} events among such users and items; "
            + (f"the largest core is k = {best}" if best else "the table is empty")
        )
    return Interactions(core)


def _core(frame: pl.DataFrame, k: int) -> pl.DataFrame:
    while True:
        smaller = frame.filter(pl.len().over("user_id") >= k)
        smaller = smaller.filter(pl.len().over("item_id") >= k)
        if smaller.height == frame.height:
            return frame
        frame = smaller


def _largest_core(frame: pl.DataFrame, k: int) -> int:
    """The largest k that leaves something, by halving: a k-core holds every larger one."""
    low, high = 0, k
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if not _core(frame, middle).is_empty() else (low, middle)
    return low


def leave_one_out(interactions: Interactions, *, how: HoldOut, seed: int = 0) -> Split:
    """Hold out two items of every user with at least three events; others only train.

    Args:
        interactions: what to split.
        how: ``last`` holds out the last item for the test and the one before it for validation,
            as sequential targets are judged. ``random`` holds out two random positions: for a
            target that knows no time, predicting the newest item means predicting what was
            hardly there when its training data ended, and that drift would be held against it.
        seed: of the random positions; ``last`` ignores it.

    Raises:
        DataError: no user has three events, or ``how`` is unknown.
    """
    if how not in ("last", "random"):
        raise DataError(f"unknown way to hold out {how!r}; known are 'last' and 'random'")
    valid: dict[str, str] = {}
    test: dict[str, str] = {}
    for user, history in interactions.histories().items():
        size = len(history)
        if size >= _LEAST_EVENTS:
            at = (size - 2, size - 1) if how == "last" else _two_positions(user, size, seed)
            valid[user], test[user] = history[at[0]], history[at[1]]
    if not test:
        raise DataError("no user has 3 events, so none can be held out; use more data")
    return Split(Interactions(_without(interactions.frame, valid, test)), valid, test)


def _two_positions(user: str, size: int, seed: int) -> tuple[int, int]:
    digest = _hash(user, seed)
    first = int.from_bytes(digest[:8], "big") % size
    second = int.from_bytes(digest[8:], "big") % (size - 1)
    return first, second + (second >= first)


def _without(frame: pl.DataFrame, *held_out: dict[str, str]) -> pl.DataFrame:
    for pairs in held_out:
        gone = pl.DataFrame(
            {"user_id": list(pairs), "item_id": list(pairs.values())},
            schema={"user_id": pl.String, "item_id": pl.String},
        )
        frame = frame.join(gone, on=["user_id", "item_id"], how="anti", maintain_order="left")
    return frame


def split_ids(ids: Iterable[str], *, n_valid: int, n_test: int, seed: int = 0) -> IdSplit:
    """Set cases aside, in a recommender users: none held out is seen while a surrogate is aligned.

    Raises:
        DataError: an id is named twice, a count is negative, or none would be left to train.
    """
    given = list(ids)
    distinct = set(given)
    if len(distinct) < len(given):
        raise DataError(f"{len(given) - len(distinct)} ids are named twice; pass each once")
    if min(n_valid, n_test) < 0 or n_valid + n_test >= len(given):
        raise DataError(
            f"{n_valid} valid and {n_test} test of {len(given)} cases leave none to train; "
            "hold out fewer"
        )
    shuffled = sorted(given, key=lambda one: (_hash(one, seed), one))
    return IdSplit(
        train=tuple(shuffled[n_valid + n_test :]),
        valid=tuple(shuffled[:n_valid]),
        test=tuple(shuffled[n_valid : n_valid + n_test]),
    )


def _hash(user: str, seed: int) -> bytes:
    return blake2b(f"{seed}:{user}".encode(), digest_size=16).digest()
