"""Targets of this process: functions, torch modules, and how a run finds them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from innerview import Explainer
from innerview.errors import BundleError, CaseError, TargetQueryError
from innerview.targets import (
    BundleTarget,
    CallableTarget,
    Case,
    TorchTarget,
    check_bundle,
    load_bundle,
    load_target,
    register,
    save_target,
)
from innerview.targets import folder as folders
from innerview.targets.live import Histories

from .conftest import N_ITEMS, als_contents, cases_of, random_vectors, static_contents

TITLES = {f"i{row}": f"Item {row}" for row in range(N_ITEMS)}
WEIGHTS = random_vectors(N_ITEMS, N_ITEMS)


def scores(histories: Histories) -> np.ndarray:
    return np.stack([WEIGHTS[[int(part[1:]) for part in own]].sum(axis=0) for own in histories])


def target_of(
    function: Callable[[Histories], object] = scores, **settings: object
) -> CallableTarget:
    usual = {"name": "sums", "max_parts": 5, "order_sensitive": False}
    return CallableTarget(function, TITLES, **{**usual, **settings})  # type: ignore[arg-type]


class Recency(torch.nn.Module):
    """Later parts weigh more."""

    def __init__(self, vectors: np.ndarray, length: int = 5) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(len(vectors) + 1, vectors.shape[1], padding_idx=0)
        with torch.no_grad():
            self.table.weight[1:] = torch.from_numpy(vectors)
        self.register_buffer("places", torch.arange(1.0, length + 1.0))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, parts: torch.Tensor) -> torch.Tensor:
        mean = (self.table(parts) * self.places[None, :, None]).sum(dim=1)
        return torch.tanh(self.dropout(mean))


@pytest.fixture(autouse=True)
def _nobody_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_LIVING", {})


def test_a_function_is_explained_and_its_claims_are_replayed() -> None:
    target = target_of()
    explanation = Explainer(target)(Case("a", ("i1", "i2", "i3")))
    assert explanation.rank == 1
    assert {claim.verdict for claim in explanation.claims} == {"verified"}
    assert explanation.outcome_id not in ("i1", "i2", "i3"), "parts are never an answer"


def test_a_function_is_asked_in_batches_about_the_last_parts() -> None:
    asked: list[Histories] = []
    target = target_of(lambda own: (asked.append(own), scores(own))[1], batch_cases=2)
    cases = [Case(f"c{n}", tuple(f"i{i}" for i in range(n + 4))) for n in range(3)]
    found = target.score(cases)
    assert [len(batch) for batch in asked] == [2, 1]
    assert asked[1] == [["i1", "i2", "i3", "i4", "i5"]], "the oldest is not seen"
    np.testing.assert_array_equal(found, scores([*asked[0], *asked[1]]))
    assert target.queries.used == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda own: scores(own)[:, :-1], r"shape \(2, 29\); expected \(2, 30\)"),
        (lambda own: scores(own)[:1], r"shape \(1, 30\)"),
        (lambda own: np.where(scores(own) > 0, np.nan, 0), "NaN or infinity for case 'a'"),
        (lambda own: np.full((2, 30), np.inf), "NaN or infinity for case 'a'"),
        (lambda own: [["1.5"] * 30] * 2, "scores that are not all numbers"),
        (lambda own: [[None] * 30] * 2, "scores that are not all numbers"),
        (lambda own: [[1.0] * 30, [1.0]], "what is no table"),
        (lambda own: None, r"shape \(\)"),
        (lambda own: {}["gone"], "raised KeyError: 'gone'"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(
    answer: Callable[[Histories], object], message: str
) -> None:
    target = target_of(answer)
    with pytest.raises(TargetQueryError, match=message) as caught:
        target.score([Case("a", ("i1",)), Case("b", ("i2",))])
    assert str(caught.value).startswith("target 'sums' ") and "\n" not in str(caught.value)


def test_a_black_box_has_no_vectors_and_says_so() -> None:
    for read in (
        lambda own: own.part_vectors,
        lambda own: own.outcome_vectors,
        lambda own: own.case_vectors([Case("a", ("i1",))]),
    ):
        with pytest.raises(TargetQueryError, match="'sums' has no vectors; ask it for scores"):
            read(target_of())


def test_the_fingerprint_follows_the_answers_and_costs_no_query() -> None:
    target = target_of()
    first = target.fingerprint
    assert target.queries.used == 0
    assert target_of(name="renamed").fingerprint == first
    assert target_of(lambda own: scores(own) + 1).fingerprint != first
    assert target_of(max_parts=4).fingerprint != first
    noisy = np.random.default_rng(0)
    vague = [
        target_of(lambda own: scores(own) + noisy.random(), deterministic=False) for _ in range(2)
    ]
    assert vague[0].fingerprint == vague[1].fingerprint


def test_a_folder_finds_its_target_in_this_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = target_of()
    kept = save_target(tmp_path / "t", target)
    cases = cases_of(target.parts.ids)
    again = load_target(tmp_path / "t")
    np.testing.assert_array_equal(again.score(cases), target.score(cases))
    assert again.fingerprint == kept.fingerprint == target.fingerprint
    assert check_bundle(tmp_path / "t").ok
    with pytest.raises(BundleError, match="a live target and no bundle"):
        load_bundle(tmp_path / "t")
    monkeypatch.setattr(folders, "_LIVING", {})  # as in another process
    with pytest.raises(BundleError, match="'sums' lives in the process that made it; make it"):
        load_target(tmp_path / "t")
    register(target_of())
    np.testing.assert_array_equal(load_target(tmp_path / "t").score(cases), target.score(cases))
    register(CallableTarget(scores, {**TITLES, "i30": "Item 30"}, name="sums"))
    with pytest.raises(BundleError, match="the target 'sums' of this process has other ids"):
        load_target(tmp_path / "t")


def test_another_model_in_its_place_is_noticed(tmp_path: Path) -> None:
    save_target(tmp_path / "t", target_of())
    register(target_of(lambda own: scores(own) + np.arange(30)))
    changed = load_target(tmp_path / "t")
    with pytest.raises(BundleError, match="another model than the one recorded: case 'probe-"):
        changed.score([Case("a", ("i1",))])
    report = check_bundle(tmp_path / "t")
    assert "recorded scores are missed" in report.findings[0].text
    assert changed.queries.used == 0


def test_a_module_gives_scores_and_vectors() -> None:
    vectors = random_vectors(N_ITEMS)
    module = Recency(vectors).eval()
    target = TorchTarget(module, TITLES, vectors, session_length=5, name="recency")
    cases = cases_of(target.parts.ids)
    made = target.case_vectors(cases)
    np.testing.assert_allclose(target.score(cases), made @ vectors.T, atol=1e-4)
    explanation = Explainer(target)(cases[3])
    assert {claim.verdict for claim in explanation.claims} == {"verified"}
    other = Recency(vectors * 2).eval()
    same = TorchTarget(Recency(vectors).eval(), TITLES, vectors, session_length=5, name="recency")
    assert target.fingerprint == same.fingerprint
    assert TorchTarget(other, TITLES, vectors, session_length=5).fingerprint != same.fingerprint


def test_a_module_that_does_not_fit_is_refused_in_one_line() -> None:
    vectors = random_vectors(N_ITEMS)
    with pytest.raises(BundleError, match=r"in training mode; call \.eval\(\)"):
        TorchTarget(Recency(vectors), TITLES, vectors, session_length=5)
    with pytest.raises(CaseError, match=r"outcome vectors are \(29, 6\)"):
        TorchTarget(Recency(vectors).eval(), TITLES, vectors[1:], session_length=5)
    with pytest.raises(CaseError, match="no part vectors for 2 parts"):
        words = {"a": "A", "b": "B"}
        TorchTarget(Recency(vectors).eval(), TITLES, vectors, parts=words, session_length=5)
    wide = TorchTarget(Recency(vectors).eval(), TITLES, vectors[:, :5], session_length=5)
    with pytest.raises(TargetQueryError, match=r"answered \(1, 6\), expected \(1, 5\)"):
        wide.score([Case("a", ("i1",))])
    long = TorchTarget(Recency(vectors).eval(), TITLES, vectors, session_length=7)
    with pytest.raises(TargetQueryError, match="the module raised RuntimeError") as caught:
        long.score([Case("a", ("i1",))])
    assert "\n" not in str(caught.value)


def test_bundles_are_saved_whole(tmp_path: Path) -> None:
    for make in (als_contents, static_contents):
        contents = make()
        target = save_target(tmp_path / contents.name, BundleTarget(contents))
        assert isinstance(target, BundleTarget) and target.manifest is not None
        assert target.manifest.check_cases
        assert check_bundle(tmp_path / contents.name).ok
