from __future__ import annotations

import math

import pytest

from innerview.alignment.records import Record, Task
from innerview.alignment.tasks import Asker
from innerview.surrogate.decode import decode
from innerview.surrogate.surrogate import Surrogate


def _of(groups: list[list[Record]], task: Task, n: int = 4) -> list[Record]:
    return [r for g in groups for r in g if r.task == task][:n]


def _odds(surrogate: Surrogate, questions: list[Record]) -> list[float]:
    return [math.log(p / (1 - p)) for p in surrogate.answer(questions)]


@pytest.fixture
def asker(surrogate: Surrogate) -> Asker:
    return Asker(surrogate.target.outcomes, surrogate.target.parts)


def test_a_ranking_is_the_order_of_what_is_said_of_each(
    surrogate: Surrogate, groups: list[list[Record]], asker: Asker
) -> None:
    for record in _of(groups, "ranking"):
        shown = record.label["shown"]
        odds = dict(zip(shown, _odds(surrogate, asker.judgements(record, shown)), strict=True))
        (answer,) = surrogate.answer([record])
        assert list(answer) == sorted(shown, key=lambda o: -odds[o])


def test_the_strongest_part_speaks_most_for_the_outcome_when_kept_alone(
    surrogate: Surrogate, groups: list[list[Record]], asker: Asker
) -> None:
    for record in _of(groups, "attribution"):
        odds = {}
        for part in record.parts[: record.visible]:
            asked = asker.judgements(record, [record.label["outcome"]], parts=[part])
            assert [r.parts for r in asked] == [(part,)]
            (odds[part],) = _odds(surrogate, asked)
        assert surrogate.answer([record]) == [max(odds, key=lambda p: odds[p])]


def test_retrieval_weighs_what_is_named_by_the_odds_of_it(
    surrogate: Surrogate, groups: list[list[Record]], asker: Asker
) -> None:
    for record in _of(groups, "retrieval"):
        prompt, constraint = (
            surrogate.respondent._prompt(record),
            surrogate.respondent._constraint(record),
        )
        (named,) = decode(surrogate.model, [prompt], [constraint], n_beams=20)
        odds = _odds(surrogate, asker.judgements(record, [b.value for b in named]))
        total = {b.value: b.score + own for b, own in zip(named, odds, strict=True)}
        (answer,) = surrogate.answer([record])
        assert list(answer) == sorted(total, key=lambda o: -total[o])[:5]


def test_a_judgement_is_about_what_the_question_may_see(
    groups: list[list[Record]], asker: Asker
) -> None:
    record = next(r for r in _of(groups, "retrieval", 99) if r.visible < len(r.parts))
    (question,) = asker.judgements(record, ["i1"])
    assert question.task == "interest"
    assert question.form == record.form
    assert question.parts == record.parts[: record.visible]
    assert question.visible == record.visible
