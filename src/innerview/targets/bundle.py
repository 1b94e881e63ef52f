"""A target as a folder: manifest, vectors, catalogue, and how a case becomes a vector.

    manifest.json  outcomes.parquet  [parts.parquet]  vectors.safetensors  [encoder.onnx]
    check.safetensors     scores the living model gave at export, replayed at every load

Nothing here runs code out of a bundle: no pickle, no import by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from innerview.data.tables import Catalogue
from innerview.errors import BundleError, CaseError, TargetQueryError
from innerview.targets.encoders import (
    AlsEncoder,
    CaseEncoder,
    MeanEncoder,
    OnnxSessionEncoder,
    SumEncoder,
)
from innerview.targets.files import MAX_FILE_BYTES, catalogue_of, read_file, sha256, tensors_of
from innerview.targets.manifest import (
    AlsFoldIn,
    CheckCase,
    EncoderSpec,
    ItemItem,
    Manifest,
    MeanOfParts,
    OnnxEncoder,
)
from innerview.targets.protocol import Capabilities, Case, FloatArray, IntArray, QueryCounter

__all__ = ["BundleTarget", "Contents", "load_bundle", "make_encoder"]

MAX_MANIFEST_BYTES = 16 * 2**20
BATCH_CASES = 512


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bundle holds, in memory.

    Axes: O outcomes, P parts, d width.

    Attributes:
        name: short name for reports.
        spec: how a case becomes a vector.
        capabilities: what can be asked.
        outcomes: what is scored; row order is that of ``outcome_vectors``.
        parts: what cases are made of; the same object as ``outcomes`` where they do not differ.
        outcome_vectors: (O, d) float32; empty for an item-item matrix.
        part_vectors: (P, d) float32, or the (P, O) item-item matrix.
        onnx: the bytes of ``encoder.onnx``, where there is one.
    """

    name: str
    spec: EncoderSpec
    capabilities: Capabilities
    outcomes: Catalogue
    parts: Catalogue
    outcome_vectors: FloatArray
    part_vectors: FloatArray
    onnx: bytes | None = None


def make_encoder(contents: Contents) -> CaseEncoder:
    """The case encoder that a specification names.

    Raises:
        BundleError: the ONNX file is missing or does not fit.
    """
    spec, vectors = contents.spec, contents.part_vectors
    if isinstance(spec, AlsFoldIn):
        return AlsEncoder(vectors, alpha=spec.alpha, regularization=spec.regularization)
    if isinstance(spec, MeanOfParts):
        return MeanEncoder(vectors)
    if isinstance(spec, ItemItem):
        return SumEncoder(vectors)
    if contents.onnx is None:
        raise BundleError("encoder.onnx: missing, though the manifest names it as case encoder")
    width = contents.outcome_vectors.shape[1]
    return OnnxSessionEncoder(contents.onnx, session_length=spec.session_length, width=width)


class BundleTarget:
    """A target made of vectors and a case encoder; scores are their dot products.

    Parts of an order-free target are a set: repeats count once. Cases longer than
    ``capabilities.max_parts`` are seen without their oldest parts.
    """

    def __init__(
        self, contents: Contents, *, fingerprint: str = "", manifest: Manifest | None = None
    ) -> None:
        self._contents = contents
        self._encoder = make_encoder(contents)
        self._outcomes64 = contents.outcome_vectors.astype(np.float64)
        self._queries = QueryCounter()
        self._fingerprint = fingerprint
        self.manifest = manifest
        self.check_scores: FloatArray | None = None

    @property
    def name(self) -> str:
        """Short name for reports."""
        return self._contents.name

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines the scores; empty for a target never saved."""
        return self._fingerprint

    @property
    def capabilities(self) -> Capabilities:
        """What can be asked."""
        return self._contents.capabilities

    @property
    def outcomes(self) -> Catalogue:
        """What can be scored."""
        return self._contents.outcomes

    @property
    def parts(self) -> Catalogue:
        """What cases are made of."""
        return self._contents.parts

    @property
    def queries(self) -> QueryCounter:
        """Counts every case scored."""
        return self._queries

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
        seen = [self._seen(case) for case in cases]
        length = max(map(len, seen), default=0)
        rows = np.full((len(cases), length), -1, dtype=np.int64)
        for target_row, parts in zip(rows, seen, strict=True):
            target_row[length - len(parts) :] = parts
        return rows

    def _seen(self, case: Case) -> list[int]:
        if not case.parts:
            raise CaseError(f"case {case.case_id!r} is empty; a target needs at least one part")
        parts = case.parts
        if not self.capabilities.order_sensitive:
            # Sorted after the cut: sums over a set must not depend on the order it came in.
            parts = tuple(reversed(dict.fromkeys(reversed(parts))))
            return sorted(self.parts.rows(parts[-self.capabilities.max_parts :]))
        return self.parts.rows(parts[-self.capabilities.max_parts :])


def load_bundle(path: Path | str, *, replay: bool = True) -> BundleTarget:
    """Read a bundle, check all of it, and replay the scores recorded at export.

    Args:
        path: the folder.
        replay: refuse a bundle whose stored cases no longer get their stored scores; off
            only for a closer look (``check_target``).

    Raises:
        BundleError: one line that names the file, and the tensor where there is one.
    """
    folder = Path(path)
    manifest = _read_manifest(folder)
    data = _read_files(folder, manifest)
    contents = _contents(manifest, data)
    target = BundleTarget(contents, fingerprint=_fingerprint(manifest), manifest=manifest)
    target.check_scores = _check_scores(manifest, data)
    if replay:
        _replay(target, manifest.check_cases)
    return target


def _read_manifest(folder: Path) -> Manifest:
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; a target bundle is a folder")
    raw = read_file(folder, "manifest.json", limit=MAX_MANIFEST_BYTES)
    try:
        return Manifest.model_validate_json(raw)
    except (ValidationError, RecursionError) as error:
        where, what = "content", str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where, what = ".".join(map(str, first["loc"])) or where, first["msg"]
        raise BundleError(f"{folder / 'manifest.json'}: {where}: {what}") from None


def _read_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    data: dict[str, bytes] = {}
    for name, record in manifest.files.items():
        data[name] = read_file(folder, name, size=record.size, limit=MAX_FILE_BYTES)
        if sha256(data[name]) != record.sha256:
            raise BundleError(f"{folder / name}: SHA-256 differs from the manifest; it is damaged")
    for name in ("outcomes.parquet", "vectors.safetensors"):
        if name not in data:
            raise BundleError(f"{folder / 'manifest.json'}: files: {name} is not listed")
    return data


def _contents(manifest: Manifest, data: dict[str, bytes]) -> Contents:
    outcomes = catalogue_of(
        data["outcomes.parquet"], "outcomes.parquet", noun=manifest.noun, n=manifest.n_outcomes
    )
    parts = outcomes
    if "parts.parquet" in data:
        parts = catalogue_of(
            data["parts.parquet"], "parts.parquet", noun=manifest.part_noun, n=manifest.n_parts
        )
    elif manifest.n_parts != manifest.n_outcomes:
        raise BundleError("manifest.json: n_parts differs from n_outcomes without parts.parquet")
    outcome_vectors, part_vectors = _vectors(manifest, data)
    _check_capabilities(manifest)
    return Contents(
        name=manifest.name,
        spec=manifest.encoder,
        capabilities=manifest.capabilities,
        outcomes=outcomes,
        parts=parts,
        outcome_vectors=outcome_vectors,
        part_vectors=part_vectors,
        onnx=data.get("encoder.onnx"),
    )


def _vectors(manifest: Manifest, data: dict[str, bytes]) -> tuple[FloatArray, FloatArray]:
    name = "vectors.safetensors"
    tensors = tensors_of(data[name], name)
    n_outcomes, n_parts, width = manifest.n_outcomes, manifest.n_parts, manifest.width
    if isinstance(manifest.encoder, ItemItem):
        wanted = {"item_item": (n_parts, n_outcomes)}
    else:
        wanted = {"outcomes": (n_outcomes, width)}
        if "parts" in tensors or "parts.parquet" in data:
            wanted["parts"] = (n_parts, width)
    if set(tensors) != set(wanted):
        raise BundleError(f"{name}: tensors {sorted(tensors)}; expected {sorted(wanted)}")
    for key, shape in wanted.items():
        if tensors[key].shape != shape:
            raise BundleError(f"{name}: tensor {key!r} is {tensors[key].shape}; expected {shape}")
    if isinstance(manifest.encoder, ItemItem):
        return np.zeros((n_outcomes, 0), dtype=np.float32), tensors["item_item"]
    return tensors["outcomes"], tensors.get("parts", tensors["outcomes"])


def _check_capabilities(manifest: Manifest) -> None:
    able, encoder = manifest.capabilities, manifest.encoder
    if able.max_parts < 1:
        raise BundleError(f"manifest.json: capabilities.max_parts is {able.max_parts}; at least 1")
    if isinstance(encoder, OnnxEncoder):
        if able.max_parts > encoder.session_length:
            raise BundleError(
                f"manifest.json: capabilities.max_parts {able.max_parts} exceeds the encoder's "
                f"session_length {encoder.session_length}"
            )
    elif able.order_sensitive:
        raise BundleError(f"manifest.json: encoder {encoder.kind!r} is not order-sensitive")
    if able.vectors and isinstance(encoder, ItemItem):
        raise BundleError("manifest.json: an item-item matrix has no vectors, capabilities say so")


def _fingerprint(manifest: Manifest) -> str:
    relevant = sorted(n for n in manifest.files if n != "check.safetensors")
    text = [f"{name}:{manifest.files[name].sha256}" for name in relevant]
    text.append(manifest.encoder.model_dump_json())
    text.append(repr(manifest.capabilities))
    return sha256("\n".join(text).encode())


def _check_scores(manifest: Manifest, data: dict[str, bytes]) -> FloatArray | None:
    name = "check.safetensors"
    if name not in data:
        if manifest.check_cases:
            raise BundleError(f"{name}: missing, though the manifest has check cases")
        return None
    scores = tensors_of(data[name], name).get("scores")
    lengths = {len(case.top) for case in manifest.check_cases}
    if scores is None or lengths != {scores.shape[1]} or len(scores) != len(manifest.check_cases):
        raise BundleError(f"{name}: tensor 'scores' does not fit the manifest's check cases")
    return scores


def replay_difference(
    target: BundleTarget, cases: Sequence[CheckCase], stored: FloatArray
) -> FloatArray:
    """How far today's scores are from those recorded at export, relative to their size.

    Args:
        target: whose scores are asked; counted as queries.
        cases: C stored cases.
        stored: (C, K) float32 recorded scores of each case's ``top``.

    Returns:
        (C, K) float32.
    """
    scores = target.score([Case(c.case_id, c.parts) for c in cases])
    columns = np.array([target.outcomes.rows(c.top) for c in cases])
    now = np.take_along_axis(scores, columns, axis=1)
    scale = max(1.0, float(np.abs(stored).max()))
    return np.asarray(np.abs(now - stored) / scale, dtype=np.float32)


REPLAY_TOLERANCE = 1e-3
"""Relative; libraries solve in float32, a wrong row is off by far more."""


def _replay(target: BundleTarget, cases: Sequence[CheckCase]) -> None:
    if target.check_scores is None:
        return
    try:
        difference = replay_difference(target, cases, target.check_scores)
    except (CaseError, TargetQueryError) as error:
        raise BundleError(f"manifest.json: check_cases cannot be replayed: {error}") from None
    target.queries.used = 0
    if difference.max() > REPLAY_TOLERANCE:
        worst = cases[int(difference.max(axis=1).argmax())].case_id
        raise BundleError(
            f"check.safetensors: tensor 'scores': case {worst!r} now scores {difference.max():.3g} "
            "away from the record; ids and vectors do not belong together, export again"
        )
