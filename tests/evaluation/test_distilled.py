"""The small network taught by the target's top lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import MixtureSettings, case_records, test_records
from innerview.alignment.records import Record
from innerview.errors import RecordError
from innerview.evaluation.answers import alignment_metrics, paired_answers
from innerview.evaluation.baselines import constant_answers
from innerview.evaluation.distilled import DISTILLED_TASKS, Student, StudentSettings, distil
from innerview.targets.protocol import Case
from innerview.testing.fakes import ScriptedTarget, small_catalogue

from .conftest import ask

test_records.__test__ = False  # type: ignore[attr-defined]  # a builder, not a test
QUICK = StudentSettings(width=16, dropout=0.0, batch_size=32, learning_rate=1e-2, max_epochs=12)


def _cases(n: int, seed: int, target: ScriptedTarget) -> list[Case]:
    rng = np.random.default_rng(seed)
    ids = target.parts.ids
    sizes = rng.integers(3, 7, size=n)
    return [
        Case(f"s{seed}-{at}", tuple(ids[i] for i in rng.choice(len(ids), size, replace=False)))
        for at, size in enumerate(sizes)
    ]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tastes() -> ScriptedTarget:
    """Three kinds of things; each speaks for its own kind, and some more than others."""
    rng = np.random.default_rng(0)
    kinds = np.arange(30) % 3
    weights = 2.0 * (kinds[:, None] == kinds[None, :]) + rng.normal(0, 0.25, (30, 30))
    return ScriptedTarget(weights * np.linspace(0.5, 2.0, 30)[:, None])


@pytest.fixture(scope="module")
def train(tastes: ScriptedTarget) -> list[Record]:
    groups = case_records(tastes, _cases(250, 1, tastes), MixtureSettings(), LabelSettings())
    return [r for group in groups for r in group]


@pytest.fixture(scope="module")
def asked(tastes: ScriptedTarget) -> list[Record]:
    records = test_records(tastes, _cases(120, 2, tastes), "behavior", LabelSettings())
    return [r for r in records if r.task in DISTILLED_TASKS]


@pytest.fixture(scope="module")
def student(tastes: ScriptedTarget, train: list[Record]) -> Student:
    valid = test_records(tastes, _cases(30, 3, tastes), "behavior", LabelSettings())
    return distil(tastes, train, valid, settings=QUICK)


def test_a_student_learns_what_a_table_cannot(
    student: Student, train: list[Record], asked: list[Record]
) -> None:
    found = alignment_metrics(asked, student.answers(asked))
    first = [r.label["top"][0] for r in train if r.task == "retrieval"]
    table = alignment_metrics(asked, constant_answers(asked, student.target, first))
    assert found["retrieval_hr5"].value > table["retrieval_hr5"].value + 0.2
    assert found["interest_auc"].value > 0.85
    assert found["ranking_kendall"].value > 0.4
    # By chance one in as many as a case has parts: about .22.
    assert found["attribution_accuracy"].value > 0.4


def test_answers_fit_their_questions(student: Student, asked: list[Record]) -> None:
    before = student.target.queries.used
    values = student.answers(asked)
    assert student.target.queries.used == before, "a student asks the target nothing"
    paired_answers(asked, values)
    for record, value in zip(asked, values, strict=True):
        match record.task:
            case "retrieval":
                assert isinstance(value, tuple)
                assert len(set(value)) == 5 and not set(value) & set(record.parts)
            case "ranking":
                assert isinstance(value, tuple)
                assert sorted(value) == sorted(record.label["shown"])
            case "attribution":
                assert value in record.parts
    with pytest.raises(RecordError, match="a student cannot answer history"):
        student.answers([ask("history", Case("c", ("i0",)), parts=["i0"])])


def test_one_seed_gives_one_student_and_answers_do_not_depend_on_company(
    student: Student, tastes: ScriptedTarget, train: list[Record], asked: list[Record]
) -> None:
    few = StudentSettings(width=8, max_epochs=1)
    first, second = (distil(tastes, train, (), settings=few, seed=4) for _ in range(2))
    cases = [r.parts for r in asked[:9]]
    np.testing.assert_array_equal(first.scores(cases), second.scores(cases))
    alone = np.concatenate([student.scores([case]) for case in cases])
    # Padding lies where nothing looks; float32 sums may still be taken in another order.
    np.testing.assert_allclose(student.scores(cases), alone, atol=1e-4)
    assert (np.isfinite(alone)).all()


def test_a_prefix_is_scored_as_the_case_it_is(student: Student) -> None:
    window = ["i1", "i5", "i9", "i2"]
    rows = torch.tensor([student.target.parts.rows(window)])
    within = torch.log_softmax(student(rows, torch.tensor([[0, 1]])).double(), -1)
    np.testing.assert_allclose(within.detach().numpy(), student.scores([window[:2]]), atol=1e-4)


def test_parts_may_be_other_things_than_outcomes() -> None:
    weights = np.random.default_rng(1).normal(size=(5, 8))
    target = ScriptedTarget(weights, parts=small_catalogue(5, prefix="p"))
    records = [
        ask("retrieval", Case(f"c{at}", ("p0", "p1", f"p{at}")), top=["i1", "i2"])
        for at in range(2, 5)
    ]
    student = distil(target, records, (), settings=StudentSettings(width=8, max_epochs=2))
    answers: Sequence[object] = student.answers(
        [*records, ask("attribution", Case("c", ("p3",)), outcome="i0", part="p3")]
    )
    assert all(len(set(value)) == 5 for value in answers[:3])  # type: ignore[arg-type]
    assert answers[3] == "p3"


def test_there_must_be_something_to_learn_from(tastes: ScriptedTarget) -> None:
    with pytest.raises(RecordError, match="a student learns from them"):
        distil(tastes, [], [])
