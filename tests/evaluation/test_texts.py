"""What is measured of texts together, and the controls that forbid to believe it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from innerview.evaluation import choices, discriminators, simulatability, texts
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.given import Given
from innerview.evaluation.texts import failed_readers, text_measures
from innerview.explanation._ask import first_outcomes
from innerview.explanation.evidence import Evidence, Thresholds, measure_many
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget, small_catalogue

pytest.importorskip("sklearn")

N = 60


@pytest.fixture(scope="module")
def target() -> ScriptedTarget:
    """Parts of one colour speak for outcomes of that colour."""
    rng = np.random.default_rng(0)
    alike = np.equal.outer(np.arange(N) % 2, np.arange(N) % 2)
    weights = (3.0 * alike + rng.normal(size=(N, N))).astype(np.float32)
    return ScriptedTarget(weights, small_catalogue(N))


@pytest.fixture(scope="module")
def measured(target: ScriptedTarget) -> list[Evidence]:
    rng = np.random.default_rng(1)
    sides = [rng.permutation(np.arange(i % 2, N, 2))[:5] for i in range(100)]
    cases = [Case(f"c{i}", tuple(f"i{j}" for j in own)) for i, own in enumerate(sides)]
    pairs = list(zip(cases, first_outcomes(target, [(c, c) for c in cases]), strict=True))
    return list(measure_many(pairs, target, thresholds=Thresholds(max_set=1, max_groups=0)))


@pytest.fixture(scope="module")
def told(target: ScriptedTarget, measured: list[Evidence]) -> list[Given]:
    """Texts that say which parts cost first place, how good it is, and of which colour."""
    found = []
    for e in measured:
        needed = e.decisive()
        said = [
            f'{"Without" if part in needed else "Also without"} "{target.parts.title(part)}" it '
            f"{'falls' if part in needed else 'stays'}."
            for part in e.parts
        ]
        colour = ("even", "odd")[int(e.outcome[1:]) % 2]
        grade = f"It is {'very ' * max(0, min(9, round(2 * e.score - 32)))}good."
        text = " ".join([*said, f"All of it is {colour}.", grade])
        found.append(Given(Case(e.case_id, e.parts), e.outcome, (), text))
    return found


def test_everything_is_measured_and_no_control_knows_anything(
    target: ScriptedTarget, measured: list[Evidence], told: list[Given]
) -> None:
    found = text_measures(told, measured, target)
    assert {"reasons", "foreign_titles", "numbers_stated", "simulated", "score_error",
            "chosen_same", "chosen_unseen"} <= set(found)  # fmt: skip
    assert found["simulated"].low > 0.9 and found["chosen_unseen"].low > 0.8
    assert failed_readers({"mine": found}) == []


World = tuple[ScriptedTarget, list[Evidence], list[Given]]


@pytest.fixture
def world(target: ScriptedTarget, measured: list[Evidence], told: list[Given]) -> World:
    return target, measured, told


def _same(cases: list[str], *, seed: int = 0) -> list[int]:
    del seed
    return list(range(len(cases)))


@pytest.mark.parametrize(
    ("module", "control"),
    [
        (choices, "chosen_unseen_shuffled"),
        (simulatability, "simulated_shuffled"),
        (discriminators, "score_error_shuffled"),
    ],
)
def test_a_control_that_reads_the_very_text_is_named(
    module: Any, control: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, measured, told = world
    monkeypatch.setattr(module, "of_other_cases", _same)
    if module is simulatability:
        monkeypatch.setattr(
            module, "counterparts", lambda case, *_, **__: {p: p for p in case.parts}
        )
    wrong = failed_readers({"mine": text_measures(told, measured, target)})
    assert {one.split(" is ")[0] for one in wrong} >= {f"mine: {control}"}


def figure(value: float, low: float, high: float) -> Figure:
    return Figure(value, low, high, 50)


@pytest.mark.parametrize(
    ("own", "fails"),
    [
        (
            {
                "chosen_same_shuffled_beats": figure(0.6, 0.54, 0.66),
                "chosen_same_liked_beats": figure(0.4, 0.3, 0.5),
            },
            False,
        ),
        (
            {
                "chosen_same_shuffled_beats": figure(0.6, 0.56, 0.64),
                "chosen_same_liked_beats": figure(0.4, 0.3, 0.5),
            },
            True,
        ),
        (
            {
                "language_unseen_shuffled": figure(0.6, 0.56, 0.64),
                "language_unseen_liked": figure(0.5, 0.4, 0.6),
            },
            True,
        ),
        (
            {
                "chosen_unseen_shuffled": figure(0.7, 0.65, 0.75),
                "chosen_unseen_liked": figure(0.65, 0.6, 0.7),
            },
            False,
        ),
        (
            {
                "simulated_shuffled": figure(0.7, 0.66, 0.74),
                "simulated_without_text": figure(0.6, 0.5, 0.7),
            },
            True,
        ),
        (
            {
                "score_error_shuffled": figure(0.8, 0.7, 0.9),
                "score_error_mean": figure(1.0, 0.9, 1.1),
            },
            True,
        ),
        (
            {
                "score_error_shuffled": figure(1.3, 1.2, 1.4),
                "score_error_mean": figure(1.0, 0.9, 1.1),
            },
            False,
        ),
    ],
)
def test_a_control_fails_where_it_is_surely_better_than_whoever_is_told_nothing(
    own: dict[str, Figure], fails: bool
) -> None:
    wrong = failed_readers({"grounded": {}, "mine": own})
    assert [one.split(" is ")[0] for one in wrong] == [f"mine: {next(iter(own))}"] * fails


def test_without_scikit_learn_there_are_no_readers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, measured, told = world
    monkeypatch.setattr(texts, "can_read", lambda: False)
    found = text_measures(told, measured, target)
    assert "foreign_titles" in found and "simulated" not in found
