"""A reader who knows nothing but the words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.controls import of_other_cases
from innerview.evaluation.free_prose import mentions
from innerview.evaluation.given import Given
from innerview.evaluation.simulatability import _readings, simulated_changes
from innerview.explanation._ask import first_outcomes
from innerview.explanation.evidence import Evidence, Thresholds, measure_many
from innerview.targets.protocol import Case
from innerview.testing.fakes import ScriptedTarget


def given(
    target: ScriptedTarget, cases: list[Case], text: Callable[[Case, list[str], list[str]], str]
) -> list[Given]:
    """Explanations made of the titles without which the outcome falls, and of the others."""
    found = []
    for case, one in zip(cases, measured(target, cases), strict=True):
        effects = {target.parts.title(e.part): e.rank_after for e in one.leave_out}
        needed = [title for title, rank in effects.items() if rank and rank > 1]
        others = [title for title in effects if title not in needed]
        found.append(Given(case, one.outcome, (), text(case, needed, others)))
    return found


def measured(target: ScriptedTarget, cases: list[Case]) -> list[Evidence]:
    firsts = first_outcomes(target, [(case, case) for case in cases])
    pairs = list(zip(cases, firsts, strict=True))
    return list(measure_many(pairs, target, thresholds=Thresholds(max_set=1, max_groups=0)))


def simulated(told: list[Given], target: ScriptedTarget) -> dict[str, Figure]:
    return simulated_changes(told, measured(target, [one.case for one in told]), target)


def sentences(needed: list[str], others: list[str]) -> str:
    said = [f'Without "{title}" it falls.' for title in needed]
    return " ".join([*said, *(f'It could do without "{title}".' for title in others)])


def test_who_reads_what_hangs_on_what_foresees_it(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    told = given(target, cases, lambda _, needed, others: sentences(needed, others))
    found = simulated(told, target)
    assert found["simulated"].value > 0.99
    for control in ("simulated_without_text", "simulated_constant", "simulated_shuffled"):
        assert found[control].low < 0.55 and found[control].high < 0.8, control
    assert found["simulated_masked"].value < 0.9, "it is not told which title is whose"
    assert found["simulated"].n == len(cases)
    assert simulated(told, target) == found


def test_one_text_for_all_says_no_more_than_none(target: ScriptedTarget, cases: list[Case]) -> None:
    told = given(target, cases, lambda _, needed, others: sentences(needed, others))
    # Whichever is read: what it says of its own case is no news of the others.
    for first in (0, 20, 40):
        found = simulated([told[first], *told[:first], *told[first + 1 :]], target)
        constant, nothing = found["simulated_constant"], found["simulated_without_text"]
        assert constant.value == pytest.approx(nothing.value, abs=0.03)
        assert constant.low < 0.55


def test_words_that_say_the_wrong_thing_teach_as_much_and_empty_ones_nothing(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    # A reader learns what words mean; that they lie all the time is as good as the truth.
    lies = given(target, cases, lambda _, needed, others: sentences(others, needed))
    assert simulated(lies, target)["simulated"].value > 0.99
    praise = given(target, cases, lambda case, *_: f"It is number {case.case_id}, and good.")
    found = simulated(praise, target)
    assert found["simulated"].value < 0.7
    all_alike = given(
        target, cases, lambda _, needed, others: " and ".join(sorted(needed + others))
    )
    assert simulated(all_alike, target)["simulated"].value < 0.75


def test_titles_are_masked_and_the_one_asked_about_is_told(target: ScriptedTarget) -> None:
    case = Case("c", ("i1", "i2", "i3"))
    a, b = target.parts.title("i1"), target.parts.title("i2")
    text = f'It needs "{b}". Not "{a}", nor "{b}".'
    spots = mentions(text, case, target)
    first, second, third = _readings(Given(case, "i9", (), text), text, spots)
    assert first.about == 'named2 Not "theasked", nor "theother".'
    assert second.about == 'named1 It needs "theasked". Not "theother", nor "theasked".'
    assert third.about == "unnamed "
    assert first.whole == second.whole == 'It needs "theother". Not "theother", nor "theother".'
    assert [r.chance for r in (first, second, third)] == [pytest.approx(1 / 3)] * 3
    untold = _readings(Given(case, "i9", (), text), text, spots, told=False)
    assert {r.about for r in untold} == {""}
    nine = target.outcomes.title("i9")
    text = f'"{nine}" it is'
    (one, *_) = _readings(Given(case, "i9", (), text), text, mentions(text, case, target))
    assert nine not in one.whole, "no title of the catalogue is read"


def test_too_few_explanations_or_none_with_words_are_not_measured(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    told = given(target, cases[:19], lambda _, needed, others: sentences(needed, others))
    assert simulated(told, target) == {}
    silent = given(target, cases, lambda *_: " ")
    assert simulated(silent, target) == {}


def test_a_reader_who_is_told_nothing_knows_nothing(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    # Each fold's usual answer is the other way round from what the others teach.
    for text in ("?", "I", "It is good."):
        found = simulated(given(target, cases, lambda *_, text=text: text), target)
        assert found["simulated_masked"].value == pytest.approx(0.5)
        assert found["simulated_without_text"].value == pytest.approx(0.5)


def test_another_cases_text_is_another_cases(target: ScriptedTarget, cases: list[Case]) -> None:
    owners = [f"{n // 3}" for n in range(12)]
    given_to = of_other_cases(owners)
    assert all(owners[other] != own for other, own in zip(given_to, owners, strict=True))
    assert {owners[other] for other in given_to} == set(owners)
