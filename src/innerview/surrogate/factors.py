"""Vectors for a target that gives none: what its scores imply.

A memory is written from vectors, and a black box has scores only. But the scores of many cases are
a matrix, and its leading singular vectors are what a model of inner products would have scored them
by (Eckart and Young, 1936). So outcomes get coordinates there, and a case those of its scores.
They are the surrogate's means to learn, not the target's insides: no form that shows vectors is
offered for them, and no claim is made about them.

Axes: N cases, O outcomes, P parts, d factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from scipy.sparse.linalg import svds

from innerview.errors import SurrogateError
from innerview.targets.derived import DerivedTarget
from innerview.targets.protocol import Capabilities, Case, FloatArray, Target

__all__ = ["FACTORS", "FactoredTarget", "Factors", "factor_scores"]

FACTORS = "factors.safetensors"
"""In the folder of a surrogate."""

_WIDTH = 48
"""Factors at most: about as many numbers of a vector as a small language model has room for."""
_SAYS_NOTHING = 1e-3
"""A factor that explains less than this share of the variance is left out."""
_MOST_CASES, _MOST_SCORES = 4000, 2**26
"""Cases whose scores are factored, and scores: 256 MiB."""
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Factors:
    """What a target's scores imply.

    Attributes:
        loadings: (O, d) float32, orthonormal: scores times these are a case's vector.
        parts: (P, d) float32, of a case of that part alone; none where parts are outcomes, whose
            vectors are the loadings.
        explained: share of the scores' variance; unknown of those that were read from a file.
        queries: how many cases were scored to find them.
    """

    loadings: FloatArray
    parts: FloatArray | None
    explained: float | None = None
    queries: int = 0

    def saved(self) -> bytes:
        """As a safetensors file."""
        parts = {} if self.parts is None else {"parts": self.parts}
        return save({"loadings": self.loadings, **parts})

    @classmethod
    def read(cls, path: Path, target: Target) -> Factors:
        """From a file, for their target.

        Raises:
            SurrogateError: the file is damaged, or of other outcomes or parts.
        """
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise SurrogateError(f"{path}: {error}; align the surrogate anew") from None
        loadings, parts = tensors.get("loadings"), tensors.get("parts")
        wanted = {"loadings": len(target.outcomes)}
        if target.parts is not target.outcomes:
            wanted["parts"] = len(target.parts)
        found = {name: len(tensor) for name, tensor in tensors.items() if tensor.ndim == 2}
        widths = {tensor.shape[-1] for tensor in tensors.values()}
        if loadings is None or found != wanted or len(widths) != 1:
            raise SurrogateError(f"{path} is not of this target; align the surrogate anew")
        return cls(loadings, parts)


class FactoredTarget(DerivedTarget):
    """A target that gives scores only, with vectors that they imply.

    A case's vector takes a score of the target, which counts as a query.

    Args:
        target: that is asked.
        factors: of its scores.
    """

    def __init__(self, target: Target, factors: Factors) -> None:
        super().__init__(target)
        self._factors = factors

    @property
    def capabilities(self) -> Capabilities:
        """The target's, and vectors."""
        return replace(self._target.capabilities, vectors=True)

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """(N, d) float32."""
        return _standard_scores(self._target, cases) @ self._factors.loadings

    @property
    def outcome_vectors(self) -> FloatArray:
        """(O, d) float32."""
        return self._factors.loadings

    @property
    def part_vectors(self) -> FloatArray:
        """(P, d) float32."""
        own = self._factors.parts
        return self._factors.loadings if own is None else own


def factor_scores(target: Target, cases: Sequence[Case], *, seed: int = 0) -> Factors:
    """Factor what a target scores some cases.

    Args:
        target: that can score whatever case it is given.
        cases: whose scores are factored: so many, evenly spread, as fit into a quarter gigabyte.
        seed: where the search for singular vectors starts.

    Raises:
        SurrogateError: there is nothing to factor: fewer than two cases or outcomes.
    """
    before = target.queries.used
    n = min(len(cases), _MOST_CASES, _MOST_SCORES // len(target.outcomes))
    width = min(_WIDTH, n - 1, len(target.outcomes) - 1)
    if width < 1:
        raise SurrogateError(f"{n} cases and {len(target.outcomes)} outcomes: nothing to factor")
    chosen = [cases[at * len(cases) // n] for at in range(n)]
    scores = np.concatenate(list(_batches(target, chosen)))
    start = np.random.default_rng(seed).standard_normal(min(scores.shape))
    _, strengths, loadings = svds(scores, k=width, v0=start)
    shares = strengths[::-1] ** 2 / max(float(np.square(scores, dtype=np.float64).sum()), 1e-12)
    d = max(1, int((shares > _SAYS_NOTHING).sum()))
    kept = np.ascontiguousarray(_pointing_up(loadings[::-1][:d].T), dtype=np.float32)
    parts = None
    if target.parts is not target.outcomes:
        alone = [Case("", (part,)) for part in target.parts.ids]
        parts = np.concatenate([found @ kept for found in _batches(target, alone)])
    return Factors(kept, parts, float(shares[:d].sum()), target.queries.used - before)


def _batches(target: Target, cases: Sequence[Case]) -> Iterator[FloatArray]:
    for at in range(0, len(cases), _AT_ONCE):
        yield _standard_scores(target, cases[at : at + _AT_ONCE])


def _pointing_up(loadings: FloatArray) -> FloatArray:
    """The same, each factor with the sign that makes its largest loading positive."""
    largest = np.abs(loadings).argmax(axis=0)
    up: FloatArray = loadings * np.sign(loadings[largest, np.arange(loadings.shape[1])])
    return up


def _standard_scores(target: Target, cases: Sequence[Case]) -> FloatArray:
    """(N, O) float32 of mean 0 and variance 1 a case: what raises all outcomes alike decides
    nothing. A case's own parts, where they are no answers, are scored as anything (some targets:
    hugely negative), so they get the mean."""
    scores = np.array(target.score(cases), dtype=np.float64)
    counts = np.ones_like(scores, dtype=bool)
    if target.capabilities.excludes_parts:
        index = target.outcomes.index
        for row, case in zip(counts, cases, strict=True):
            row[[index[part] for part in case.parts if part in index]] = False
    n = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    scores -= np.where(counts, scores, 0.0).sum(axis=1, keepdims=True) / n
    scores *= counts
    deviation = np.sqrt(np.square(scores).sum(axis=1, keepdims=True) / n)
    standard: FloatArray = (scores / np.maximum(deviation, 1e-12)).astype(np.float32)
    return standard
