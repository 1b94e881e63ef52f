"""Writing a bundle: in one step, with a record of what the living model answered."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import JsonValue
from safetensors.numpy import save as save_safetensors

from innerview.data.tables import Catalogue
from innerview.errors import BundleError
from innerview.files import BLANK_SEAL, seal
from innerview.targets.bundle import BundleTarget, Contents
from innerview.targets.files import sha256, write_folder
from innerview.targets.load import load_bundle
from innerview.targets.manifest import (
    CheckCase,
    EncoderSpec,
    FileName,
    FileRecord,
    Http,
    ItemItem,
    Live,
    Manifest,
)
from innerview.targets.protocol import Case, FloatArray, Target, top_outcomes

__all__ = [
    "CheckRecord",
    "Provenance",
    "check_record",
    "data_hash",
    "record_answers",
    "save_bundle",
    "versions_of",
    "write_live",
]

CHECK_TOP = 20


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """What the living model answered at export.

    Attributes:
        cases: C cases with their best outcomes.
        scores: (C, K) float32 scores of those outcomes.
    """

    cases: tuple[CheckCase, ...]
    scores: FloatArray


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a target comes from; none of it changes a score."""

    training: Mapping[str, JsonValue] = field(default_factory=dict)
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    data_sha256: str | None = None


def data_hash(histories: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 of histories, the same for the same users, items and order."""
    digest = hashlib.sha256()
    for user, items in histories.items():
        digest.update(json.dumps([user, list(items)], ensure_ascii=False).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def versions_of(*packages: str) -> dict[str, str]:
    """Installed versions of packages, by the name they are imported under.

    A package may come from a distribution of another name (``implicit`` from ``pm-implicit``).
    """
    made_by = metadata.packages_distributions()
    return {name: metadata.version(made_by.get(name, [name])[0]) for name in packages}


def record_answers(target: Target, cases: Sequence[Case], *, k: int = CHECK_TOP) -> CheckRecord:
    """Ask a target and keep its answers.

    Prefer recording the library's own model to recording the bundle made from it: only then
    does the replay find ids that belong to other vectors.
    """
    return check_record(target, cases, target.score(cases), k=k)


def check_record(
    target: Target, cases: Sequence[Case], scores: FloatArray, *, k: int = CHECK_TOP
) -> CheckRecord:
    """Keep the best outcomes of given scores.

    Args:
        target: whose outcomes and capabilities the scores follow; not asked.
        cases: C cases.
        scores: (C, O) float32.
        k: outcomes kept of each case; fewer where the smallest list is shorter.
    """
    tops = [top_outcomes(target, c, row, k) for c, row in zip(cases, scores, strict=True)]
    k = min(map(len, tops), default=0)
    kept = np.array(
        [row[target.outcomes.rows(top[:k])] for row, top in zip(scores, tops, strict=True)],
        dtype=np.float32,
    ).reshape(len(cases), k)
    records = tuple(
        CheckCase(case_id=c.case_id, parts=c.parts, top=tuple(top[:k]))
        for c, top in zip(cases, tops, strict=True)
    )
    return CheckRecord(records, kept)


def save_bundle(
    path: Path | str,
    contents: Contents,
    *,
    check: CheckRecord | None = None,
    check_cases: Sequence[Case] = (),
    provenance: Provenance | None = None,
    overwrite: bool = False,
) -> BundleTarget:
    """Write a bundle and load it back, which replays the record against it.

    Args:
        path: the folder to make.
        contents: vectors, catalogues, case encoder.
        check: what the living model answered; preferred.
        check_cases: cases to ask the bundle itself, where there is no living model.
        provenance: report, settings, versions.
        overwrite: replace the folder where it exists.

    Raises:
        BundleError: the parts do not fit each other, or the folder exists.
    """
    if check is None:
        check = record_answers(BundleTarget(contents), check_cases)
    files = _files(contents, check)
    width = contents.outcome_vectors.shape[1]
    manifest = _manifest(contents, contents.spec, check, provenance, files, width=width)
    _write(Path(path), manifest, files, overwrite=overwrite)
    return load_bundle(path)


def write_live(
    path: Path | str,
    target: Target,
    spec: Http | Live,
    check: CheckRecord,
    *,
    provenance: Provenance | None = None,
    overwrite: bool = False,
) -> None:
    """Write what is kept of a live target: catalogues, and what it answered.

    Raises:
        BundleError: the folder exists, or cannot be written.
    """
    files = _catalogue_files(target.outcomes, target.parts)
    files["check.safetensors"] = _tensors({"scores": check.scores})
    manifest = _manifest(target, spec, check, provenance, files, width=0)
    _write(Path(path), manifest, files, overwrite=overwrite)


def _write(
    path: Path, manifest: Manifest, files: Mapping[FileName, bytes], *, overwrite: bool
) -> None:
    text = manifest.model_copy(update={"seal": BLANK_SEAL}).model_dump_json(indent=1)
    written: dict[str, bytes] = {"manifest.json": seal(text.encode())}
    written.update(files.items())
    write_folder(path, written, overwrite=overwrite)


def _files(contents: Contents, check: CheckRecord) -> dict[FileName, bytes]:
    shared = contents.parts is contents.outcomes
    tensors = {"outcomes": contents.outcome_vectors}
    if isinstance(contents.spec, ItemItem):
        tensors = {"item_item": contents.part_vectors}
    elif not shared or contents.part_vectors is not contents.outcome_vectors:
        tensors["parts"] = contents.part_vectors
    for name, extra in (("cases", contents.case_vectors), ("prior", contents.prior)):
        if extra is not None:
            tensors[name] = extra
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise BundleError(f"vectors.safetensors: tensor {name!r} must be finite float32")
    files = _catalogue_files(contents.outcomes, contents.parts)
    files["vectors.safetensors"] = _tensors(tensors)
    if contents.cases:
        files["cases.parquet"] = _parquet_of_cases(contents.cases)
    if contents.onnx is not None:
        files["encoder.onnx"] = contents.onnx
    if check.cases:
        files["check.safetensors"] = _tensors({"scores": check.scores})
    return files


def _catalogue_files(outcomes: Catalogue, parts: Catalogue) -> dict[FileName, bytes]:
    files: dict[FileName, bytes] = {"outcomes.parquet": _parquet(outcomes)}
    if parts is not outcomes:
        files["parts.parquet"] = _parquet(parts)
    return files


def _manifest(
    target: Contents | Target,
    spec: EncoderSpec,
    check: CheckRecord,
    provenance: Provenance | None,
    files: Mapping[FileName, bytes],
    *,
    width: int,
) -> Manifest:
    origin = provenance or Provenance()
    return Manifest(
        name=target.name,
        noun=target.outcomes.noun,
        part_noun=target.parts.noun,
        domain=target.outcomes.domain.name,
        n_outcomes=len(target.outcomes),
        n_parts=len(target.parts),
        width=width,
        encoder=spec,
        capabilities=target.capabilities,
        files={n: FileRecord(sha256=sha256(b), size=len(b)) for n, b in files.items()},
        check_cases=check.cases,
        training=dict(origin.training),
        seed=origin.seed,
        settings=dict(origin.settings),
        libraries=dict(origin.libraries),
        data_sha256=origin.data_sha256,
    )


def _parquet(catalogue: Catalogue) -> bytes:
    return _bytes(catalogue.to_frame())


def _parquet_of_cases(cases: Sequence[Case]) -> bytes:
    ids = pl.Series([case.case_id for case in cases], dtype=pl.String)
    parts = pl.Series([list(case.parts) for case in cases], dtype=pl.List(pl.String))
    return _bytes(pl.DataFrame({"case_id": ids, "parts": parts}))


def _bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=False)
    return buffer.getvalue()


def _tensors(tensors: Mapping[str, FloatArray]) -> bytes:
    data: bytes = save_safetensors({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    return data
