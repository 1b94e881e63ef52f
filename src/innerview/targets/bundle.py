"""A target as a folder: manifest, vectors, catalogue, and how a case becomes a vector.

    manifest.json  outcomes.parquet  [parts.parquet]  vectors.safetensors  [encoder.onnx]
    cases.parquet         the cases that a static model has vectors of
    check.safetensors     scores the living model gave at export, replayed at every load

Nothing here runs code out of a bundle: no pickle, no import by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from innerview.data.tables import Catalogue
from innerview.errors import BundleError, CaseError, TargetQueryError
from innerview.targets.described import DescribedTarget
from innerview.targets.encoders import (
    AlsEncoder,
    CaseEncoder,
    MeanEncoder,
    OnnxSessionEncoder,
    RidgeEncoder,
    StaticEncoder,
    SumEncoder,
)
from innerview.targets.manifest import (
    AlsFoldIn,
    EncoderSpec,
    ItemItem,
    Manifest,
    MeanOfParts,
    OnnxEncoder,
    RidgeFoldIn,
    Static,
    SumOfParts,
)
from innerview.targets.protocol import Capabilities, Case, FloatArray, IntArray

__all__ = ["BundleTarget", "Contents", "hash_of", "make_encoder"]

BATCH_CASES = 512


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bundle holds, in memory.

    Axes: O outcomes, P parts, N cases, d width.

    Attributes:
        name: short name for reports.
        spec: how a case becomes a vector.
        capabilities: what can be asked.
        outcomes: what is scored; row order is that of ``outcome_vectors``.
        parts: what cases are made of; the same object as ``outcomes`` where they do not differ.
        outcome_vectors: (O, d) float32; empty for an item-item matrix.
        part_vectors: (P, d) float32, or the (P, O) item-item matrix.
        onnx: the bytes of ``encoder.onnx``, where there is one.
        cases: of a static model, those it has vectors of; no two of the same parts.
        case_vectors: (N, d) float32, theirs.
        prior: (d + 1, d) float32 of a ridge fold-in; see there.
    """

    name: str
    spec: EncoderSpec
    capabilities: Capabilities
    outcomes: Catalogue
    parts: Catalogue
    outcome_vectors: FloatArray
    part_vectors: FloatArray
    onnx: bytes | None = None
    cases: tuple[Case, ...] = ()
    case_vectors: FloatArray | None = None
    prior: FloatArray | None = None


def hash_of(contents: Contents) -> str:
    """Of all contents; folders have another one, of their files."""
    told = (contents.spec, contents.capabilities, contents.outcomes, contents.parts, contents.cases)
    digest = hashlib.sha256(repr(told).encode())
    for vectors in (contents.outcome_vectors, contents.part_vectors, contents.case_vectors):
        digest.update(b"" if vectors is None else vectors.tobytes())
    digest.update(b"" if contents.prior is None else contents.prior.tobytes())
    digest.update(contents.onnx or b"")
    return digest.hexdigest()


def make_encoder(contents: Contents) -> CaseEncoder:
    """The case encoder that a specification names.

    Raises:
        BundleError: the ONNX file is missing or does not fit; static cases have unknown parts, or
            two have the same.
    """
    spec, vectors = contents.spec, contents.part_vectors
    if isinstance(spec, AlsFoldIn):
        return AlsEncoder(vectors, alpha=spec.alpha, regularization=spec.regularization)
    if isinstance(spec, MeanOfParts):
        return MeanEncoder(vectors)
    if isinstance(spec, ItemItem | SumOfParts):
        return SumEncoder(vectors)
    if isinstance(spec, Static):
        return _static_encoder(contents)
    if isinstance(spec, RidgeFoldIn):
        assert contents.prior is not None, "a ridge fold-in has a prior"
        return RidgeEncoder(
            vectors,
            contents.prior,
            own_score=spec.own_score,
            regularization=spec.regularization,
        )
    assert isinstance(spec, OnnxEncoder), "live targets have no contents"
    if contents.onnx is None:
        raise BundleError("encoder.onnx: missing, though the manifest names it as case encoder")
    width = contents.outcome_vectors.shape[1]
    return OnnxSessionEncoder(contents.onnx, session_length=spec.session_length, width=width)


def _static_encoder(contents: Contents) -> StaticEncoder:
    assert contents.case_vectors is not None, "a static model has case vectors"
    try:
        keys = [_seen(case, contents.parts, contents.capabilities) for case in contents.cases]
    except CaseError as error:
        raise BundleError(f"cases.parquet: {error}") from None
    first: dict[tuple[int, ...], Case] = {}
    for key, case in zip(keys, contents.cases, strict=True):
        other = first.setdefault(tuple(key), case)
        if other is not case:
            raise BundleError(
                f"cases.parquet: cases {other.case_id!r} and {case.case_id!r} have the same parts; "
                "keep one of them"
            )
    return StaticEncoder(list(first), contents.case_vectors)


def _seen(case: Case, parts: Catalogue, able: Capabilities) -> list[int]:
    """Rows of the parts that a target sees of a case."""
    if not case.parts:
        raise CaseError(f"case {case.case_id!r} is empty; a target needs at least one part")
    if able.order_sensitive:
        return parts.rows(case.parts[-able.max_parts :])
    # Sorted after the cut: sums over a set must not depend on the order it came in.
    distinct = tuple(reversed(dict.fromkeys(reversed(case.parts))))
    return sorted(parts.rows(distinct[-able.max_parts :]))


class BundleTarget(DescribedTarget):
    """A target made of vectors and a case encoder; scores are their dot products.

    Parts of an order-free target are a set: repeats count once. Cases longer than
    ``capabilities.max_parts`` are seen without their oldest parts.
    """

    def __init__(
        self,
        contents: Contents,
        *,
        encoder: CaseEncoder | None = None,
        fingerprint: str = "",
        manifest: Manifest | None = None,
    ) -> None:
        super().__init__(contents.name, contents.outcomes, contents.parts, contents.capabilities)
        self._contents = contents
        self._encoder = encoder or make_encoder(contents)
        self._outcomes64 = contents.outcome_vectors.astype(np.float64)
        self._fingerprint = fingerprint
        self.manifest = manifest
        self.check_scores: FloatArray | None = None

    @property
    def contents(self) -> Contents:
        """What it is made of."""
        return self._contents

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines the scores."""
        if not self._fingerprint:
            self._fingerprint = hash_of(self._contents)
        return self._fingerprint

    @property
    def part_vectors(self) -> FloatArray:
        """(P, d) float32."""
        self._need_vectors()
        return self._contents.part_vectors

    @property
    def outcome_vectors(self) -> FloatArray:
        """(O, d) float32."""
        self._need_vectors()
        return self._contents.outcome_vectors

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) float32, finite; see ``Target.score``."""
        rows = self._rows(cases)
        self._queries.add(len(cases))
        out = np.empty((len(cases), len(self.outcomes)), dtype=np.float32)
        for start in range(0, len(cases), BATCH_CASES):
            encoded = self._encoder.encode(rows[start : start + BATCH_CASES])
            if not isinstance(self._contents.spec, ItemItem):
                # einsum, not BLAS: one thread, and a row's sum does not depend on the others.
                encoded = np.einsum("nd,od->no", encoded.astype(np.float64), self._outcomes64)
            out[start : start + BATCH_CASES] = encoded
        if not np.isfinite(out).all():
            bad = int(np.flatnonzero(~np.isfinite(out).all(axis=1))[0])
            raise TargetQueryError(
                f"target {self.name!r} answered NaN or infinity for case {cases[bad].case_id!r}"
            )
        return out

    def case_vectors(self, cases: Sequence[Case]) -> FloatArray:
        """(N, d) float32; not counted as queries."""
        self._need_vectors()
        rows = self._rows(cases)
        out = np.empty((len(cases), self._contents.outcome_vectors.shape[1]), dtype=np.float32)
        for start in range(0, len(cases), BATCH_CASES):
            stop = start + BATCH_CASES
            out[start:stop] = self._encoder.encode(rows[start:stop])
        return out

    def _need_vectors(self) -> None:
        if not self.capabilities.vectors:
            raise TargetQueryError(f"target {self.name!r} has no vectors; ask it for scores only")

    def _rows(self, cases: Sequence[Case]) -> IntArray:
        """(N, L) int64 part rows as the target sees them, -1 on the left."""
        seen = [_seen(case, self.parts, self.capabilities) for case in cases]
        if isinstance(self._encoder, StaticEncoder):
            self._encoder.refuse_strangers(cases, seen)
        length = max(map(len, seen), default=0)
        rows = np.full((len(cases), length), -1, dtype=np.int64)
        for target_row, parts in zip(rows, seen, strict=True):
            target_row[length - len(parts) :] = parts
        return rows
