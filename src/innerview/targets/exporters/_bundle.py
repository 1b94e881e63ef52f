"""Writing the folder that ``innerview.targets.load_bundle`` reads.

The library's own model is asked some cases, what the bundle will answer is compared with that, and
a model that does not agree is refused here, not when the bundle is opened.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

from ._closed import bundle_scores
from ._model import Case, ExportError, FloatArray, Items, Model, cases_of

__all__ = ["AGREEMENT_TOLERANCE", "write_bundle"]

AGREEMENT_TOLERANCE = 1e-4
"""Largest difference of scores, relative to the largest score of the library."""
CHECK_TOP = 20
BUNDLE_VERSION = 1


def write_bundle(
    path: str | Path,
    model: Model,
    *,
    items: Items | None = None,
    histories: Mapping[Any, Sequence[Any]],
    n_check: int = 64,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a bundle, with what the library's own model answers to some cases.

    Args:
        path: the folder to make.
        model: what an exporter has learned of the library's model.
        items: titles and attributes; without them ids are titles.
        histories: items by user, oldest first; of a static model all users it has vectors of.
        n_check: cases that the library is asked, evenly out of the histories.
        overwrite: replace the folder where it exists.

    Returns:
        The manifest, with the largest difference from the library under ``training``.

    Raises:
        ExportError: the vectors do not give the library's scores, or something does not fit.
    """
    folder, items = Path(path), items or Items()
    if folder.exists() and not overwrite:
        raise ExportError(f"{folder}: exists already; remove it or pass overwrite=True")
    model.ids = _checked_ids(model)
    cases = cases_of(histories, model)
    if model.max_parts is None:
        model.max_parts = max(len(case.parts) for case in cases)
    asked = [cases[at] for at in _spread(len(cases), n_check)]
    answers, difference = _compared(model, asked)
    files = _vector_files(model, cases)
    files["outcomes.parquet"] = _parquet(_catalogue(model.ids, items))
    records, scores = _record(model, asked, answers)
    files["check.safetensors"] = _tensors({"scores": scores})
    manifest = _manifest(model, items, files, records, difference)
    _write_folder(folder, {"manifest.json": _sealed(manifest), **files})
    return manifest


def _checked_ids(model: Model) -> list[str]:
    ids = [str(each) for each in model.ids]
    twice = [each for each, n in Counter(ids).items() if n > 1]
    if twice:
        raise ExportError(f"id {twice[0]!r} stands for two items; ids must be unique")
    for what, matrix in (
        ("vectors", model.vectors),
        ("part vectors", model.part_vectors),
        ("rows of the item-item matrix", model.item_item),
    ):
        if matrix is not None and len(matrix) != len(ids):
            raise ExportError(f"{len(matrix)} {what} for {len(ids)} item ids")
    return ids


def _spread(n: int, k: int) -> list[int]:
    return sorted({int(at) for at in np.linspace(0, n - 1, min(n, max(1, k)))})


def _compared(model: Model, asked: Sequence[Case]) -> tuple[FloatArray, float]:
    """What the library answers, and how far the bundle will be from it."""
    answers = np.asarray(model.answer(asked), dtype=np.float32)
    if answers.shape != (len(asked), len(model.ids)):
        raise ExportError(
            f"the library answered {answers.shape}; expected {(len(asked), len(model.ids))}"
        )
    if not np.isfinite(answers).all():
        raise ExportError("the library answered NaN or infinity")
    ours = bundle_scores(model, asked)
    scale = max(1e-12, float(np.abs(answers).max()))
    difference = float(np.abs(answers - ours).max()) / scale
    if difference > AGREEMENT_TOLERANCE:
        raise ExportError(
            "{}: an encoder {!r} would answer {:.2g} away from the library, more than {:g}; "
            "this model is not of that form".format(
                model.name, model.encoder["kind"], difference, AGREEMENT_TOLERANCE
            )
        )
    return answers, difference


def _record(
    model: Model, cases: Sequence[Case], answers: FloatArray
) -> tuple[list[dict[str, Any]], FloatArray]:
    """The best items of each case without its own parts, and the library's scores of them."""
    row_of = {item: row for row, item in enumerate(model.ids)}
    left = min(len(model.ids) - len(set(case.parts)) for case in cases)
    k = min(CHECK_TOP, left)
    records, scores = [], []
    for case, row in zip(cases, answers):
        open_to = row.copy()
        open_to[[row_of[part] for part in case.parts]] = -np.inf
        best = np.argsort(-open_to, kind="stable")[:k]
        scores.append(row[best])
        top = [model.ids[at] for at in best]
        records.append({"case_id": case.case_id, "parts": list(case.parts), "top": top})
    return records, np.asarray(scores, dtype=np.float32).reshape(len(cases), k)


def _vector_files(model: Model, cases: Sequence[Case]) -> dict[str, bytes]:
    tensors: dict[str, FloatArray] = {}
    files: dict[str, bytes] = {}
    if model.item_item is not None:
        tensors["item_item"] = model.item_item
    elif model.vectors is not None:
        tensors["outcomes"] = model.vectors
    if model.part_vectors is not None:
        tensors["parts"] = model.part_vectors
    if model.case_vectors is not None:
        tensors["cases"] = np.stack([model.case_vectors[case.case_id] for case in cases])
        ids, parts = [case.case_id for case in cases], [list(case.parts) for case in cases]
        files["cases.parquet"] = _parquet({"case_id": ids, "parts": parts})
    if model.onnx is not None:
        files["encoder.onnx"] = model.onnx
    files["vectors.safetensors"] = _tensors(tensors)
    return files


def _manifest(
    model: Model,
    items: Items,
    files: Mapping[str, bytes],
    records: list[dict[str, Any]],
    difference: float,
) -> dict[str, Any]:
    n_items = len(model.ids)
    return {
        "version": BUNDLE_VERSION,
        "name": model.name,
        "noun": items.noun,
        "part_noun": items.noun,
        "n_outcomes": n_items,
        "n_parts": n_items,
        "width": 0 if model.vectors is None else int(model.vectors.shape[1]),
        "encoder": model.encoder,
        "capabilities": {
            "vectors": model.vectors is not None,
            "rescoring": not model.is_static,
            "order_sensitive": model.order_sensitive,
            "deterministic": True,
            "excludes_parts": True,
            "max_parts": model.max_parts,
        },
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in files.items()
        },
        "check_cases": records,
        "training": {"export_max_difference": difference, "n_compared": len(records)},
        "settings": model.settings,
        "libraries": _versions(("numpy", *model.libraries)),
    }


def _versions(packages: Sequence[str]) -> dict[str, str]:
    from importlib import metadata

    found = {"python": sys.version.split()[0]}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # republished under another name
            found[name] = str(getattr(sys.modules.get(name), "__version__", "unknown"))
    return found


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    """The manifest with a hash of its own text, as ``innerview.files.seal`` makes it."""
    blank = "0" * 64
    text = json.dumps({**manifest, "seal": blank}, indent=1, ensure_ascii=False, allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    at = text.rindex(blank)
    return (text[:at] + digest + text[at + len(blank) :]).encode()


def _catalogue(ids: Sequence[str], items: Items) -> dict[str, list[Any]]:
    """``item_id, title`` and a list column for each attribute; titles made distinct by the id."""
    given = {str(item): title for item, title in items.titles.items()}
    titles = [str(given.get(item) or item) for item in ids]
    while len(set(titles)) < len(titles):
        counts = Counter(titles)
        titles = [t if counts[t] == 1 else t + " [" + i + "]" for t, i in zip(titles, ids)]
    table: dict[str, list[Any]] = {"item_id": list(ids), "title": titles}
    for name, values in items.attributes.items():
        of = {str(item): [str(value) for value in several] for item, several in values.items()}
        table[name] = [of.get(item, []) for item in ids]
    return table


def _parquet(table: Mapping[str, list[Any]]) -> bytes:
    """Columns of text, or of lists of text."""
    buffer = io.BytesIO()
    lists = {name: name not in ("item_id", "title", "case_id") for name in table}
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return _parquet_by_polars(table, lists)
    kinds = {True: pyarrow.list_(pyarrow.string()), False: pyarrow.string()}
    columns = {n: pyarrow.array(v, type=kinds[lists[n]]) for n, v in table.items()}
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _parquet_by_polars(table: Mapping[str, list[Any]], lists: Mapping[str, bool]) -> bytes:
    try:
        import polars
    except ImportError:
        raise ExportError("neither pyarrow nor polars is installed: pip install pyarrow") from None
    kinds: dict[bool, Any] = {True: polars.List(polars.String), False: polars.String}
    frame = polars.DataFrame(
        {name: polars.Series(v, dtype=kinds[lists[name]]) for name, v in table.items()}
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _tensors(tensors: Mapping[str, FloatArray]) -> bytes:
    try:
        from safetensors.numpy import save
    except ImportError:
        raise ExportError("safetensors is not installed: pip install safetensors") from None
    ready = {name: np.ascontiguousarray(t, dtype=np.float32) for name, t in tensors.items()}
    return bytes(save(ready))


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Beside its place first: what a kill leaves is never taken for a bundle."""
    beside = folder.with_name("." + folder.name + ".part")
    shutil.rmtree(str(beside), ignore_errors=True)
    beside.mkdir(parents=True)
    for name, data in files.items():
        with (beside / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    if folder.exists():
        shutil.rmtree(str(folder))
    beside.rename(folder)
