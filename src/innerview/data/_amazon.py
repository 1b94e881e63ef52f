"""Amazon Reviews of 2018 and 2023: reviews and metadata, both JSON Lines.

Metadata name every product of a category, so items that nobody reviewed are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from innerview.data._bytes import peek
from innerview.data._events import RawEvents, events_from_rows
from innerview.data._folders import the_one
from innerview.data._items import RawItems, items_from_rows
from innerview.data._jsonl import read_jsonl
from innerview.data._rows import Cell, Rows, Wanted, new_lines
from innerview.data.notes import Notes
from innerview.errors import DataError

_ADVICE = "this format needs it; or load the file as a table"


@dataclass(frozen=True, slots=True)
class _Edition:
    user: str
    item: str
    time: str
    rating: str
    attributes: tuple[str, ...]


_2018 = _Edition("reviewerID", "asin", "unixReviewTime", "overall", ("brand", "category"))
_2023 = _Edition(
    "user_id", "parent_asin", "timestamp", "rating", ("store", "main_category", "categories")
)


def is_meta(name: str) -> bool:
    """Whether a plain file name is that of product metadata."""
    return name.startswith("meta_") and name.endswith((".json", ".jsonl"))


def looks_like_reviews(path: Path) -> bool:
    """Whether the first line has the keys of a review."""
    return _edition(path) is not None


def read_amazon(source: Path, items: Path | None, notes: Notes) -> tuple[RawEvents, RawItems]:
    """Read a folder with one file of reviews and one of metadata, or the two files.

    Raises:
        DataError: the files are not there, or the first line of the reviews lacks their keys.
    """
    if source.is_dir():
        items = items or the_one(source, is_meta, "meta_*.json or .jsonl")
        source = the_one(source, _is_reviews, "file of reviews (.json or .jsonl)")
    edition = _edition(source) or _2018
    needed = _wanted(edition.user, edition.item, edition.time).needed
    rows = read_jsonl(source, Wanted(needed, also=frozenset({edition.rating})), notes)
    events = events_from_rows(
        rows, user_col=edition.user, item_col=edition.item, time_col=edition.time,
        rating_col=edition.rating, notes=notes,
    )  # fmt: skip
    if items is None:
        raise DataError("no metadata; name the meta_*.json file as the item table", path=source)
    wanted = Wanted(_wanted(edition.item).needed, also=frozenset(("title", *edition.attributes)))
    meta = _met_only(read_jsonl(items, wanted, notes), edition.item, set(events.items), notes)
    raw = items_from_rows(
        meta, item_col=edition.item, title_col="title", list_separator="", notes=notes
    )
    return events, raw


def _is_reviews(name: str) -> bool:
    return name.endswith((".json", ".jsonl")) and not is_meta(name)


def _edition(path: Path) -> _Edition | None:
    first = peek(path).partition(b"\n")[0]
    for edition in (_2018, _2023):
        if all(f'"{key}"'.encode() in first for key in (edition.user, edition.item, edition.time)):
            return edition
    return None


def _wanted(*columns: str) -> Wanted:
    return Wanted(dict.fromkeys(columns, _ADVICE))


def _met_only(meta: Rows, item_col: str, met: set[str], notes: Notes) -> Rows:
    # An id that is no text is kept, so that its reader can refuse it with its line.
    rows = [
        row
        for row, cell in enumerate(meta.columns[item_col])
        if not isinstance(cell, str) or cell.strip() in met
    ]
    notes.add("left out {n} item{s} without a review", meta.path, None, len(meta.lines) - len(rows))
    lines = new_lines()
    lines.extend(meta.lines[row] for row in rows)
    # An edition's columns may all be missing from the few lines of a sample.
    columns: dict[str, list[Cell]] = {"title": [None] * len(meta.lines), **meta.columns}
    return Rows(meta.path, lines, {name: [c[row] for row in rows] for name, c in columns.items()})
