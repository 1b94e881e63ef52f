"""The two plain tables in, interactions and items: CSV, TSV, JSON Lines, Parquet, or in memory.

Every table is either read, read with notes (one line for each kind of repair), or refused with one
line that says where and what to do. ``docs/data.md`` lists the outcome of every known defect.
Formats of public data sets are in ``formats``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from innerview.data._arrow import ArrowTable, read_arrow
from innerview.data._bytes import require_file
from innerview.data._delimited import CSV, TSV, read_delimited
from innerview.data._events import UnknownItems, build_interactions, events_from_rows
from innerview.data._items import build_catalogue, items_from_rows
from innerview.data._jsonl import read_jsonl
from innerview.data._parquet import read_parquet
from innerview.data._rows import Rows, Wanted, shown
from innerview.data.notes import Notes
from innerview.data.tables import Catalogue, Interactions
from innerview.errors import DataError

__all__ = ["TABLE_SUFFIXES", "read_catalogue", "read_interactions"]

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
"""Suffixes of tables; each but ``.parquet`` may be followed by ``.gz``. ``.json`` is JSON Lines."""

_RATING = "rating"
_Reader = Callable[[Path, Wanted, Notes], Rows]
_JSON: _Reader = read_jsonl
_READERS: dict[str, _Reader] = {
    ".csv": lambda path, wanted, notes: read_delimited(path, CSV, wanted, notes),
    ".tsv": lambda path, wanted, notes: read_delimited(path, TSV, wanted, notes),
    ".jsonl": _JSON,
    ".ndjson": _JSON,
    ".json": _JSON,
    ".parquet": lambda path, wanted, _: read_parquet(path, wanted),
}


def read_interactions(
    source: Path | str | ArrowTable,
    *,
    user_col: str = "user_id",
    item_col: str = "item_id",
    time_col: str | None = "timestamp",
    rating_col: str | None = None,
    known_items: Catalogue | None = None,
    on_unknown: UnknownItems = "drop",
) -> tuple[Interactions, tuple[str, ...]]:
    """Read who met what, and when.

    Args:
        source: CSV, TSV, JSON Lines or Parquet, by suffix; plain or .gz. Or a table in memory: of
            pandas, polars, pyarrow or whatever else has ``__arrow_c_stream__``.
        user_col: the column of user ids.
        item_col: the column of item ids.
        time_col: the column of times: Unix seconds (or finer) or ISO 8601; a time without a zone
            is UTC. None where there is none: the order of the file is the order of events.
        rating_col: the column of the users' ratings, which group the parts of a case; by default
            ``rating``, if there is one. What is no number counts as no rating.
        known_items: events of other items are dropped or refused; None lets every item pass.
        on_unknown: what to do with events of items that ``known_items`` lacks.

    Returns:
        The interactions, and a line for each kind of repair.

    Raises:
        DataError: the file, a row or a value cannot be used, or more than half of the events
            name unknown items.
        ColumnError: a needed column is missing or named twice.
    """
    notes = Notes()
    needed = {user_col: _option("user"), item_col: _option("item")}
    if time_col is not None:
        needed[time_col] = _option("time")
    if rating_col is not None:
        needed[rating_col] = _option("rating")
    wanted = Wanted(needed, also=frozenset({_RATING}))
    rows = read_rows(source, "interactions", wanted, notes)
    events = events_from_rows(
        rows, user_col=user_col, item_col=item_col, time_col=time_col,
        rating_col=rating_col or _RATING, notes=notes,
    )  # fmt: skip
    return build_interactions(events, known_items, on_unknown, notes), notes.lines()


def read_catalogue(
    source: Path | str | ArrowTable,
    *,
    item_col: str = "item_id",
    title_col: str = "title",
    noun: str = "item",
    list_separator: str = "|",
) -> tuple[Catalogue, tuple[str, ...]]:
    """Read the items and their text; all other columns become attributes.

    Args:
        source: CSV, TSV, JSON Lines or Parquet, by suffix; plain or .gz. Or a table in memory: of
            pandas, polars, pyarrow or whatever else has ``__arrow_c_stream__``.
        item_col: the column of ids.
        title_col: the column of titles.
        noun: what one item is called in prompts and on pages.
        list_separator: between the values of an attribute, where a cell is not a list already.

    Returns:
        The catalogue in the order of the file, and a line for each kind of repair.

    Raises:
        DataError: the file, a row or a value cannot be used.
        ColumnError: a needed column is missing or named twice.
    """
    notes = Notes()
    needed = {item_col: _option("item"), title_col: _option("title")}
    rows = read_rows(source, "items", Wanted(needed, others=True), notes)
    items = items_from_rows(
        rows, item_col=item_col, title_col=title_col, list_separator=list_separator, notes=notes
    )
    return build_catalogue(items, noun, notes), notes.lines()


def read_rows(source: Path | str | ArrowTable, name: str, wanted: Wanted, notes: Notes) -> Rows:
    """Read a raw table in the format that its suffix names, or from memory, where it goes by a
    name."""
    if isinstance(source, ArrowTable):
        return read_arrow(source, name, wanted)
    path = Path(source)
    require_file(path)
    file = path.name.lower()
    suffix = Path(file.removesuffix(".gz")).suffix
    reader = _READERS.get(suffix)
    if reader is None or (suffix == ".parquet" and file.endswith(".gz")):
        raise DataError(
            f"unknown suffix {shown(''.join(Path(file).suffixes[-2:]))}; tables end in "
            f"{', '.join(TABLE_SUFFIXES)}, all but .parquet also with .gz",
            path=path,
        )
    return reader(path, wanted, notes)


def _option(which: str) -> str:
    return f"name yours with {which}_col= (--{which}-col)"
