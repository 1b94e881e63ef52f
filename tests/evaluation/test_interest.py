"""Judgements over the whole ranking, and whether their odds are true."""

from __future__ import annotations

import numpy as np
import pytest

from innerview.alignment.labels import outcomes_by_decile
from innerview.alignment.mixture import decile_records
from innerview.alignment.records import DECILE, Record
from innerview.errors import RecordError
from innerview.evaluation.answers import alignment_metrics, judged_answers
from innerview.evaluation.interest import calibration_bins, decile_figures
from innerview.evaluation.metrics import log_odds
from innerview.targets.protocol import Case, top_outcomes
from innerview.testing.fakes import ScriptedTarget

from .conftest import ask

TENTHS = [str(n) for n in range(1, 11)]


@pytest.fixture
def asked(target: ScriptedTarget, cases: list[Case]) -> list[Record]:
    return decile_records(target, cases, "behavior", seed=0)


def test_one_outcome_is_drawn_from_each_tenth_of_the_ranking(
    target: ScriptedTarget, cases: list[Case]
) -> None:
    drawn = outcomes_by_decile(target, cases, seed=1)
    assert drawn == outcomes_by_decile(target, cases, seed=1)
    for case, scores, own in zip(cases, target.score(cases), drawn, strict=True):
        order = top_outcomes(target, case, scores, len(target.outcomes))
        assert list(own) == list(range(1, 11))
        for tenth, outcome in own.items():
            assert len(order) * (tenth - 1) // 10 <= order.index(outcome) < len(order) * tenth // 10


def test_of_few_outcomes_some_tenths_have_none_and_no_outcome_is_asked_of_twice() -> None:
    few = ScriptedTarget(np.random.default_rng(0).normal(size=(6, 6)))
    (own,) = outcomes_by_decile(few, [Case("c", ("i0", "i1"))], seed=0)
    assert len(own) == len(set(own.values())) <= 6
    assert list(own) == sorted(own) and max(own) == 10


def test_they_have_no_right_answer_and_count_for_no_other_metric(asked: list[Record]) -> None:
    assert all(set(record.label) == {"outcome", DECILE} for record in asked)
    assert all(record.heldout_phrasing for record in asked)
    values = [0.5] * len(asked)
    assert alignment_metrics(asked, values) == {} == judged_answers(asked, values)


def test_whoever_follows_the_target_is_in_order_in_every_tenth(asked: list[Record]) -> None:
    found = decile_figures(asked, [1.0 - record.label[DECILE] / 11 for record in asked])
    assert {name: list(own) for name, own in found.items()} == {
        "yes": TENTHS, "order": TENTHS, "log_odds": TENTHS,
    }  # fmt: skip
    assert {figure.value for figure in found["order"].values()} == {1.0}
    assert [figure.value for figure in found["yes"].values()] == [1.0] * 5 + [0.0] * 5
    assert found["log_odds"]["1"].value == pytest.approx(log_odds(10 / 11))
    assert found["order"]["1"].n == 60


def test_who_says_the_same_of_all_is_at_chance_and_who_reverses_it_is_wrong(
    asked: list[Record],
) -> None:
    same = decile_figures(asked, [0.7] * len(asked))
    assert {figure.value for figure in same["order"].values()} == {0.5}
    reverse = decile_figures(asked, [record.label[DECILE] / 11 for record in asked])
    assert {figure.value for figure in reverse["order"].values()} == {0.0}


def test_calibration_is_by_bin_and_skips_empty_ones() -> None:
    records = [ask("interest", Case(f"c{n}", ("p",)), outcome="o", liked=n < 3) for n in range(4)]
    found = calibration_bins(records, [1.0, 0.95, 0.04, 0.0])
    assert list(found) == ["1", "10"]
    assert found["10"]["liked"].value == 1.0 and found["1"]["liked"].value == 0.5
    assert found["10"]["probability"].value == pytest.approx(0.975)
    assert found["1"]["probability"].n == 2
    with pytest.raises(RecordError, match="1 answers to 4 records; expected one each"):
        calibration_bins(records, [0.5])
