"""Intervals: seeded, by case, and as wide as theory says."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.errors import RecordError
from innerview.evaluation import bootstrap
from innerview.evaluation.bootstrap import (
    Figure,
    bootstrap_auc,
    bootstrap_calibration,
    bootstrap_mean,
    widened,
)
from innerview.evaluation.metrics import auc
from innerview.evaluation.results import read_metrics, write_metrics


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 6).map(str), st.booleans()),
        min_size=1, max_size=40,
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_interval_holds_the_value_whatever_the_order_of_answers(drawn, random) -> None:  # type: ignore[no-untyped-def]
    def figures(rows):  # type: ignore[no-untyped-def]
        values, cases, liked = ([row[at] for row in rows] for at in range(3))
        mean = bootstrap_mean(values, cases, n_resamples=200)
        if len(set(liked)) < 2:
            return [mean]
        return [mean, bootstrap_auc(values, liked, cases, n_resamples=200)]

    shuffled = random.sample(drawn, len(drawn))
    for one, other in zip(figures(drawn), figures(shuffled), strict=True):
        assert one.low <= one.value <= one.high
        assert one.n == len({case for _, case, _ in drawn})
        # Sums in another order differ by rounding.
        assert (one.low, one.value, one.high) == pytest.approx((other.low, other.value, other.high))


def test_mean_of_one_answer_per_case_has_the_width_of_a_binomial() -> None:
    n = 400
    values = [1.0] * 120 + [0.0] * 280
    figure = bootstrap_mean(values, list(range(n)), seed=1)
    half = 1.96 * np.sqrt(0.3 * 0.7 / n)
    # 2,000 resamples place a percentile within about 5 % of the half-width.
    assert figure.value == pytest.approx(0.3)
    assert (figure.high - figure.low) / 2 == pytest.approx(half, rel=0.1)


def test_answers_of_one_case_are_not_counted_as_independent() -> None:
    values = [1.0, 0.0] * 30
    alone = bootstrap_mean(np.repeat(values, 10).tolist(), list(range(600)))
    together = bootstrap_mean(np.repeat(values, 10).tolist(), np.repeat(range(60), 10).tolist())
    assert together.high - together.low > 2.5 * (alone.high - alone.low)
    assert (alone.n, together.n) == (600, 60)


def test_auc_resamples_agree_with_the_plain_formula() -> None:
    rng = np.random.default_rng(0)
    scores, liked, cases = rng.integers(0, 5, 30) / 4, rng.random(30) < 0.5, rng.integers(0, 8, 30)
    figure = bootstrap_auc(scores.tolist(), liked.tolist(), cases.tolist(), n_resamples=300)
    drawn = []
    for times in np.concatenate(list(bootstrap._resamples(8, 30, 0, 300))).astype(int):
        rows = np.concatenate([np.flatnonzero(cases == c) for c in np.repeat(range(8), times)])
        drawn.append(auc(scores[rows], liked[rows]))
    left_out = [
        auc(scores[rows], liked[rows]) for c in range(8) for rows in [np.flatnonzero(cases != c)]
    ]
    expected = bca(auc(scores, liked), np.array(drawn), np.array(left_out))
    assert (figure.low, figure.high) == pytest.approx(expected, abs=1e-5)
    assert figure.value == pytest.approx(auc(scores, liked))


def bca(value: float, drawn: Any, left_out: Any) -> tuple[float, float]:
    """Efron & Tibshirani 1993, 14.9 to 14.15, as it stands there; ties count half."""
    normal = NormalDist()
    bias = normal.inv_cdf(np.mean(drawn < value - 1e-12) + np.mean(abs(drawn - value) < 1e-12) / 2)
    away = left_out.mean() - left_out
    skew = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    ends = []
    for tail in (0.025, 0.975):
        moved = bias + normal.inv_cdf(tail)
        ends.append(np.quantile(drawn, normal.cdf(bias + moved / (1 - skew * moved))))
    return ends[0], ends[1]


def test_intervals_of_a_skewed_share_hold_it_as_often_as_they_say() -> None:
    rng, truth, held = np.random.default_rng(0), 0.06, 0
    for at in range(300):
        values = (rng.random(120) < truth).astype(float)
        figure = bootstrap_mean(values.tolist(), list(range(120)), seed=at, n_resamples=500)
        held += figure.low <= truth <= figure.high
    assert 0.91 <= held / 300 <= 0.98


def test_resampling_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, cases = list(np.linspace(0, 1, 50)), list(range(50))
    whole = bootstrap_mean(values, cases)
    monkeypatch.setattr(bootstrap, "_MAX_VALUES", 777)
    assert bootstrap_mean(values, cases) == whole


def test_seed_decides() -> None:
    values, cases = list(np.linspace(0, 1, 50) ** 2), list(range(50))
    assert bootstrap_mean(values, cases, seed=1) == bootstrap_mean(values, cases, seed=1)
    assert bootstrap_mean(values, cases, seed=1) != bootstrap_mean(values, cases, seed=2)


def test_nothing_to_resample_is_an_error() -> None:
    with pytest.raises(RecordError, match="0 answers about 0 cases"):
        bootstrap_mean([], [])
    with pytest.raises(RecordError, match="only one kind"):
        bootstrap_auc([0.1, 0.2], [True, True], ["a", "b"])


def test_figure_survives_its_wire_form() -> None:
    figure = Figure(0.5, 0.4, 0.6, 12)
    assert Figure.from_dict(figure.to_dict()) == figure


def test_calibration_error_is_how_far_shares_lie_from_probabilities() -> None:
    # In the bin of .8, three of four say yes; in that of .2, all do.
    scores, liked = [0.8] * 4 + [0.2] * 4, [True] * 3 + [False] + [True] * 4
    figure = bootstrap_calibration(scores, liked, list(range(8)))
    assert figure.value == pytest.approx((4 * 0.05 + 4 * 0.8) / 8)
    assert figure.low <= figure.value <= figure.high and figure.n == 8
    sure = bootstrap_calibration([1.0, 0.0], [True, False], ["a", "b"])
    assert (sure.low, sure.value, sure.high) == (0.0, 0.0, 0.0)


def test_a_coin_that_knows_its_chances_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    liked = (rng.random(20_000) < scores).tolist()
    cases = list(range(20_000))
    assert bootstrap_calibration(scores.tolist(), liked, cases, n_resamples=50).value < 0.02
    assert bootstrap_calibration((1 - scores).tolist(), liked, cases, n_resamples=50).value > 0.4


def test_an_interval_of_the_calibration_error_reaches_below_what_few_answers_say() -> None:
    held, rng = 0, np.random.default_rng(0)
    for at in range(100):
        scores = rng.random(300)
        liked = rng.random(300) < np.clip(scores + 0.1, 0, 1)  # off by .1, nearly
        figure = bootstrap_calibration(
            scores.tolist(), liked.tolist(), list(range(300)), seed=at, n_resamples=300
        )
        assert figure.low < figure.value < figure.high
        held += figure.low <= 0.095 <= figure.high
    assert held >= 80


@pytest.mark.parametrize("n", [2000, 2001, 5000])
def test_rare_events_skew_however_many_cases_there_are(n: int) -> None:
    # Three events: percentiles alone begin at none.
    figure = bootstrap_mean([1.0] * 3 + [0.0] * (n - 3), list(range(n)))
    assert figure.low >= 1 / n
    assert figure.high >= 8 / n


def test_a_figure_with_a_probability_survives_its_file(tmp_path: Path) -> None:
    figure = Figure(0.5, 0.4, 0.6, 12, 0.03)
    write_metrics(tmp_path / "m.json", {"differences": {"one": {"hr5": figure}}})
    assert read_metrics(tmp_path / "m.json")["differences"]["one"]["hr5"] == figure


def test_of_several_figures_each_is_held_to_wider_bounds() -> None:
    figure = Figure(0.2, 0.1, 0.4, 50)
    assert widened(figure, 1) == pytest.approx((0.1, 0.4))
    low, high = widened(figure, 10)
    assert low == pytest.approx(0.2 - 0.1 * 2.807 / 1.960, abs=1e-3)
    assert high == pytest.approx(0.2 + 0.2 * 2.807 / 1.960, abs=1e-3)
