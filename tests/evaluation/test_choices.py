"""What readers of explanations would choose in the target's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from innerview.alignment.records import Record, Text
from innerview.evaluation.choices import LanguageReader, Question, WordReader, _told, chosen
from innerview.evaluation.given import Given
from innerview.explanation._ask import first_outcomes
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue

pytest.importorskip("sklearn")

N = 40


@pytest.fixture(scope="module")
def target() -> ScriptedTarget:
    """Even parts speak for even outcomes, odd ones for odd ones."""
    rng = np.random.default_rng(0)
    alike = np.equal.outer(np.arange(N) % 2, np.arange(N) % 2)
    return ScriptedTarget(
        (3.0 * alike + rng.normal(size=(N, N))).astype(np.float32), small_catalogue(N)
    )


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    rng = np.random.default_rng(1)
    sides = [rng.permutation(np.arange(i % 2, N, 2))[:4] for i in range(60)]
    return [Case(f"c{i}", tuple(f"i{j}" for j in own)) for i, own in enumerate(sides)]


def given(
    target: ScriptedTarget, cases: Sequence[Case], text: Callable[[Case, str], str]
) -> list[Given]:
    firsts = first_outcomes(target, [(case, case) for case in cases])
    return [Given(c, o, (), text(c, o)) for c, o in zip(cases, firsts, strict=True)]


def side(case: Case) -> str:
    return ("even", "odd")[int(case.parts[0][1:]) % 2]


def test_who_reads_what_counts_chooses_as_the_target_does(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    told = given(target, cases, lambda case, _: f"All of it is {side(case)}.")
    found = chosen(told, target, WordReader(target))
    assert found["chosen_unseen"].value > 0.95
    assert found["chosen_same"].value > 0.4, "some of the five are on the same side"
    assert found["chosen_unseen_masked"] == found["chosen_unseen"], "it names no part"
    assert found["chosen_unseen_shuffled"].value < 0.8
    assert found["chosen_same_shuffled"].value > 0.3, "wrong ones are alike: all on the other side"
    assert found["chosen_same_shuffled_beats"].value == pytest.approx(0.5, abs=0.15)
    assert chosen(told, target, WordReader(target)) == found


def test_titles_of_parts_are_of_no_use_once_they_are_masked(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    told = given(target, cases, lambda case, _: f'They had "{target.parts.title(case.parts[0])}".')
    found = chosen(told, target, WordReader(target))
    assert found["chosen_same_masked"].value == pytest.approx(0.2)
    assert found["chosen_unseen_masked"].value == pytest.approx(0.5)


def test_the_title_of_what_is_explained_gives_nothing_away(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    told = given(target, cases, lambda _, outcome: f'Take "{target.outcomes.title(outcome)}".')
    found = chosen(told, target, WordReader(target))
    assert found["chosen_same"].value == pytest.approx(0.2)
    (one,) = given(target, cases[:1], lambda c, o: f'"{target.outcomes.title(o)}", for "Item 3"')
    assert _told(one, target, outcome=True) == '"this one", for "Item 3"'


def test_candidates_are_far_from_or_near_the_top_and_not_named(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    asked: list[Question] = []

    def note(questions: Sequence[Question]) -> list[list[float]]:
        asked.extend(questions)
        return [[0.0] * len(q.candidates) for q in questions]

    told = given(target, cases, lambda *_: 'Like "Item 7" and "Item 8".')
    found = chosen(told, target, note)
    assert found["chosen_same"].value == pytest.approx(0.2)
    assert found["chosen_unseen"].value == pytest.approx(0.5)
    own = {one.case.case_id: one for one in told}
    for question in asked:
        one = own[question.case_id]
        scores = target.score([one.case])[0]
        scores[list(target.outcomes.rows(one.case.parts))] = -np.inf
        ranks = {target.outcomes.ids[row]: at for at, row in enumerate(np.argsort(-scores))}
        assert ranks[question.right] < 10
        for candidate in question.candidates:
            assert candidate not in one.case.parts
            assert candidate == question.right or ranks[candidate] >= N // 2
            assert len(question.candidates) == 5 or candidate not in ("i7", "i8")


def test_who_has_too_few_texts_is_not_read(target: ScriptedTarget, cases: list[Case]) -> None:
    told = given(target, cases, lambda *_: "Good.")
    assert chosen(told[:19], target, WordReader(target)) == {}
    silent = given(target, cases, lambda *_: " ")
    assert chosen(silent, target, WordReader(target)) == {}


class Parrot:
    """Says yes to what the text calls good; likes Item 1 whatever it reads."""

    def answer(self, records: Sequence[Record]) -> list[Any]:
        odds = []
        for record in records:
            (question,), (lead,) = record.question, record.lead
            assert isinstance(question, Text) and isinstance(lead, Text)
            title = lead.text.strip(" :")
            odds.append(
                (2.0 if f"{title} is good" in question.text else 0.0) + 5 * (title == "Item 1")
            )
        return [float(1 / (1 + np.exp(-x))) for x in odds]


class Silent:
    """Has no answer to anything."""

    def answer(self, records: Sequence[Record]) -> list[Any]:
        assert not records
        return []


def test_what_a_language_model_likes_anyway_does_not_count(target: ScriptedTarget) -> None:
    reader = LanguageReader(Parrot(), target)
    asked = Question("c", "They said that Item 2 is good.", ("i1", "i2", "i3"), "i2")
    (scores,) = reader([asked])
    assert scores == pytest.approx([0.0, 2.0, 0.0])
    reader.model = Silent()
    assert reader([asked]) == [scores], "nothing is asked twice"


def test_what_is_liked_in_general_is_told_from_what_a_text_says(cases: list[Case]) -> None:
    n = 8 * N
    weights = np.random.default_rng(2).normal(size=(n, n)).astype(np.float32)
    weights[:, :8] += 4 * np.arange(8, 0, -1)
    famous = ScriptedTarget(weights, small_catalogue(n))
    found = chosen(given(famous, cases, lambda *_: "Good."), famous, WordReader(famous))
    assert found["chosen_unseen_liked"].value > 0.7, "a few come first for everybody"
    assert found["chosen_unseen"].value == pytest.approx(0.5)
    rng = np.random.default_rng(3)
    various = ScriptedTarget(rng.normal(size=(n, n)).astype(np.float32), small_catalogue(n))
    found = chosen(given(various, cases, lambda *_: "Good."), various, WordReader(various))
    assert found["chosen_unseen_liked"].value < 0.6
