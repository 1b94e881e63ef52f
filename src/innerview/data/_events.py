"""From raw events to the table of interactions: unknown items, duplicates, order and ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from innerview.data._rows import Cell, Rows, shown
from innerview.data._values import IdReader, RatingReader, TimeReader
from innerview.data.notes import Notes
from innerview.data.tables import Catalogue, Interactions
from innerview.errors import DataError

UnknownItems = Literal["drop", "error"]

_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class RawEvents:
    """Events in the order of their file; times in microseconds, finer than they are kept.

    The fraction of a second is dropped only after sorting, so that it can still break a tie.
    ``ratings`` are None where the source has none.
    """

    path: Path
    lines: Sequence[int]
    users: Sequence[str]
    items: Sequence[str]
    micros: Sequence[int]
    ratings: Sequence[float | None] | None = None


def events_from_rows(
    rows: Rows,
    *,
    user_col: str,
    item_col: str,
    time_col: str | None,
    rating_col: str | None = None,
    notes: Notes,
) -> RawEvents:
    """Check every id and time of a raw table; without times, the row number stands in, and without
    a column of ratings there are none.

    Raises:
        DataError: an id or a time is not usable.
    """
    read_user = IdReader(rows.path, user_col, notes)
    read_item = IdReader(rows.path, item_col, notes)
    users = [read_user(c, n) for c, n in zip(rows.columns[user_col], rows.lines, strict=True)]
    items = [read_item(c, n) for c, n in zip(rows.columns[item_col], rows.lines, strict=True)]
    if time_col is None:
        notes.add(
            "no times: the order of the file is taken as the order of events", rows.path, None
        )
        micros = [row * _MICRO for row in range(len(users))]
    else:
        micros = _times(rows.columns[time_col], rows, time_col, notes)
    ratings = None
    if rating_col is not None and rating_col in rows.columns:
        read_rating = RatingReader(rows.path, rating_col, notes)
        ratings = [
            read_rating(c, n) for c, n in zip(rows.columns[rating_col], rows.lines, strict=True)
        ]
    return RawEvents(rows.path, rows.lines, users, items, micros, ratings)


def _times(cells: Sequence[Cell], rows: Rows, column: str, notes: Notes) -> list[int]:
    read_time = TimeReader(rows.path, column, notes)
    return [read_time(cell, line) for cell, line in zip(cells, rows.lines, strict=True)]


def build_interactions(
    events: RawEvents, known_items: Catalogue | None, on_unknown: UnknownItems, notes: Notes
) -> Interactions:
    """Drop unknown items and duplicates, sort, and note what was done.

    Raises:
        DataError: more than half of the events name unknown items, or any does and
            ``on_unknown`` is "error".
    """
    frame = pl.DataFrame(
        {
            "user_id": pl.Series(events.users, dtype=pl.String),
            "item_id": pl.Series(events.items, dtype=pl.String),
            "micros": pl.Series(events.micros, dtype=pl.Int64),
            "line": pl.Series(events.lines, dtype=pl.Int64),
        }
    ).with_row_index("row")
    kept = ["user_id", "item_id", "timestamp"]
    if events.ratings is not None:
        frame = frame.with_columns(rating=pl.Series(events.ratings, dtype=pl.Float64))
        kept.append("rating")
    if known_items is not None:
        frame = _known_only(frame, known_items, on_unknown, events.path, notes)
    _note_unsorted(frame, events.path, notes)
    frame = frame.sort("user_id", "micros", "row")
    frame = _without_duplicates(frame, events.path, notes)
    frame = frame.with_columns(timestamp=pl.col("micros") // _MICRO)
    _note_ties(frame, events.path, notes)
    return Interactions(frame.select(kept))


def _known_only(
    frame: pl.DataFrame, known: Catalogue, on_unknown: UnknownItems, path: Path, notes: Notes
) -> pl.DataFrame:
    is_known = pl.col("item_id").is_in(pl.Series(known.ids, dtype=pl.String).implode())
    unknown = frame.filter(~is_known)
    if unknown.is_empty():
        return frame
    line, item = int(unknown["line"][0]), shown(unknown["item_id"][0])
    if on_unknown == "error":
        raise DataError(
            f"item {item} is not in the item table; add it there, or let unknown items be dropped",
            path=path,
            line=line,
        )
    if 2 * unknown.height > frame.height:
        raise DataError(
            f"{unknown.height:,} of {frame.height:,} events name items that the item table lacks, "
            f"first {item}; do both files belong together, with ids written alike (leading zeros)?",
            path=path,
            line=line,
        )
    what = f"dropped {{n}} event{{s}} of items that the item table lacks, first {item}"
    notes.add(what, path, line, unknown.height)
    return frame.filter(is_known)


def _note_unsorted(frame: pl.DataFrame, path: Path, notes: Notes) -> None:
    early = frame.filter(pl.col("micros") < pl.col("micros").shift(1).over("user_id"))
    if not early.is_empty():
        what = "sorted by time: {n} event{s} stood after a later one of the same user"
        notes.add(what, path, int(early["line"].min() or 0), early.height)  # type: ignore[arg-type]


def _without_duplicates(frame: pl.DataFrame, path: Path, notes: Notes) -> pl.DataFrame:
    first = pl.struct("user_id", "item_id").is_first_distinct()
    again = frame.filter(~first)
    if again.is_empty():
        return frame
    what = "dropped {n} duplicate event{s}: same user and item; the earliest is kept"
    notes.add(what, path, int(again["line"].min() or 0), again.height)  # type: ignore[arg-type]
    return frame.filter(first)


def _note_ties(frame: pl.DataFrame, path: Path, notes: Notes) -> None:
    tied = frame.filter(pl.col("micros") == pl.col("micros").shift(1).over("user_id"))
    if not tied.is_empty():
        what = "{n} event{s} at the very time of another of the same user: kept in file order"
        notes.add(what, path, int(tied["line"].min() or 0), tied.height)  # type: ignore[arg-type]
