"""Examples for a language model that was not aligned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from innerview.alignment.records import Record, Text
from innerview.evaluation.in_context import solved_examples


def _record(task: str, case_id: str, n: int, **label: object) -> Record:
    parts = tuple(f"{case_id}-{at}" for at in range(n))
    return Record(task, "behavior", case_id, parts, n, (Text("?"),), " !", label)  # type: ignore[arg-type]


@pytest.fixture
def train() -> list[Record]:
    return [
        r
        for at in range(6)
        for r in (
            _record("retrieval", f"c{at}", 4 + at, top=["a"]),
            _record("interest", f"c{at}", 4 + at, outcome="a", liked=True),
            _record("interest", f"c{at}", 4 + at, outcome="b", liked=False),
        )
    ]


def test_two_of_a_kind_about_different_cases_one_yes_and_one_no(train: list[Record]) -> None:
    orders = set()
    for seed in range(20):
        shown = solved_examples(train, seed=seed)
        assert shown == solved_examples(train, seed=seed)
        assert set(shown) == {"retrieval", "interest"}
        for task, records in shown.items():
            assert [r.task for r in records] == [task, task]
            assert len({r.case_id for r in records}) == 2
        liked = tuple(r.label["liked"] for r in shown["interest"])
        assert sorted(liked) == [False, True]
        orders.add(liked)
    assert len(orders) == 2


def test_examples_are_short_uncut_where_they_can_be(train: list[Record]) -> None:
    for seed in range(20):
        for record in solved_examples(train, seed=seed)["retrieval"]:
            assert record in train
            assert record.visible <= 5
    long = [r for r in train if r.visible > 5]
    for record in solved_examples(long)["retrieval"]:
        (whole,) = (r for r in long if r.task == "retrieval" and r.case_id == record.case_id)
        assert record.parts == whole.parts[-5:]
        assert record.visible == 5


def test_nothing_is_shown_of_vectors_or_where_there_is_nothing(train: list[Record]) -> None:
    assert solved_examples([replace(r, form="hybrid") for r in train]) == {}
