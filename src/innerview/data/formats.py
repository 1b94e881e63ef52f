"""One entry for every known shape of data: plain tables, and the folders of public data sets.

Each format turns its own files into raw events and raw items; repairs, order and titles are then
the same for all. What a format does not know, it refuses with a line that says what was looked
for. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from innerview.data import _amazon, _compact, _movies
from innerview.data._arrow import ArrowTable
from innerview.data._events import RawEvents, build_interactions
from innerview.data._folders import find, names_in, plain_name
from innerview.data._items import RawItems, build_catalogue
from innerview.data._rows import listed
from innerview.data.notes import Notes
from innerview.data.readers import TABLE_SUFFIXES, read_catalogue, read_interactions
from innerview.data.splits import k_core
from innerview.data.tables import Catalogue, Interactions
from innerview.errors import DataError

__all__ = ["DataFormat", "Loaded", "load_dataset"]

DataFormat = Literal["auto", "table", "movielens", "movietweetings", "amazon", "compact"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A data set in memory.

    Attributes:
        interactions: who met what, and when; every item is in the catalogue.
        catalogue: the items, whether anyone met them or not.
        notes: one line for each kind of repair that reading needed.
    """

    interactions: Interactions
    catalogue: Catalogue
    notes: tuple[str, ...] = ()

    def k_core(self, k: int) -> Loaded:
        """Keep users and items with at least ``k`` events each, and only these items.

        Raises:
            DataError: nothing remains.
        """
        core = k_core(self.interactions, k)
        return replace(
            self, interactions=core, catalogue=self.catalogue.keep(core.frame["item_id"])
        )


def load_dataset(
    interactions: Path | str | ArrowTable,
    items: Path | str | ArrowTable | None = None,
    *,
    format: DataFormat = "auto",
    user_col: str = "user_id",
    item_col: str = "item_id",
    time_col: str | None = "timestamp",
    rating_col: str | None = None,
    title_col: str = "title",
    noun: str = "item",
    list_separator: str = "|",
) -> Loaded:
    """Load interactions and items in any known format.

    Args:
        interactions: a table, as a file or in memory (pandas, polars, Arrow), or the folder of a
            data set.
        items: the item table. Without one the ids serve as titles. In a folder it is found.
        format: ``auto`` goes by what is there. The options below apply to ``table`` only.
        user_col: the column of user ids.
        item_col: the column of item ids, in both tables.
        time_col: the column of times; None if there is none (the order of the file counts).
        rating_col: the column of the users' ratings; by default ``rating``, if there is one.
        title_col: the column of titles.
        noun: what one item is called in prompts and on pages.
        list_separator: between the values of an attribute.

    Raises:
        DataError: no known format is found, or a file, a row or a value cannot be used.
        ColumnError: a needed column is missing or named twice.
    """
    if format not in get_args(DataFormat):
        known = ", ".join(get_args(DataFormat))
        raise DataError(f"unknown format {format!r}; known are {known}")
    tables: tuple[Path | ArrowTable, Path | ArrowTable | None]
    if isinstance(interactions, ArrowTable) or isinstance(items, ArrowTable):
        if format not in ("auto", "table"):
            raise DataError(f"format {format!r} is of files; of a table in memory it is 'table'")
        tables = _located(interactions), None if items is None else _located(items)
    else:
        source, item_path = Path(interactions), None if items is None else Path(items)
        chosen = _detect(source) if format == "auto" else format
        if chosen in _READERS:
            return _load_known(chosen, source, item_path)
        tables = _tables_in(source, item_path) if source.is_dir() else (source, item_path)
    return _load_tables(
        *tables,
        user_col=user_col,
        item_col=item_col,
        time_col=time_col,
        rating_col=rating_col,
        title_col=title_col,
        noun=noun,
        list_separator=list_separator,
    )


def _located(source: Path | str | ArrowTable) -> Path | ArrowTable:
    return Path(source) if isinstance(source, str) else source


def _load_tables(
    source: Path | ArrowTable,
    item_source: Path | ArrowTable | None,
    *,
    user_col: str,
    item_col: str,
    time_col: str | None,
    rating_col: str | None,
    title_col: str,
    noun: str,
    list_separator: str,
) -> Loaded:
    catalogue: Catalogue | None = None
    item_notes: tuple[str, ...] = ()
    if item_source is not None:
        catalogue, item_notes = read_catalogue(
            item_source,
            item_col=item_col,
            title_col=title_col,
            noun=noun,
            list_separator=list_separator,
        )
    events, event_notes = read_interactions(
        source, user_col=user_col, item_col=item_col, time_col=time_col, rating_col=rating_col,
        known_items=catalogue,
    )  # fmt: skip
    if catalogue is None:
        ids = tuple(sorted(events.frame["item_id"].unique()))
        catalogue = Catalogue(ids=ids, titles=ids, noun=noun)
        item_notes = ("no item table: the ids serve as titles",)
    return Loaded(events, catalogue, item_notes + event_notes)


_Reader = Callable[[Path, Path | None, Notes], tuple[RawEvents, RawItems]]
_READERS: dict[str, tuple[_Reader, str]] = {
    "movielens": (_movies.read_movielens, "film"),
    "movietweetings": (_movies.read_movietweetings, "film"),
    "amazon": (_amazon.read_amazon, "item"),
    "compact": (_compact.read_compact, "item"),
}


def _load_known(chosen: str, source: Path, items: Path | None) -> Loaded:
    reader, noun = _READERS[chosen]
    notes = Notes()
    events, raw = reader(source, items, notes)
    catalogue = build_catalogue(raw, noun, notes)
    return Loaded(build_interactions(events, catalogue, "drop", notes), catalogue, notes.lines())


def _detect(source: Path) -> str:
    if not source.is_dir():
        return _detect_file(source)
    names = names_in(source)
    if "u.data" in names or {"ratings.csv", "movies.csv"} <= names:
        return "movielens"
    if {"ratings.dat", "movies.dat"} <= names:
        return "movietweetings" if _movies.has_imdb_ids(source) else "movielens"
    if any(name.endswith(".inter") for name in names):
        return "compact"
    if any(_amazon.is_meta(name) for name in names):
        return "amazon"
    return "table"


def _detect_file(source: Path) -> str:
    name = plain_name(source)
    if name.endswith(".inter"):
        return "compact"
    if name.endswith((".json", ".jsonl")) and _amazon.looks_like_reviews(source):
        return "amazon"
    return "table"


def _tables_in(folder: Path, items: Path | None) -> tuple[Path, Path | None]:
    names = [f"interactions{suffix}" for suffix in TABLE_SUFFIXES]
    source = find(folder, names)
    if source is None:
        raise DataError(
            f"no known data set in this folder, which has {listed(sorted(names_in(folder)), 8)}; "
            "name the table of interactions itself, or call it interactions.csv",
            path=folder,
        )
    return source, items or find(folder, [f"items{suffix}" for suffix in TABLE_SUFFIXES])
