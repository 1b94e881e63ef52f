"""Tables in memory: pandas, polars, Arrow, or whatever else hands over an Arrow stream.

Knows the Arrow PyCapsule interface, and no other library of tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import polars as pl

from innerview.data._rows import Cell, Rows, Wanted, require_rows
from innerview.errors import DataError

_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name, which is no column of the table."""


@runtime_checkable
class ArrowTable(Protocol):
    """What pandas (2.2 and later), polars, pyarrow and others hand their tables over with."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with an Arrow stream."""


class _Stream:
    """The stream alone: of a table that it knows, polars would ask for more than that."""

    def __init__(self, table: ArrowTable) -> None:
        self.__arrow_c_stream__ = table.__arrow_c_stream__


def read_arrow(table: ArrowTable, name: str, wanted: Wanted) -> Rows:
    """Read a table in memory; the "line" of a row is its number, from 1.

    Args:
        table: any that hands over an Arrow stream.
        name: for messages, as it has no path.
        wanted: the columns to keep.

    Raises:
        DataError: it cannot be handed over, or has no rows.
        ColumnError: a needed column is missing.
    """
    path = Path(name)
    try:
        columns = _columns(table)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError) as bad:
        raise DataError(f"no table that can be read: {bad}", path=path) from None
    kept = wanted.select([name for name in columns if not _INDEX.fullmatch(name)], path, None)
    lines = range(1, 1 + max(map(len, columns.values()), default=0))
    require_rows(lines, path)
    return Rows(path, lines, {name: columns[name] for name in kept})


def _columns(table: ArrowTable) -> Mapping[str, list[Cell]]:
    try:
        frame = pl.DataFrame(_Stream(table))
    except ImportError:
        return _pandas_columns(table)
    return {column.name: column.to_list() for column in frame.iter_columns()}


def _pandas_columns(table: Any) -> Mapping[str, list[Cell]]:
    """Of a frame of pandas, which makes its stream with pyarrow, and that is not installed."""
    filled = table.astype(object).where(table.notna(), None)
    return {str(name): filled.iloc[:, at].tolist() for at, name in enumerate(table.columns)}
