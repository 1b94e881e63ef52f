"""Parquet in, through polars; every failure of the decoder becomes one line."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from innerview.data._bytes import require_file
from innerview.data._rows import Rows, Wanted, require_rows
from innerview.errors import DataError

MAX_ROWS = 100_000_000  # run lengths make a small file of any number of rows

_MAGIC = b"PAR1"


def read_parquet(path: Path, wanted: Wanted) -> Rows:
    """Read a Parquet file; the "line" of a row is its number, from 1.

    Raises:
        DataError: not a Parquet file, truncated, damaged, without rows or with over 100 million.
        ColumnError: a needed column is missing.
    """
    require_file(path)
    _check_ends(path)
    try:
        lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        kept = wanted.select(lazy.collect_schema().names(), path, None)
        height = int(lazy.select(pl.len()).collect().item())
        if height > MAX_ROWS:
            raise DataError(f"{height:,} rows, more than {MAX_ROWS:,}; split the file", path=path)
        frame = lazy.select(kept).collect()
    except DataError:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        raise _damaged(path) from None
    lines = range(1, frame.height + 1)
    require_rows(lines, path)
    return Rows(path, lines, {name: frame[name].to_list() for name in kept})


def _check_ends(path: Path) -> None:
    """A Parquet file begins and ends with the same four bytes; a cut one lacks the second."""
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
            size = stream.seek(0, 2)
            stream.seek(max(size - 4, 0))
            end = stream.read(4)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}; check the path", path=path) from None
    if size == 0:
        raise DataError("the file is empty; a header and at least one row are needed", path=path)
    if start != _MAGIC:
        raise DataError("not a Parquet file; check its name or export it again", path=path)
    if end != _MAGIC or size < 12:
        raise DataError("the Parquet file ends too early; copy or download it again", path=path)


def _damaged(path: Path) -> DataError:
    return DataError("a damaged Parquet file; copy, download or export it again", path=path)
