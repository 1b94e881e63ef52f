"""Reading and writing a bundle's files with distrust: nothing is used before it is checked."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from innerview.data.domain import Domain
from innerview.data.tables import Catalogue
from innerview.errors import BundleError, DataError, InnerviewError
from innerview.files import room_for, whole_folder
from innerview.targets.protocol import Case

__all__ = ["cases_of", "catalogue_of", "read_file", "sha256", "tensors_of", "write_folder"]

MAX_FILE_BYTES = 8 * 2**30
MAX_HEADER_BYTES = 2**20


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def read_file(folder: Path, name: str, *, size: int | None = None, limit: int) -> bytes:
    """The bytes of a plain file directly inside a folder.

    Raises:
        BundleError: it is missing, a link, no plain file, too large, or of another size.
    """
    if Path(name).name != name or name in ("", ".", ".."):
        raise BundleError(f"{name!r}: a bundle's files lie directly in its folder")
    path = folder / name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise BundleError(f"{path}: missing from the bundle; export it again") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); links are refused") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BundleError(f"{path}: not a plain file")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_size > limit:
            raise BundleError(f"{path}: {status.st_size} bytes, more than the {limit} allowed")
        if size is not None and status.st_size != size:
            raise BundleError(
                f"{path}: {status.st_size} bytes, the manifest says {size}; the file is damaged"
            )
        return file.read()


def tensors_of(data: bytes, name: str) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of a safetensors file: float32 matrices, all finite.

    Raises:
        BundleError: naming the file and the tensor.
    """
    header = int.from_bytes(data[:8], "little") if len(data) >= 8 else 0
    if len(data) < 8 or header > min(MAX_HEADER_BYTES, len(data) - 8):
        raise BundleError(
            f"{name}: header of {header} bytes in a file of {len(data)}; "
            f"at most {MAX_HEADER_BYTES} are accepted"
        )
    try:
        tensors: dict[str, npt.NDArray[Any]] = load_safetensors(data)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{name}: not a safetensors file ({error})") from None
    for key, value in tensors.items():
        if value.dtype != np.float32 or value.ndim != 2:
            raise BundleError(
                f"{name}: tensor {key!r} is {value.dtype} {value.shape}; expected a float32 matrix"
            )
        if not np.isfinite(value).all():
            row = int(np.flatnonzero(~np.isfinite(value).all(axis=1))[0])
            raise BundleError(f"{name}: tensor {key!r} has NaN or infinity in row {row}")
    return tensors


def catalogue_of(data: bytes, name: str, *, noun: str, domain: Domain, n: int) -> Catalogue:
    """The catalogue in a parquet file.

    Raises:
        BundleError: wrong columns, row count, or an id named twice.
    """
    frame = _frame(data, name)
    kinds = [frame.schema.get(column) for column in ("item_id", "title")]
    if kinds != [pl.String, pl.String]:
        raise BundleError(f"{name}: columns item_id and title are {kinds}; expected two of text")
    if frame.height != n:
        raise BundleError(f"{name}: {frame.height} rows, the manifest says {n}")
    if frame["item_id"].null_count() or frame["title"].null_count():
        raise BundleError(f"{name}: an id or a title is missing")
    repeated = frame["item_id"].filter(frame["item_id"].is_duplicated())
    if len(repeated):
        raise BundleError(f"{name}: id {repeated[0]!r} is named twice")
    try:
        return Catalogue.from_frame(frame, noun=noun, domain=domain)
    except (DataError, TypeError, InnerviewError) as error:
        raise BundleError(f"{name}: {error}") from None


def cases_of(data: bytes, name: str) -> tuple[Case, ...]:
    """The cases in a parquet file.

    Raises:
        BundleError: wrong columns, no row, a value missing, or an id named twice.
    """
    frame = _frame(data, name)
    kinds = [frame.schema.get(column) for column in ("case_id", "parts")]
    if kinds != [pl.String, pl.List(pl.String)]:
        raise BundleError(
            f"{name}: columns case_id and parts are {kinds}; expected text and lists of text"
        )
    if not frame.height:
        raise BundleError(f"{name}: no case; a static target needs at least one")
    if frame["case_id"].null_count() or frame["parts"].explode().null_count():
        raise BundleError(f"{name}: an id or a part is missing")
    repeated = frame["case_id"].filter(frame["case_id"].is_duplicated())
    if len(repeated):
        raise BundleError(f"{name}: case {repeated[0]!r} is named twice")
    return tuple(
        Case(case_id, tuple(parts)) for case_id, parts in frame.select("case_id", "parts").rows()
    )


def _frame(data: bytes, name: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(data))
    except Exception as error:  # polars raises several kinds, and panics
        raise BundleError(f"{name}: not a parquet file ({error})") from None


def write_folder(path: Path, files: Mapping[str, bytes], *, overwrite: bool = False) -> None:
    """Write a folder in one step: beside its place, synced, then renamed.

    Raises:
        BundleError: the folder exists and ``overwrite`` is off, or it cannot be written.
    """
    if path.exists() and not overwrite:
        raise BundleError(f"{path}: exists already; remove it or ask to overwrite")
    size = sum(map(len, files.values()))
    try:
        with room_for(path, size, BundleError), whole_folder(path) as beside:
            for name, data in files.items():
                (beside / name).write_bytes(data)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written ({error.strerror})") from None
