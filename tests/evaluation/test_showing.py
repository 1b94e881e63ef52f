"""Can I show these? The rules, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.showing import READ_OFF_LIMIT, UNCHECKED_LIMIT, Ruling, can_show
from innerview.explanation.explanation import Explanation

from .test_report import claim, explanation


def figure(value: float, n: int = 200) -> Figure:
    return Figure(value, value - 0.01, min(1.0, value + 0.01), n)


FIDELITY = {
    "grounded": {"verified_share": Figure(0.9999, 0.9996, 1.0, 1600), "coverage": figure(0.98)},
    "control_shuffled": {"necessity": figure(0.3), "necessity_skill": figure(0.02, 1600)},
    "surrogate_behavior": {"verified_share": figure(0.54), "claims_left": figure(3.2)},
    "surrogate_hybrid": {"verified_share": figure(0.97), "claims_left": figure(5.0)},
    "free_prose": {"necessity_skill": figure(-0.02)},
}
ALIGNMENT = {
    "behavior": {"retrieval_hr5": figure(0.5)},
    "hybrid": {"retrieval_hr5": Figure(1.0, 1.0, 1.0, 400)},
    "popularity": {"retrieval_hr5": figure(0.26)},
}


def good() -> Explanation:
    return replace(explanation(), claims=(claim("verified"), claim("untestable")))


def rulings(metrics: dict[str, Any], *explained: Explanation) -> dict[str, Ruling]:
    return {one.what: one for one in can_show(metrics, explained).rulings}


def test_each_kind_of_statement_is_ruled_on_by_its_own_figures() -> None:
    found = rulings({"fidelity": FIDELITY, "alignment": ALIGNMENT}, explanation())
    assert {what: one.answer for what, one in found.items()} == {
        "Any figure below": "yes",
        "Texts, and claims read off the target": "yes",
        "Claims of the surrogate, replayed": "yes",
        "Claims of the surrogate, unchecked, from text": "no",
        "Claims of the surrogate, unchecked, from text and vectors": "yes",
        "Text that the surrogate writes freely": "no",
        "Answers of the surrogate instead of the target's": "yes",
    }
    told = {what: one.because for what, one in found.items()}
    read_off = told["Texts, and claims read off the target"]
    assert "Here 1 of 1 that were tested held." in read_off
    assert "about 1,600 cases 0.999 [0.999, 1.000] held" in read_off, "short of all is not all"
    assert "Here 0 of 1" in told["Claims of the surrogate, replayed"]
    assert "3.2 from text, 5.0 from text and vectors" in told["Claims of the surrogate, replayed"]
    assert "best fixed list's for 0.260" in told["Answers of the surrogate instead of the target's"]
    assert not any(one.command for one in found.values())


def test_what_was_not_measured_is_said_with_the_command_that_measures_it() -> None:
    showing = can_show({}, ())
    assert showing.answer == "unknown" and "No case was explained" in showing.headline
    assert [one.answer for one in showing.rulings] == ["unknown"] * 3 + ["no", "unknown"]
    assert {one.because for one in showing.rulings} == {"Over many cases not measured."}
    assert [one.command.split()[1] for one in showing.rulings] == ["fidelity"] * 4 + ["evaluate"]


def test_verified_claims_may_be_shown_before_anything_else_is_measured() -> None:
    showing = can_show({}, [good()])
    assert showing.answer == "yes"
    read_off = showing.rulings[1]
    assert read_off.because.endswith("held. Over many cases not measured.")
    assert read_off.answer == "yes" and read_off.command == "innerview fidelity --run RUN"


@pytest.mark.parametrize("told", [True, False])
def test_a_control_with_skill_speaks_against_everything(told: bool) -> None:
    skilled = {"control_shuffled": {"necessity_skill": figure(0.5)}}
    metrics = (
        {"failed_controls": ["control_shuffled has a necessity_skill of 0.50"]}
        if told
        else {"fidelity": FIDELITY | skilled}
    )
    showing = can_show(metrics, [good()])
    assert showing.answer == "no" and "knows nothing shows skill" in showing.headline
    assert showing.rulings[0].answer == "no"
    assert "control_shuffled has a necessity_skill of 0.50" in showing.rulings[0].because


def test_claims_read_off_the_target_must_hold() -> None:
    low = {
        "fidelity": {"grounded": {"verified_share": Figure(0.995, READ_OFF_LIMIT - 0.001, 1, 9)}}
    }
    showing = can_show(low, [good()])
    assert showing.answer == "no" and "fail when it is asked again" in showing.headline
    wrong = replace(explanation(), claims=(claim("verified"), claim("refuted")))
    assert can_show({}, [wrong]).answer == "no"


def test_without_a_verified_claim_there_is_nothing_to_show() -> None:
    mute = replace(explanation(), claims=(claim("untestable"),))
    assert can_show({}, [mute]).answer == "unknown"
    assert rulings({}, mute)["Texts, and claims read off the target"].answer == "unknown"


@pytest.mark.parametrize(
    ("low", "floor", "answer"),
    [(UNCHECKED_LIMIT, 0.3, "yes"), (UNCHECKED_LIMIT - 0.01, 0.3, "no"), (0.96, 0.97, "no")],
)
def test_answers_need_to_be_right_and_better_than_a_fixed_list(
    low: float, floor: float, answer: str
) -> None:
    alignment = {
        "behavior": {"retrieval_hr5": Figure(0.98, low, 1, 400)},
        "constant": {"retrieval_hr5": figure(floor)},
    }
    found = rulings({"alignment": alignment})["Answers of the surrogate instead of the target's"]
    assert found.answer == answer and "from text;" in found.because
