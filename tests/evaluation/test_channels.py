"""Which channel is listened to: judges that are known to read one of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from innerview.alignment.records import Record
from innerview.evaluation.channels import CHANGES, _level, channel_shifts
from innerview.evaluation.results import read_metrics, write_metrics
from innerview.targets.protocol import Case, FloatArray
from innerview.testing.fakes import ScriptedTarget


class Judge:
    """Says yes by the target's own score, from the titles, from the case's vector, or from both.

    A scripted target's case vector is its score.
    """

    def __init__(self, target: ScriptedTarget, *, words: float, vectors: float) -> None:
        self.target, self.words, self.vectors = target, words, vectors
        self.asked: list[Record] = []
        self.given: Mapping[tuple[str, ...], FloatArray] = {}

    @contextmanager
    def replaced(
        self, *, cases: Mapping[tuple[str, ...], FloatArray], parts: Mapping[str, FloatArray]
    ) -> Iterator[None]:
        assert [len(own) for own in cases] == [len(parts)]
        self.given = cases
        yield
        self.given = {}

    def answer(self, records: Sequence[Record]) -> list[float]:
        self.asked += records
        (parts,) = {r.parts for r in records}
        told = self.words * self.target.score([Case("", parts)])[0]
        told = told + self.vectors * self.given[parts]
        rows = self.target.outcomes.rows([r.label["outcome"] for r in records])
        return [1 / (1 + math.exp(-float(told[row]))) for row in rows]


def _shifts(target: ScriptedTarget, cases: Sequence[Case], **reads: float) -> dict[str, float]:
    judge = Judge(target, **reads)
    found = channel_shifts(judge.answer, judge.replaced, target, cases)
    assert set(found) == {"unchanged", *CHANGES}
    assert all(found[change]["shift"].n == len(cases) for change in CHANGES)
    return {change: found[change]["shift"].value for change in CHANGES}


def test_a_judge_of_words_is_moved_by_words_alone(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    shift = _shifts(target, cases, words=1.0, vectors=0.0)
    assert shift["vectors_swapped"] == shift["vectors_zero"] == shift["vectors_random"] == 0.0
    assert shift["text_swapped"] == shift["both_swapped"] > 1.0


def test_a_judge_of_vectors_is_moved_by_vectors_alone(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    shift = _shifts(target, cases, words=0.0, vectors=1.0)
    assert shift["text_swapped"] == 0.0
    assert shift["vectors_swapped"] == shift["both_swapped"] > 1.0
    # Nothing is left of what spoke for the case, and nothing speaks for the other.
    judge = Judge(target, words=0.0, vectors=1.0)
    found = channel_shifts(judge.answer, judge.replaced, target, cases)
    assert found["vectors_zero"]["preference"].value == 0.0
    assert found["unchanged"]["preference"].value == -shift["vectors_zero"] < 0.0
    random = found["vectors_random"]["preference"]
    assert random.low < 0.0 < random.high


def test_a_judge_of_both_is_moved_by_each_as_much_as_it_listens(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    shift = _shifts(target, cases, words=0.25, vectors=0.75)
    assert shift["text_swapped"] == pytest.approx(0.25 * shift["both_swapped"], rel=1e-3)
    assert shift["vectors_swapped"] == pytest.approx(0.75 * shift["both_swapped"], rel=1e-3)


def test_questions_are_fair_and_worded_alike(target: ScriptedTarget, cases: list[Case]) -> None:
    judge = Judge(target, words=1.0, vectors=1.0)
    before = target.queries.used
    channel_shifts(judge.answer, judge.replaced, target, cases, n=8)
    # The judge asks the target itself, once per prompt.
    assert target.queries.used - before == 2 * 8 + 6 * 8
    by_case: dict[str, list[Record]] = {}
    for record in judge.asked:
        by_case.setdefault(record.case_id, []).append(record)
    assert len(by_case) == 8
    for own in by_case.values():
        parts = {p for r in own for p in r.parts}
        assert not parts & {r.label["outcome"] for r in own}
        assert len({r.question for r in own}) == 1
        assert all(r.form == "hybrid" and r.heldout_phrasing for r in own)
        asked = [r.label["outcome"] for r in own]
        assert asked == asked[: len(asked) // 6] * 6


def test_the_longer_case_keeps_its_last_parts() -> None:
    one, other = Case("a", ("p", "q", "r")), Case("b", ("x", "y"))
    assert _level(one, other) == (Case("a", ("q", "r")), other)
    assert _level(one, one) == (one, one)


def test_nothing_is_measured_where_nothing_can_be(target: ScriptedTarget) -> None:
    same = [Case(f"c{n}", ("i1", "i2")) for n in range(4)]
    without = ScriptedTarget(np.eye(6), vectors=False)
    for asked, cases in ((target, same), (target, same[:1]), (without, same)):
        judge = Judge(asked, words=1.0, vectors=1.0)
        assert channel_shifts(judge.answer, judge.replaced, asked, cases) == {}


def test_figures_are_written_where_the_design_says(
    target: ScriptedTarget, cases: list[Case], tmp_path: Path
) -> None:
    judge = Judge(target, words=1.0, vectors=0.0)
    found = channel_shifts(judge.answer, judge.replaced, target, cases, n=9)
    write_metrics(tmp_path / "metrics.json", {"channels": found})
    read = read_metrics(tmp_path / "metrics.json")
    assert read["channels"]["text_swapped"]["shift"] == found["text_swapped"]["shift"]
