"""Targets that answer out of this process: a function, or a torch module.

A function gives scores only. It is asked about parts by their ids, and nothing it answers is
believed before it is checked. A module that makes a vector of a case gives vectors as well.

Axes: N cases, O outcomes, P parts, L positions, d width.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from innerview.data.tables import Catalogue
from innerview.errors import CaseError, TargetQueryError
from innerview.targets.bundle import BundleTarget, Contents, hash_of
from innerview.targets.described import DescribedTarget
from innerview.targets.encoders import TorchEncoder
from innerview.targets.manifest import OnnxEncoder
from innerview.targets.protocol import Capabilities, Case, FloatArray
from innerview.targets.recorded import fingerprint_of, probes, record_answers

if TYPE_CHECKING:
    import torch

__all__ = ["Abilities", "BlackBox", "CallableTarget", "TorchTarget"]

Histories = list[list[str]]
"""The ids of the parts of each case, in the order the target takes them."""


class Abilities(TypedDict, total=False):
    """What is to be said of a black box; see ``BlackBox``."""

    max_parts: int
    order_sensitive: bool
    deterministic: bool
    excludes_parts: bool | None


class BlackBox(DescribedTarget, ABC):
    """A target of scores alone: no vector can be read, so it is aligned with by behavior only.

    Args:
        outcomes: what is scored, in the order of the columns: a catalogue, or titles by id.
        parts: what cases are made of; the outcomes where left out.
        name: for reports; tells live targets apart.
        max_parts: parts that are looked at; longer cases lose their oldest before it is asked.
        order_sensitive: whether the order of the parts matters to the score.
        deterministic: whether the same case gets the same scores.
        excludes_parts: whether a part of the case is never an answer; so it is by default where
            parts and outcomes are the same.
        batch_cases: cases that are asked about at once.
    """

    def __init__(
        self,
        outcomes: Catalogue | Mapping[str, str],
        parts: Catalogue | Mapping[str, str] | None = None,
        *,
        name: str,
        max_parts: int = 50,
        order_sensitive: bool = True,
        deterministic: bool = True,
        excludes_parts: bool | None = None,
        batch_cases: int = 512,
    ) -> None:
        named = _catalogue(outcomes)
        made_of = named if parts is None or parts is outcomes else _catalogue(parts)
        shared = made_of is named
        capabilities = Capabilities(
            vectors=False,
            rescoring=True,
            order_sensitive=order_sensitive,
            deterministic=deterministic,
            excludes_parts=shared if excludes_parts is None else excludes_parts,
            max_parts=max_parts,
        )
        super().__init__(name, named, made_of, capabilities)
        self._batch_cases, self._fingerprint = batch_cases, ""

    @abstractmethod
    def _answer(self, histories: Histories) -> npt.ArrayLike:
        """(N, O) scores, still to be checked."""

    @property
    def fingerprint(self) -> str:
        """Hash of the catalogues and of what is answered about some cases; asked once, and not
        counted."""
        if not self._fingerprint:
            before = self._queries.used
            record = record_answers(self, probes(self))
            self._queries.used = before
            self._fingerprint = fingerprint_of(self, record)
        return self._fingerprint

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) float32, finite; see ``Target.score``."""
        histories = [self._seen(case) for case in cases]
        out = np.empty((len(cases), len(self._outcomes)), dtype=np.float32)
        for start in range(0, len(cases), self._batch_cases):
            stop = start + self._batch_cases
            chunk = histories[start:stop]
            self._queries.add(len(chunk))
            out[start:stop] = self._checked(self._answer(chunk), cases[start:stop])
        return out

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """None can be read."""
        raise self._no_vectors()

    @property
    def part_vectors(self) -> FloatArray:
        """None can be read."""
        raise self._no_vectors()

    @property
    def outcome_vectors(self) -> FloatArray:
        """None can be read."""
        raise self._no_vectors()

    def _no_vectors(self) -> TargetQueryError:
        return self._failed("has no vectors; ask it for scores only")

    def _failed(self, what: str) -> TargetQueryError:
        return TargetQueryError(f"target {self._name!r} {what}")

    def _seen(self, case: Case) -> list[str]:
        if not case.parts:
            raise CaseError(f"case {case.case_id!r} is empty; a target needs at least one part")
        seen = case.parts[-self._capabilities.max_parts :]
        self._parts.rows(seen)
        return list(seen)

    def _checked(self, answer: npt.ArrayLike, cases: Sequence[Case]) -> FloatArray:
        wanted = (len(cases), len(self._outcomes))
        try:
            table = np.asarray(answer)
        except (ValueError, TypeError, RuntimeError) as error:
            raise self._failed(f"answered what is no table: {error}") from None
        if table.shape != wanted:
            raise self._failed(
                f"answered scores of shape {table.shape}; expected {wanted}, a row for each case "
                "and a column for each outcome"
            )
        if table.dtype.kind not in "iuf":
            raise self._failed("answered scores that are not all numbers")
        with np.errstate(over="ignore"):
            scores = table.astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
        if len(bad):
            case_id = cases[int(bad[0])].case_id
            raise self._failed(f"answered NaN or infinity for case {case_id!r}")
        return scores


class CallableTarget(BlackBox):
    """A function as a target: ``scores(histories)`` gives a row of scores for each history.

    Args:
        scores: takes lists of part ids; gives (N, O) numbers, a column for each outcome.
        outcomes, parts, name, batch_cases, abilities: as of ``BlackBox``.
    """

    def __init__(
        self,
        scores: Callable[[Histories], npt.ArrayLike],
        outcomes: Catalogue | Mapping[str, str],
        parts: Catalogue | Mapping[str, str] | None = None,
        *,
        name: str = "callable",
        batch_cases: int = 512,
        **abilities: Unpack[Abilities],
    ) -> None:
        super().__init__(outcomes, parts, name=name, batch_cases=batch_cases, **abilities)
        self._scores = scores

    def _answer(self, histories: Histories) -> npt.ArrayLike:
        try:
            return self._scores(histories)
        except Exception as error:  # it may raise anything
            raise self._failed(f"raised {type(error).__name__}: {error}") from error


class TorchTarget(BundleTarget):
    """A torch module that makes a vector of a case, with the vectors of its outcomes.

    The module takes (N, L) int64 part rows + 1, left-padded with 0, and gives (N, d): what
    ``onnx_export.export_encoder`` takes too, so the same module can become a bundle. Scores are dot
    products.

    Args:
        encoder: in evaluation mode; it is asked where its parameters lie.
        outcomes: a catalogue, or titles by id.
        outcome_vectors: (O, d), in that order.
        parts: what cases are made of; the outcomes where left out.
        part_vectors: (P, d); those of the outcomes where left out.
        session_length: L; longer cases lose their oldest parts.
        name: for reports; tells live targets apart.
        order_sensitive: whether the order of the parts matters to the score.
        excludes_parts: as of ``BlackBox``.

    Raises:
        BundleError: the module is in training mode.
        CaseError: ids and vectors do not fit each other.
    """

    def __init__(
        self,
        encoder: torch.nn.Module,
        outcomes: Catalogue | Mapping[str, str],
        outcome_vectors: npt.ArrayLike,
        *,
        parts: Catalogue | Mapping[str, str] | None = None,
        part_vectors: npt.ArrayLike | None = None,
        session_length: int,
        name: str = "torch",
        order_sensitive: bool = True,
        excludes_parts: bool | None = None,
    ) -> None:
        named = _catalogue(outcomes)
        made_of = named if parts is None or parts is outcomes else _catalogue(parts)
        shared = made_of is named
        vectors = _vectors(outcome_vectors, named, "outcome")
        own = vectors if part_vectors is None else _vectors(part_vectors, made_of, "part")
        if len(own) != len(made_of):
            raise CaseError(f"no part vectors for {len(made_of)} parts; give part_vectors")
        contents = Contents(
            name=name,
            spec=OnnxEncoder(session_length=session_length),
            capabilities=Capabilities(
                vectors=True,
                rescoring=True,
                order_sensitive=order_sensitive,
                deterministic=True,
                excludes_parts=shared if excludes_parts is None else excludes_parts,
                max_parts=session_length,
            ),
            outcomes=named,
            parts=made_of,
            outcome_vectors=vectors,
            part_vectors=own,
        )
        width = vectors.shape[1]
        run = TorchEncoder(encoder, session_length=session_length, width=width)
        super().__init__(contents, encoder=run, fingerprint=_hash_of(encoder, contents))


def _catalogue(given: Catalogue | Mapping[str, str]) -> Catalogue:
    return given if isinstance(given, Catalogue) else Catalogue(tuple(given), tuple(given.values()))


def _vectors(given: npt.ArrayLike, catalogue: Catalogue, what: str) -> FloatArray:
    if hasattr(given, "detach"):
        given = given.detach().cpu()
    vectors = np.array(given, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(catalogue) or not np.isfinite(vectors).all():
        raise CaseError(
            f"{what} vectors are {vectors.shape}; expected finite numbers, one row for each of "
            f"{len(catalogue)} ids"
        )
    return vectors


def _hash_of(encoder: torch.nn.Module, contents: Contents) -> str:
    """Of contents and weights; code has no hash, its type's name stands for it."""
    digest = hashlib.sha256(f"{hash_of(contents)} {type(encoder).__qualname__}".encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
