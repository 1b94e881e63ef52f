"""Differences between answerers, over the questions that both were asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from innerview.alignment.records import Record
from innerview.evaluation.answers import AnswerValue, alignment_metrics, judged_answers
from innerview.evaluation.bootstrap import bootstrap_difference
from innerview.evaluation.differences import paired_differences

from .conftest import truth


def wrong_at_times(records: Sequence[Record], share: float, *, seed: int = 0) -> list[AnswerValue]:
    """Right but for a share, where a list is turned round and a probability is the other way."""
    coin = random.Random(seed)
    given: list[AnswerValue] = []
    for record in records:
        value = truth(record)
        if coin.random() < share:
            value = value[::-1] if isinstance(value, tuple) else value
            value = 1.0 - value if isinstance(value, float) else value
        given.append(value)
    return given


def test_a_difference_is_that_of_the_figures_where_both_were_asked_all(
    records: list[Record],
) -> None:
    good, bad = wrong_at_times(records, 0.1), wrong_at_times(records, 0.6, seed=1)
    # In other words, another form and another order, the questions are the same.
    others = [
        replace(r, form="hybrid", question=r.question[-1:], label={**r.label, "shown": [str(at)]})
        for at, r in enumerate(records)
    ]
    found = paired_differences({"hybrid": (records, good), "one": (others, bad)}, of="hybrid")
    own, other = alignment_metrics(records, good), alignment_metrics(records, bad)
    assert set(found) == {"one"}
    assert {"retrieval_hr5", "ranking_kendall", "interest_accuracy_heldout_items"} <= set(
        found["one"]
    )
    for name, figure in found["one"].items():
        assert figure.value == pytest.approx(own[name].value - other[name].value), name
        assert figure.n == own[name].n
        assert figure.p is not None and 0 < figure.p <= 1
    assert found["one"]["retrieval_ndcg5"].p == pytest.approx(1e-4 * len(found["one"]), rel=1.0)


def test_only_questions_that_both_were_asked_count(records: list[Record]) -> None:
    usual = [r for r in records if r.task == "retrieval"]
    half = usual[: len(usual) // 2]
    given = {
        "hybrid": (usual, [truth(r) for r in usual]),
        "one": (half, [truth(r)[1:] for r in half]),  # type: ignore[index]
        "none": ([r for r in records if r.task == "history"],) * 2,
    }
    given["none"] = (given["none"][0], [truth(r) for r in given["none"][0]])
    found = paired_differences(given, of="hybrid")
    assert set(found) == {"one"}
    assert found["one"]["retrieval_hr5"].value == 1.0
    assert found["one"]["retrieval_hr5"].n == len(half)


def test_probabilities_are_corrected_for_their_number(records: list[Record]) -> None:
    given = {"hybrid": (records, wrong_at_times(records, 0.3))}
    given |= {f"{n}": (records, wrong_at_times(records, 0.3, seed=n)) for n in range(1, 6)}
    found = paired_differences(given, of="hybrid")
    corrected = [figure.p for own in found.values() for figure in own.values()]
    alone = []
    judged = judged_answers(*given["hybrid"])
    for name in found:
        others = judged_answers(*given[name])
        for metric in found[name]:
            differences = [
                one.worth - other.worth
                for one, other in zip(judged[metric], others[metric], strict=True)
            ]
            clusters = [one.cluster for one in judged[metric]]
            alone.append(bootstrap_difference(differences, clusters).p)
    n = len(alone)
    ordered = sorted(range(n), key=lambda at: alone[at] or 0.0)
    least = 0.0
    for place, at in enumerate(ordered):
        least = max(least, min(1.0, (alone[at] or 0.0) * (n - place)))
        assert corrected[at] == pytest.approx(least)


def test_nothing_to_tell_apart_is_rarely_told_apart() -> None:
    rng = np.random.default_rng(0)
    cases = np.repeat(np.arange(40), 3).tolist()
    found = [
        bootstrap_difference(rng.normal(size=120).tolist(), cases, n_resamples=50, n_flips=199).p
        for _ in range(400)
    ]
    assert 0.02 <= np.mean([p is not None and p <= 0.05 for p in found]) <= 0.09
    assert bootstrap_difference([0.0] * 120, cases, n_flips=99).p == 1.0
    assert bootstrap_difference([1.0] * 120, cases, n_flips=99).p == 0.01


def test_cases_whose_answers_hang_together_count_once() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(0.3, 1.0, size=20)
    apart = bootstrap_difference(own.tolist(), list(range(20)))
    again = bootstrap_difference(np.repeat(own, 5).tolist(), np.repeat(range(20), 5).tolist())
    assert apart.p == again.p
    assert (apart.low, apart.high) == pytest.approx((again.low, again.high))
