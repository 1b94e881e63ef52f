"""What every file format is turned into: columns of raw cells and the line each row stands on."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from innerview.errors import ColumnError, DataError

Cell = object
"""A raw value: str in text tables; also numbers, lists, dicts, None, dates in JSON and Parquet."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A raw table.

    Attributes:
        path: the file.
        lines: the line of each row; in Parquet its number, from 1.
        columns: the cells of each column that was kept, in the order of the file.
    """

    path: Path
    lines: Sequence[int]
    columns: Mapping[str, list[Cell]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which columns to read.

    Attributes:
        needed: columns that must be there, each with what to do if it is not.
        also: columns to keep where they exist.
        others: keep every column.
    """

    needed: Mapping[str, str]
    also: frozenset[str] = frozenset()
    others: bool = False

    def keeps(self, column: str) -> bool:
        """Whether a column is to be kept."""
        return self.others or column in self.needed or column in self.also

    def select(self, present: Sequence[str], path: Path, line: int | None) -> list[str]:
        """The columns to keep.

        Raises:
            ColumnError: a needed column is missing.
        """
        for column, advice in self.needed.items():
            if column not in present:
                problem = f"not in the file, which has {listed(present)}; {advice}"
                raise ColumnError(problem, path=path, line=line, column=column)
        return [column for column in present if self.keeps(column)]


def new_lines() -> array[int]:
    """An empty column of line numbers, 8 bytes each."""
    return array("q")


def require_rows(lines: Sequence[int], path: Path) -> None:
    """Refuse a table without rows.

    Raises:
        DataError: there is none.
    """
    if not lines:
        raise DataError("the table has no rows; was the export cut short?", path=path)


def listed(names: Iterable[str], limit: int = 20) -> str:
    """Quoted names for a message, the tail left out."""
    quoted = [shown(name) for name in names]
    tail = f" and {len(quoted) - limit} more" if len(quoted) > limit else ""
    return ", ".join(quoted[:limit]) + tail


_KINDS = {"bool": "true or false", "dict": "an object", "float": "a float", "list": "a list"}


def kind_of(cell: Cell) -> str:
    """What a raw value is, in words for a message."""
    name = type(cell).__name__
    return _KINDS.get(name, f"a value of type {name}")


def shown(value: object, limit: int = 60) -> str:
    """A value for a message: quoted, escaped, cut to a readable length."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
