"""Small real targets whose truths are known on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from innerview.data.tables import Catalogue
from innerview.errors import CaseError, TargetQueryError
from innerview.targets.described import DescribedTarget
from innerview.targets.protocol import Capabilities, Case, FloatArray

__all__ = ["ScriptedTarget", "small_catalogue"]


def small_catalogue(n: int, *, prefix: str = "i", noun: str = "item") -> Catalogue:
    """``n`` entries ``i0, i1, …`` with titles ``Item 0, Item 1, …`` and one attribute.

    The attribute ``group`` is ``even`` or ``odd``.
    """
    return Catalogue(
        ids=tuple(f"{prefix}{row}" for row in range(n)),
        titles=tuple(f"{noun.capitalize()} {row}" for row in range(n)),
        attributes={"group": tuple((("even", "odd")[row % 2],) for row in range(n))},
        noun=noun,
    )


class ScriptedTarget(DescribedTarget):
    """Scores are sums over the parts of a case of the given weights, plus a bias.

    So the effect of removing a part is its row of ``weights``: evidence, necessity and
    sufficiency can be worked out on paper.

    The case vector is the score without the bias, a part's vector is its row of weights, and
    outcome vectors are unit vectors (d = O); with ``positions`` the vectors follow.

    Axes: P parts, O outcomes.

    Args:
        weights: (P, O) what each part adds to each outcome.
        outcomes: what the columns are; ``i0, i1, …`` where left out.
        parts: what the rows are; the outcomes where weights are square, else ``p0, p1, …``.
        bias: (O,) score of each outcome before any part.
        excludes_parts: an outcome that is a part of the case is never an answer; only where
            parts and outcomes are the same.
        positions: multiplies each part's weight by its place (1 = first) times this, plus 1,
            which makes the target order-sensitive.
        noise: standard deviation of a fresh error on every score: a target that is not
            deterministic.
        vectors: whether vectors can be read.
        max_parts: parts looked at; the last ones.
        name: for reports.
    """

    def __init__(
        self,
        weights: FloatArray | Sequence[Sequence[float]],
        outcomes: Catalogue | None = None,
        *,
        parts: Catalogue | None = None,
        bias: Sequence[float] | None = None,
        excludes_parts: bool = True,
        positions: float = 0.0,
        noise: float = 0.0,
        vectors: bool = True,
        max_parts: int = 16,
        name: str = "scripted",
    ) -> None:
        self.weights = np.asarray(weights, dtype=np.float32)
        n_parts, n_outcomes = self.weights.shape
        named = outcomes or small_catalogue(n_outcomes)
        shared = n_parts == n_outcomes
        made_of = parts or (named if shared else small_catalogue(n_parts, prefix="p", noun="part"))
        if (len(made_of), len(named)) != self.weights.shape:
            raise CaseError(
                f"weights are {self.weights.shape}; expected one row for each of "
                f"{len(made_of)} parts, one column for each of {len(named)} outcomes"
            )
        self.bias = np.zeros(n_outcomes) if bias is None else np.asarray(bias, dtype=np.float64)
        self._positions, self._noise = positions, noise
        self._random = np.random.default_rng(0)
        capabilities = Capabilities(
            vectors=vectors,
            rescoring=True,
            order_sensitive=positions != 0.0,
            deterministic=noise == 0.0,
            excludes_parts=excludes_parts and made_of is named,
            max_parts=max_parts,
        )
        super().__init__(name, named, made_of, capabilities)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines the scores."""
        from hashlib import sha256

        told = (self._positions, self._noise, self._capabilities, self._outcomes.ids)
        data = self.weights.tobytes() + self.bias.tobytes() + repr(told).encode()
        return sha256(data).hexdigest()

    @property
    def part_vectors(self) -> FloatArray:
        """(P, O) float32: the weights."""
        self._need_vectors()
        return self.weights

    @property
    def outcome_vectors(self) -> FloatArray:
        """(O, O) float32: unit vectors."""
        self._need_vectors()
        return np.eye(len(self._outcomes), dtype=np.float32)

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) float32."""
        sums = np.array([self._sum(case) for case in cases])
        self._queries.add(len(cases))
        scores = sums.reshape(len(cases), len(self._outcomes)) + self.bias
        if self._noise:
            scores = scores + self._random.normal(0.0, self._noise, scores.shape)
        if not np.isfinite(scores).all():
            raise TargetQueryError(f"target {self._name!r} answered NaN or infinity")
        return scores.astype(np.float32)

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) float32: scores without bias and noise; not counted as queries."""
        self._need_vectors()
        sums = np.array([self._sum(case) for case in cases], dtype=np.float32)
        return sums.reshape(len(cases), len(self._outcomes))

    def _sum(self, case: Case) -> FloatArray:
        if not case.parts:
            raise CaseError(f"case {case.case_id!r} is empty; a target needs at least one part")
        parts = case.parts[-self._capabilities.max_parts :]
        if not self._positions:
            parts = tuple(dict.fromkeys(parts))
        rows = self._parts.rows(parts)
        places = 1.0 + self._positions * np.arange(1, len(rows) + 1)
        if not self._positions:
            rows, places = sorted(rows), np.ones(len(rows))
        total: FloatArray = (self.weights[rows].astype(np.float64) * places[:, None]).sum(axis=0)
        return total

    def _need_vectors(self) -> None:
        if not self._capabilities.vectors:
            raise TargetQueryError(f"target {self._name!r} has no vectors")
