"""Answerers without a language model: admissible, seeded, and no better than they should be."""

from __future__ import annotations

import numpy as np
import pytest

from innerview.alignment.records import Record
from innerview.evaluation.answers import alignment_metrics
from innerview.evaluation.baselines import constant_answers, popularity_answers, random_answers
from innerview.targets.protocol import Case, top_outcomes
from innerview.testing.fakes import ScriptedTarget

from .conftest import ask

POPULARITY = {f"i{n}": 100 - n for n in range(40)}


def test_chance_scores_as_chance(target: ScriptedTarget, cases: list[Case]) -> None:
    ranked = ["i30", "i31", "i32", "i33", "i34"]
    many = [
        ask(task, Case(f"{case.case_id}-{n}", case.parts), **label)
        for case in cases
        for n in range(20)
        for task, label in (
            ("ranking", {"ranked": ranked, "shown": ranked}),
            ("interest", {"outcome": "i1", "liked": True}),
            ("interest", {"outcome": "i2", "liked": False}),
        )
    ]
    found = alignment_metrics(many, random_answers(many, target, 0))
    # 1,200 cases: standard errors are .008, .004, .012, .010 and .010.
    assert found["ranking_ndcg5_reference"].value == pytest.approx(0.613, abs=0.025)
    assert found["ranking_ndcg5"].value == pytest.approx(0.805, abs=0.012)
    assert found["ranking_kendall"].value == pytest.approx(0.0, abs=0.04)
    assert found["interest_accuracy"].value == pytest.approx(0.5, abs=0.03)
    assert found["interest_auc"].value == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("method", ["random", "popularity", "constant"])
def test_answers_are_admissible_whoever_gives_them(
    method: str, target: ScriptedTarget, records: list[Record]
) -> None:
    before = target.queries.used
    answers = {
        "random": lambda: random_answers(records, target, 1),
        "popularity": lambda: popularity_answers(records, target, POPULARITY),
        "constant": lambda: constant_answers(records, target, ["i3", "i3", "i7"]),
    }[method]()
    assert target.queries.used == before, "a table asks the target nothing"
    assert alignment_metrics(records, answers).keys() >= {"retrieval_hr5", "item_recovery"}
    for record, value in zip(records, answers, strict=True):
        if record.task == "retrieval":
            assert len(set(value)) == 5 and not set(value) & set(record.parts)
        if record.task == "ranking":
            assert sorted(value) == sorted(record.label["shown"])
        if record.task == "history":
            assert len(set(value)) == record.visible
        if record.task == "attribution":
            assert value in record.parts
        if record.task == "item_similar":
            assert value != record.label["outcome"]
        if record.task == "item_attribute":
            assert value == ""


def test_a_record_gets_the_same_answer_wherever_it_stands(
    target: ScriptedTarget, records: list[Record]
) -> None:
    there = random_answers(records, target, 1)
    assert random_answers(records[::-1], target, 1)[::-1] == there
    assert random_answers(records, target, 2) != there


def test_popularity_answers_by_popularity(target: ScriptedTarget) -> None:
    case = Case("c", ("i0", "i2", "i9"))
    records = [
        ask("retrieval", case, top=["i5"]),
        ask("ranking", case, ranked=["i30", "i20", "i10"], shown=["i30", "i20", "i10"]),
        ask("interest", case, outcome="i1", liked=True),
        ask("interest", case, outcome="i39", liked=False),
        ask("history", case, parts=list(case.parts)),
        ask("attribution", case, outcome="i5", part="i9"),
        ask("item_title", None, outcome="i4"),
    ]
    answers = popularity_answers(records, target, POPULARITY)
    assert answers == [
        ("i1", "i3", "i4", "i5", "i6"),
        ("i10", "i20", "i30"),
        pytest.approx(38.5 / 40),
        pytest.approx(0.5 / 40),
        ("i0", "i1", "i2"),
        "i0",
        "i0",
    ]


def test_constant_answers_the_targets_favourites_and_ties_the_rest(target: ScriptedTarget) -> None:
    train = ["i3"] * 5 + ["i7"] * 3 + ["i1"]
    case = Case("c", ("i7", "i9"))
    records = [
        ask("retrieval", case, top=["i3"]),
        ask("interest", case, outcome="i3", liked=True),
        ask("interest", case, outcome="i20", liked=False),
        ask("interest", case, outcome="i21", liked=False),
    ]
    top, liked, never, never_either = constant_answers(records, target, train)
    assert isinstance(top, tuple) and top[:2] == ("i3", "i1") and len(top) == 5
    assert liked == pytest.approx(39.5 / 40)
    assert never == never_either
    assert isinstance(never, float) and never < 0.5


def test_constant_reaches_the_share_of_its_favourites(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    first = [
        top_outcomes(target, c, s, 1)[0] for c, s in zip(cases, target.score(cases), strict=True)
    ]
    records = [ask("retrieval", c, top=[f]) for c, f in zip(cases, first, strict=True)]
    answers = constant_answers(records, target, first)
    found = alignment_metrics(records, answers)["retrieval_hr5"].value
    top5 = sorted(np.unique(first, return_counts=True)[1])[-5:]
    # A case that holds a favourite gets the sixth one, so it can only do better.
    assert sum(top5) / len(first) <= found < 1.0
