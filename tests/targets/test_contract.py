"""Every kind of target keeps the contract that outside authors inherit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from innerview.errors import BundleError, CaseError
from innerview.targets import (
    BundleTarget,
    CallableTarget,
    Case,
    Contents,
    HttpTarget,
    Target,
    TorchTarget,
    load_bundle,
    load_target,
    ridge_fold_in,
    save_bundle,
    save_target,
)
from innerview.targets.manifest import OnnxEncoder
from innerview.targets.onnx_export import export_encoder
from innerview.testing import (
    Reply,
    ScriptedTarget,
    TargetContract,
    answers_of,
    serving,
    small_catalogue,
)

from .conftest import (
    able,
    als_contents,
    cases_of,
    item_item_contents,
    mean_contents,
    random_vectors,
    static_contents,
)
from .test_live import TITLES, scores, target_of
from .test_live import Recency as LiveRecency

LENGTH = 5


class Recency(torch.nn.Module):
    """A tiny encoder in which later parts weigh more."""

    def __init__(self, vectors: np.ndarray) -> None:
        super().__init__()
        padded = np.concatenate([np.zeros_like(vectors[:1]), vectors])
        self.register_buffer("vectors", torch.from_numpy(padded))
        self.register_buffer("places", torch.arange(1.0, LENGTH + 1.0))

    def forward(self, parts: torch.Tensor) -> torch.Tensor:
        return torch.tanh((self.vectors[parts] * self.places[None, :, None]).sum(dim=1))


@cache
def onnx_contents() -> Contents:
    catalogue, vectors = small_catalogue(30), random_vectors(30)
    return Contents(
        name="recency",
        spec=OnnxEncoder(session_length=LENGTH),
        capabilities=able(order_sensitive=True),
        outcomes=catalogue,
        parts=catalogue,
        outcome_vectors=vectors,
        part_vectors=vectors,
        onnx=export_encoder(Recency(vectors).eval(), session_length=LENGTH),
    )


class BundleContract(TargetContract):
    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "target"
        contents = self.contents()
        save_bundle(self.folder, contents, check_cases=self.make_cases(BundleTarget(contents)))

    def contents(self) -> Contents:
        raise NotImplementedError

    def make_target(self) -> Target:
        return load_bundle(self.folder)

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids)


class TestAlsBundle(BundleContract):
    def contents(self) -> Contents:
        return als_contents()


class TestMeanBundle(BundleContract):
    def contents(self) -> Contents:
        return mean_contents()


class TestItemItemBundle(BundleContract):
    def contents(self) -> Contents:
        return item_item_contents()


class TestStaticBundle(BundleContract):
    def contents(self) -> Contents:
        return static_contents()


class TestFoldIn(BundleContract):
    def contents(self) -> Contents:
        return ridge_fold_in(BundleTarget(static_contents()))


class TestCallable(TargetContract):
    def make_target(self) -> Target:
        return target_of()

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids)

    def make_target_that_answers_nan(self) -> Target:
        return target_of(lambda own: scores(own) * np.nan)


class TestCallableClassifier(TargetContract):
    """Parts are words, and classes are what is scored."""

    def make_target(self) -> Target:
        def classes(texts: list[list[str]]) -> np.ndarray:
            return np.array([[len(own), own.index(own[-1])] for own in texts], dtype=np.float64)

        words = small_catalogue(9, prefix="w", noun="word")
        return CallableTarget(classes, {"long": "Long", "late": "Late"}, words)

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids, most=4)


class TestRecordedCallable(TestCallable):
    """The same, found by its folder."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "live"
        save_target(self.folder, target_of())

    def make_target(self) -> Target:
        return load_target(self.folder)


class TestTorchModule(TargetContract):
    def make_target(self, scale: float = 1.0) -> Target:
        vectors = random_vectors(30)
        module = LiveRecency(vectors * scale).eval()
        return TorchTarget(module, TITLES, vectors, session_length=5, name="recency")

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids)

    def make_target_that_answers_nan(self) -> Target:
        return self.make_target(np.nan)


class TestHttp(TargetContract):
    @pytest.fixture(autouse=True)
    def _served(self) -> Iterator[None]:
        def answer(body: dict[str, object], n: int) -> Reply:
            return answers_of(self.model)(body, n)

        self.model: Target = target_of()
        with serving(answer) as served:
            self.url = served.url
            yield

    def make_target(self) -> Target:
        settings = {"max_parts": 5, "order_sensitive": False}
        return HttpTarget(self.url, self.model.outcomes, name="sums", **settings)

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids)

    def make_target_that_answers_nan(self) -> Target:
        made = self.make_target()
        self.model = _Untrue(random_vectors(30, 30), max_parts=5)
        return made


class _Untrue(ScriptedTarget):
    def score(self, cases):  # type: ignore[no-untyped-def]
        return super().score(cases) * np.nan


class TestOnnxBundle(BundleContract):
    def contents(self) -> Contents:
        return onnx_contents()

    def test_onnx_vector_equals_the_torch_module(self) -> None:
        target = self.make_target()
        cases = self.make_cases(target)
        fed = torch.zeros((len(cases), LENGTH), dtype=torch.int64)
        for row, case in zip(fed, cases, strict=True):
            row[-len(case.parts) :] = torch.tensor(target.parts.rows(case.parts)) + 1
        expected = Recency(target.part_vectors).eval()(fed).numpy()
        np.testing.assert_allclose(target.case_vectors(cases), expected, atol=1e-6)


def test_onnx_that_reads_another_file_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    whole = onnx.load_from_string(onnx_contents().onnx)
    onnx.save(whole, tmp_path / "e.onnx", save_as_external_data=True, size_threshold=0)
    split = replace(onnx_contents(), onnx=(tmp_path / "e.onnx").read_bytes())
    with pytest.raises(BundleError, match="refers to data outside the file"):
        BundleTarget(split)


def test_onnx_of_another_session_length_is_refused() -> None:
    contents = replace(onnx_contents(), spec=OnnxEncoder(session_length=7))
    with pytest.raises(BundleError, match=r"expected \(N, 7\)"):
        BundleTarget(contents)


class TestScripted(TargetContract):
    def make_target(self) -> Target:
        return ScriptedTarget(random_vectors(9, 9), max_parts=4)

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids, most=4)


class TestScriptedClassifier(TargetContract):
    def make_target(self) -> Target:
        return ScriptedTarget(random_vectors(9, 3), positions=0.5, bias=[1.0, 0.0, -1.0])

    def make_cases(self, target: Target) -> list[Case]:
        return cases_of(target.parts.ids)


def test_scripted_scores_are_sums_of_weights() -> None:
    target = ScriptedTarget([[0, 1, 2], [3, 0, 1], [1, 1, 0]], bias=[10, 0, 0])
    scores = target.score([Case("a", ("i0", "i1")), Case("b", ("i2",))])
    np.testing.assert_array_equal(scores, [[13, 1, 3], [11, 1, 0]])


def test_repeated_part_of_an_order_free_bundle_counts_once() -> None:
    target = BundleTarget(als_contents())
    once, twice = Case("a", ("i1", "i2")), Case("a", ("i1", "i2", "i1"))
    np.testing.assert_array_equal(target.score([once]), target.score([twice]))


def test_empty_case_message_names_the_case() -> None:
    with pytest.raises(CaseError, match=r"case 'c7' is empty"):
        BundleTarget(als_contents()).score([Case("c7", ())])


class Forgetful(ScriptedTarget):
    """Breaks the contract: counts no query."""

    def score(self, cases):  # type: ignore[no-untyped-def]
        scores = super().score(cases)
        self._queries.used = 0
        return scores


class Untyped(ScriptedTarget):
    """Breaks the contract: answers in double."""

    def score(self, cases):  # type: ignore[no-untyped-def]
        return super().score(cases).astype(np.float64)


class Remembering(ScriptedTarget):
    """Breaks the contract: what it answers is its own, and can be spoiled."""

    def score(self, cases):  # type: ignore[no-untyped-def]
        self.kept = getattr(self, "kept", {})
        key = tuple(case.parts for case in cases)
        return self.kept.setdefault(key, super().score(cases))


class Padding(ScriptedTarget):
    """Breaks the contract: who is in a batch leaks into the scores."""

    def score(self, cases):  # type: ignore[no-untyped-def]
        return super().score(cases) + np.float32(len(cases))


class Talkative(ScriptedTarget):
    """Breaks the contract: has vectors that it says it does not have."""

    def _need_vectors(self) -> None:
        pass


class Credulous(ScriptedTarget):
    """Breaks the contract: takes what it has never heard of."""

    def score(self, cases):  # type: ignore[no-untyped-def]
        known = [case.keep(self.parts.ids) for case in cases]
        return super().score([case if case.parts else Case("", ("i0",)) for case in known])


class TestContractItself:
    """A contract that nothing can fail is worth nothing."""

    @pytest.mark.parametrize(
        ("target", "broken"),
        [
            (
                lambda: Forgetful(random_vectors(4, 4)),
                "test_every_case_scored_is_one_query",
            ),
            (
                lambda: Untyped(random_vectors(4, 4)),
                "test_scores_have_one_row_per_case_and_one_column_per_outcome",
            ),
            (lambda: Remembering(random_vectors(4, 4)), "test_same_case_scores_the_same"),
            (lambda: Padding(random_vectors(4, 4)), "test_batching_changes_nothing"),
            (
                lambda: Talkative(random_vectors(4, 4), vectors=False),
                "test_vectors_are_there_only_where_declared",
            ),
            (lambda: Credulous(random_vectors(4, 4)), "test_unknown_part_is_refused"),
            (lambda: Credulous(random_vectors(4, 4)), "test_case_without_parts_is_refused"),
            (
                lambda: _lying(ScriptedTarget(random_vectors(4, 4)), rescoring=False),
                "test_a_changed_case_is_scored_only_where_declared",
            ),
            (
                lambda: _lying(ScriptedTarget(random_vectors(4, 3))),
                "test_ids_are_strings_with_titles",
            ),
            (
                lambda: _lying(ScriptedTarget(random_vectors(4, 4), noise=1.0)),
                "test_same_case_scores_the_same",
            ),
            (
                lambda: _lying(ScriptedTarget(random_vectors(4, 4), positions=1.0)),
                "test_order_of_parts_matters_only_where_declared",
            ),
        ],
    )
    def test_broken_target_fails(self, target, broken: str) -> None:
        contract = TargetContract()
        contract.make_target = target  # type: ignore[method-assign]
        contract.make_cases = lambda target: cases_of(target.parts.ids, most=3)  # type: ignore
        with pytest.raises(AssertionError):
            getattr(contract, broken)()

    def test_a_target_that_answers_nan_fails(self) -> None:
        contract = TargetContract()
        contract.make_cases = lambda target: cases_of(target.parts.ids, most=3)  # type: ignore
        contract.make_target_that_answers_nan = (  # type: ignore[method-assign]
            lambda: _Untrue(random_vectors(4, 4))
        )
        with pytest.raises(AssertionError, match="NaN passes for an answer"):
            contract.test_nan_is_never_an_answer()


def _lying(target: ScriptedTarget, **changes: object) -> ScriptedTarget:
    target._capabilities = able(max_parts=16, **changes)
    return target
