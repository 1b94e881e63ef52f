"""What a reader of texts can tell: the score, and who wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from innerview.evaluation.discriminators import foretold_scores, told_apart
from innerview.evaluation.given import Given
from innerview.explanation._ask import first_outcomes
from innerview.explanation.evidence import Evidence, Thresholds, measure_many
from innerview.targets.protocol import Case
from innerview.testing.fakes import ScriptedTarget


@pytest.fixture(scope="module")
def target() -> ScriptedTarget:
    from innerview.testing import small_catalogue

    weights = np.random.default_rng(0).normal(size=(30, 30)).astype(np.float32)
    return ScriptedTarget(weights, small_catalogue(30))


@pytest.fixture(scope="module")
def measured(target: ScriptedTarget) -> list[Evidence]:
    """Each case's first outcome, and one of its last."""
    rng = np.random.default_rng(1)
    cases = [
        Case(f"c{i}", tuple(f"i{j}" for j in rng.choice(30, size=4, replace=False)))
        for i in range(80)
    ]
    firsts = first_outcomes(target, [(case, case) for case in cases])
    order = target.score(cases).argsort(1)
    lasts = [
        next(one for row in rows if (one := target.outcomes.ids[row]) not in case.parts)
        for case, rows in zip(cases, order, strict=True)
    ]
    outcomes = [
        (first, last)[i % 2] for i, (first, last) in enumerate(zip(firsts, lasts, strict=True))
    ]
    pairs = list(zip(cases, outcomes, strict=True))
    return list(measure_many(pairs, target, thresholds=Thresholds(max_set=1, max_groups=0)))


def texts(measured: Sequence[Evidence], text: Callable[[Evidence], str]) -> list[Given]:
    return [Given(Case(e.case_id, e.parts), e.outcome, (), text(e)) for e in measured]


def grade(e: Evidence) -> str:
    return f"It is {'very ' * max(0, min(9, round(e.score + 5)))}good."


def test_whoever_reads_how_good_it_is_foretells_the_score(
    target: ScriptedTarget, measured: list[Evidence]
) -> None:
    found = foretold_scores(texts(measured, grade), measured, target)
    assert found["score_error_mean"].value == pytest.approx(1.0, abs=0.1)
    assert found["score_error_shuffled"].low > 0.5
    assert found["score_error_constant"].value == pytest.approx(
        found["score_error_mean"].value, abs=1e-6
    ), "one text for all tells nothing"
    # Half are the best and half the worst, so the decision is most of it, as in the paper.
    assert found["score_error_decision"].value < 0.4
    assert found["score_error"].value < found["score_error_mean"].value / 2
    assert found["score_error"].n == 80
    assert foretold_scores(texts(measured, grade), measured, target) == found


def test_words_that_say_nothing_are_worth_no_more_than_the_mean(
    target: ScriptedTarget, measured: list[Evidence]
) -> None:
    found = foretold_scores(texts(measured, lambda e: f"Case {e.case_id}."), measured, target)
    assert found["score_error"].value > 0.9
    yes_or_no = texts(measured, lambda e: "Yes." if e.rank <= 10 else "No.")
    found = foretold_scores(yes_or_no, measured, target)
    assert found["score_error"].value == pytest.approx(found["score_error_decision"].value, abs=0.1)


def test_errors_do_not_depend_on_the_units_of_the_target(
    target: ScriptedTarget, measured: list[Evidence]
) -> None:
    found = foretold_scores(texts(measured, grade), measured, target)
    scaled = [replace(e, score=1000 * e.score - 7) for e in measured]
    for name, figure in foretold_scores(texts(measured, grade), scaled, target).items():
        assert figure.value == pytest.approx(found[name].value, rel=1e-3), name


def test_a_score_that_titles_tell_is_not_told_without_them(
    target: ScriptedTarget, measured: list[Evidence]
) -> None:
    named = texts(measured, lambda e: f'"{target.outcomes.title("i1" if e.rank > 10 else "i2")}"')
    found = foretold_scores(named, measured, target)
    assert found["score_error"].value < 0.5
    assert found["score_error_masked"].value > 0.9


def test_too_few_texts_and_scores_that_are_all_the_same_have_no_figures(
    target: ScriptedTarget, measured: list[Evidence]
) -> None:
    assert foretold_scores(texts(measured[:9], grade), measured[:9], target) == {}
    assert foretold_scores(texts(measured, lambda e: " "), measured, target) == {}
    same = [replace(e, score=1.0) for e in measured]
    assert foretold_scores(texts(measured, grade), same, target) == {}


def test_those_who_write_otherwise_are_told_apart_and_those_who_write_alike_are_not(
    target: ScriptedTarget, measured: list[Evidence]
) -> None:
    title = target.parts.title
    one = texts(measured, lambda e: f'It goes with "{title(e.parts[0])}", they said.')
    other = texts(measured, lambda e: f'Whoever has "{title(e.parts[1])}" wants it.')
    found = told_apart({"one": one, "other": other}, target)
    assert all(figure.value == 1.0 for own in found.values() for figure in own.values())
    alike = texts(measured, lambda e: f'It goes with "{title(e.parts[1])}", they said.')
    found = told_apart({"one": one, "alike": alike}, target)
    masked = [own["told_apart_masked"].value for own in found.values()]
    assert np.mean(masked) == pytest.approx(0.5, abs=0.05)


def test_who_has_few_texts_is_not_told_apart_from_anybody(
    target: ScriptedTarget, measured: list[Evidence]
) -> None:
    own = texts(measured, grade)
    assert told_apart({"one": own}, target) == {}
    assert told_apart({"one": own, "other": own[:5]}, target) == {}
    three = told_apart({"one": own, "other": own, "few": own[:5]}, target)
    assert set(three) == {"one", "other"}
