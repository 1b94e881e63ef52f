"""Reading a bundle: hashes, shapes, ids and numbers are checked, then the record is replayed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from innerview.data.domain import DOMAINS
from innerview.data.tables import Catalogue
from innerview.errors import BundleError, CaseError, TargetQueryError
from innerview.files import is_sealed, recover_folder
from innerview.targets.bundle import BundleTarget, Contents
from innerview.targets.files import (
    MAX_FILE_BYTES,
    cases_of,
    catalogue_of,
    read_file,
    sha256,
    tensors_of,
)
from innerview.targets.manifest import (
    CheckCase,
    FileName,
    Http,
    ItemItem,
    Live,
    Manifest,
    OnnxEncoder,
    RidgeFoldIn,
    Static,
)
from innerview.targets.protocol import FloatArray
from innerview.targets.replay import REPLAY_TOLERANCE, replay_difference

__all__ = [
    "bundle_of",
    "catalogues_of",
    "check_scores_of",
    "load_bundle",
    "read_files",
    "read_manifest",
]

MAX_MANIFEST_BYTES = 16 * 2**20


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
    recover_folder(folder)
    return bundle_of(folder, read_manifest(folder), replay=replay)


def bundle_of(folder: Path, manifest: Manifest, *, replay: bool) -> BundleTarget:
    """The same, once the manifest is read."""
    if isinstance(manifest.encoder, Http | Live):
        raise BundleError(
            f"{folder}: a {manifest.encoder.kind} target and no bundle; load it with load_target"
        )
    data = read_files(folder, manifest)
    contents = _contents(manifest, data)
    target = BundleTarget(contents, fingerprint=_fingerprint(manifest), manifest=manifest)
    target.check_scores = check_scores_of(manifest, data)
    if replay:
        _replay(target, manifest.check_cases)
    return target


def read_manifest(folder: Path) -> Manifest:
    """What a folder says of itself; BundleError if it is damaged."""
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; a target bundle is a folder")
    raw = read_file(folder, "manifest.json", limit=MAX_MANIFEST_BYTES)
    try:
        manifest = Manifest.model_validate_json(raw)
    except (ValidationError, RecursionError) as error:
        where, what = "content", str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where, what = ".".join(map(str, first["loc"])) or where, first["msg"]
        raise BundleError(f"{folder / 'manifest.json'}: {where}: {what}") from None
    if manifest.seal is not None and not is_sealed(raw):
        raise BundleError(f"{folder / 'manifest.json'}: changed since it was written; export again")
    return manifest


def read_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The files that a manifest lists; BundleError if one is missing or differs."""
    data: dict[str, bytes] = {}
    for name, record in manifest.files.items():
        data[name] = read_file(folder, name, size=record.size, limit=MAX_FILE_BYTES)
        if sha256(data[name]) != record.sha256:
            raise BundleError(f"{folder / name}: SHA-256 differs from the manifest; it is damaged")
    needed: list[FileName] = ["outcomes.parquet"]
    if not isinstance(manifest.encoder, Http | Live):
        needed.append("vectors.safetensors")
    if isinstance(manifest.encoder, Static):
        needed.append("cases.parquet")
    for missing in (name for name in needed if name not in data):
        raise BundleError(f"{folder / 'manifest.json'}: files: {missing} is not listed")
    return data


def catalogues_of(manifest: Manifest, data: dict[str, bytes]) -> tuple[Catalogue, Catalogue]:
    """Outcomes, and parts: the very same where they do not differ."""
    domain = DOMAINS[manifest.domain]
    outcomes = catalogue_of(
        data["outcomes.parquet"], "outcomes.parquet",
        noun=manifest.noun, domain=domain, n=manifest.n_outcomes,
    )  # fmt: skip
    parts = outcomes
    if "parts.parquet" in data:
        parts = catalogue_of(
            data["parts.parquet"], "parts.parquet",
            noun=manifest.part_noun, domain=domain, n=manifest.n_parts,
        )  # fmt: skip
    elif manifest.n_parts != manifest.n_outcomes:
        raise BundleError("manifest.json: n_parts differs from n_outcomes without parts.parquet")
    return outcomes, parts


def _contents(manifest: Manifest, data: dict[str, bytes]) -> Contents:
    outcomes, parts = catalogues_of(manifest, data)
    cases = cases_of(data["cases.parquet"], "cases.parquet") if "cases.parquet" in data else ()
    tensors = _tensors(manifest, data, n_cases=len(cases))
    _check_capabilities(manifest)
    outcome_vectors = tensors.get("outcomes", np.zeros((manifest.n_outcomes, 0), np.float32))
    return Contents(
        name=manifest.name,
        spec=manifest.encoder,
        capabilities=manifest.capabilities,
        outcomes=outcomes,
        parts=parts,
        outcome_vectors=outcome_vectors,
        part_vectors=tensors.get("item_item", tensors.get("parts", outcome_vectors)),
        onnx=data.get("encoder.onnx"),
        cases=cases,
        case_vectors=tensors.get("cases"),
        prior=tensors.get("prior"),
    )


def _tensors(manifest: Manifest, data: dict[str, bytes], *, n_cases: int) -> dict[str, FloatArray]:
    """The tensors that a manifest promises, in the shapes that follow from it."""
    name, encoder = "vectors.safetensors", manifest.encoder
    tensors: dict[str, FloatArray] = tensors_of(data[name], name)
    n_outcomes, n_parts, width = manifest.n_outcomes, manifest.n_parts, manifest.width
    wanted = {"outcomes": (n_outcomes, width)}
    if isinstance(encoder, ItemItem):
        wanted = {"item_item": (n_parts, n_outcomes)}
    elif "parts" in tensors or "parts.parquet" in data:
        wanted["parts"] = (n_parts, width)
    if isinstance(encoder, Static):
        wanted["cases"] = (n_cases, width)
    if isinstance(encoder, RidgeFoldIn):
        wanted["prior"] = (width + 1, width)
    if set(tensors) != set(wanted):
        raise BundleError(f"{name}: tensors {sorted(tensors)}; expected {sorted(wanted)}")
    for key, shape in wanted.items():
        if tensors[key].shape != shape:
            raise BundleError(f"{name}: tensor {key!r} is {tensors[key].shape}; expected {shape}")
    return tensors


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
    if able.rescoring and isinstance(encoder, Static):
        raise BundleError(
            "manifest.json: static vectors score no changed case, yet capabilities.rescoring is "
            "on; switch it off, or make a fold-in of it"
        )


def _fingerprint(manifest: Manifest) -> str:
    relevant = sorted(n for n in manifest.files if n != "check.safetensors")
    text = [f"{name}:{manifest.files[name].sha256}" for name in relevant]
    text.append(manifest.encoder.model_dump_json())
    text.append(repr(manifest.capabilities))
    return sha256("\n".join(text).encode())


def check_scores_of(manifest: Manifest, data: dict[str, bytes]) -> FloatArray | None:
    """(C, K) scores that were recorded, if any were."""
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
