"""The target's vectors as the surrogate looks them up: one table per kind of slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from innerview.errors import SlotMismatchError
from innerview.targets.protocol import Case, FloatArray, Target

__all__ = ["KINDS", "VectorTable"]

KINDS: tuple[str, ...] = ("case", "part", "outcome")


class VectorTable:
    """Vectors of cases, parts and outcomes in float32, precomputed from a frozen target.

    Case vectors are looked up by the parts of the case, so a prefix of a history has its own.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._part_index = target.parts.index
        self._outcome_index = target.outcomes.index
        self._cases: dict[tuple[str, ...], int] = {}
        self._case_vectors: list[FloatArray] = []
        self._case_tensor: Tensor | None = None
        self.enabled = target.capabilities.vectors
        d = target.outcome_vectors.shape[1] if self.enabled else 1
        self.width = d
        empty = np.zeros((0, d), np.float32)
        self.part = torch.tensor(target.part_vectors if self.enabled else empty)
        self.outcome = torch.tensor(target.outcome_vectors if self.enabled else empty)
        self._replaced: dict[tuple[int, int], Tensor] = {}

    def add_cases(self, cases: Iterable[Sequence[str]], *, batch_size: int = 1024) -> None:
        """Compute the vectors of cases (given by their parts) that are not in the table yet."""
        new = [p for p in dict.fromkeys(tuple(c) for c in cases) if p not in self._cases]
        for start in range(0, len(new), batch_size):
            batch = new[start : start + batch_size]
            vectors = self._target.case_vectors([Case("", parts) for parts in batch])
            for parts, vector in zip(batch, vectors, strict=True):
                self._cases[parts] = len(self._case_vectors)
                self._case_vectors.append(vector)
        if new:
            self._case_tensor = None

    @property
    def case_parts(self) -> list[tuple[str, ...]]:
        """The parts of every case added so far, in the order of their rows."""
        return list(self._cases)

    def case_row(self, parts: Sequence[str]) -> int:
        """Row of a case's vector; computes it if it is new."""
        key = tuple(parts)
        if key not in self._cases:
            self.add_cases([key])
        return self._cases[key]

    @property
    def case(self) -> Tensor:
        """(N, d) float32, every case added so far."""
        if self._case_tensor is None or len(self._case_tensor) != len(self._case_vectors):
            stacked = (
                np.stack(self._case_vectors) if self._case_vectors else np.zeros((0, self.width))
            )
            self._case_tensor = torch.tensor(stacked.astype(np.float32))
        return self._case_tensor

    def table(self, kind: int) -> Tensor:
        """(N, d) float32 of one kind, by its index in KINDS."""
        return (self.case, self.part, self.outcome)[kind]

    def locate(self, kind: str, ref: str, case_row: int) -> tuple[int, int]:
        """Kind index and row of the vector that a slot takes.

        Raises:
            SlotMismatchError: there is no such vector.
        """
        if not self.enabled:
            raise SlotMismatchError(f"a {kind} slot, but the target gives no vectors")
        if kind == "case":
            if case_row < 0:
                raise SlotMismatchError("a case slot in a prompt without a case")
            return 0, case_row
        index = self._part_index if kind == "part" else self._outcome_index
        if ref not in index:
            raise SlotMismatchError(f"no vector of {kind} {ref!r}")
        return KINDS.index(kind), index[ref]

    @contextmanager
    def replaced(
        self, *, cases: Mapping[tuple[str, ...], FloatArray], parts: Mapping[str, FloatArray]
    ) -> Iterator[None]:
        """For a while, fill slots with other vectors than their own.

        So a prompt can say one thing by its titles and another by its vectors.

        Args:
            cases: (d,) vectors by the parts of the case.
            parts: (d,) vectors by the id of the part.

        Raises:
            SlotMismatchError: the target gives no vectors, or a part has none.
        """
        given = {self.locate("case", "", self.case_row(key)): v for key, v in cases.items()}
        given |= {self.locate("part", part, -1): v for part, v in parts.items()}
        before = self._replaced
        self._replaced = {at: torch.tensor(vector) for at, vector in given.items()}
        try:
            yield
        finally:
            self._replaced = before

    def gather(self, kinds: Tensor, rows: Tensor) -> Tensor:
        """(S, d) vectors for slots given as kinds (S,) and rows (S,)."""
        out = torch.zeros(len(kinds), self.width)
        for kind in range(len(KINDS)):
            chosen = kinds == kind
            if bool(chosen.any()):
                out[chosen] = self.table(kind)[rows[chosen]]
        for (kind, row), vector in self._replaced.items():
            out[(kinds == kind) & (rows == row)] = vector
        return out
