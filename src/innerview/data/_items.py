"""From raw items to the catalogue: missing, duplicate and untidy titles, and attributes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from innerview.data._rows import Cell, Rows, kind_of
from innerview.data._values import IdReader, clean_text, texts_of
from innerview.data.notes import Notes
from innerview.data.tables import Catalogue
from innerview.errors import DataError

Values = tuple[str, ...]

_RESERVED = ("item_id", "title")
_MAX_DISTINGUISHING = 40  # characters; a longer value would bury the title it is put behind


@dataclass(frozen=True, slots=True)
class RawItems:
    """Items in the order of their file, tidied but with empty and duplicate titles."""

    path: Path
    lines: Sequence[int]
    ids: Sequence[str]
    titles: Sequence[str]
    attributes: Mapping[str, Sequence[Values]]


def items_from_rows(
    rows: Rows, *, item_col: str, title_col: str, list_separator: str, notes: Notes
) -> RawItems:
    """Check ids, tidy titles, split attributes; of rows with one id the first is kept.

    Raises:
        DataError: an id is not usable, or a title is nested.
    """
    path = rows.path
    read_id = IdReader(path, item_col, notes)
    all_ids = [read_id(c, n) for c, n in zip(rows.columns[item_col], rows.lines, strict=True)]
    kept = _first_rows(all_ids, rows, notes)
    lines = [rows.lines[row] for row in kept]
    titles = rows.columns[title_col]
    return RawItems(
        path=path,
        lines=lines,
        ids=[all_ids[row] for row in kept],
        titles=[_title(titles[row], title_col, path, rows.lines[row], notes) for row in kept],
        attributes=_attributes(rows, kept, {item_col, title_col}, list_separator, notes),
    )


def _first_rows(ids: Sequence[str], rows: Rows, notes: Notes) -> list[int]:
    seen: set[str] = set()
    kept = []
    for row, item_id in enumerate(ids):
        if item_id in seen:
            what = "dropped {n} row{s} of an item named before; its first row is kept"
            notes.add(what, rows.path, rows.lines[row])
        else:
            seen.add(item_id)
            kept.append(row)
    return kept


def _title(cell: Cell, column: str, path: Path, line: int, notes: Notes) -> str:
    texts = texts_of(cell, "")
    if texts is None or len(texts) > 1:
        problem = f"{kind_of(cell)}, not a title; titles are text"
        raise DataError(problem, path=path, line=line, column=column)
    return clean_text(texts[0] if texts else "", "title{s}", path, line, notes)


def _attributes(
    rows: Rows, kept: Sequence[int], used: set[str], separator: str, notes: Notes
) -> dict[str, Sequence[Values]]:
    attributes: dict[str, Sequence[Values]] = {}
    for name in rows.columns:
        if name in used:
            continue
        if name in _RESERVED:
            notes.add(f"ignored column {name!r}: the name is taken", rows.path, None)
            continue
        values = [_values(rows, name, row, separator, notes) for row in kept]
        if any(value is None for value in values):
            what = f"ignored column {name!r}: it holds more than texts, numbers and lists of them"
            notes.add(what, rows.path, None)
            continue
        attributes[name] = [value or () for value in values]
    return attributes


def _values(rows: Rows, name: str, row: int, separator: str, notes: Notes) -> Values | None:
    texts = texts_of(rows.columns[name][row], separator)
    if texts is None:
        return None
    what = f"value{{s}} of column {name!r}"
    cleaned = (clean_text(text, what, rows.path, rows.lines[row], notes) for text in texts)
    return tuple(dict.fromkeys(text for text in cleaned if text))


def build_catalogue(items: RawItems, noun: str, notes: Notes) -> Catalogue:
    """Fill missing titles with ids and make duplicate titles distinct."""
    titles = list(items.titles)
    for row, title in enumerate(titles):
        if not title:
            notes.add("{n} missing title{s}: the id stands in", items.path, items.lines[row])
            titles[row] = items.ids[row]
    return Catalogue(
        ids=tuple(items.ids),
        titles=tuple(_distinct(replace(items, titles=titles), notes)),
        attributes={name: tuple(values) for name, values in items.attributes.items()},
        noun=noun,
    )


def _distinct(items: RawItems, notes: Notes) -> list[str]:
    """Make titles unique, whatever the order of rows: every title of a group is changed."""
    titles = list(items.titles)
    groups = _duplicates(titles)
    if groups:
        first = items.lines[min(rows[1] for rows in groups)]
        what = "made {n} duplicate title{s} distinct by an attribute or the id"
        notes.add(what, items.path, first, sum(map(len, groups)))
    for rows in groups:
        for row, suffix in zip(rows, _suffixes(rows, items), strict=True):
            titles[row] += suffix
    # A new title may meet one that was there before; ids are unique, so this comes to an end.
    while groups := _duplicates(titles):
        for row in (row for rows in groups for row in rows):
            titles[row] += f" [{items.ids[row]}]"
    return titles


def _duplicates(titles: Sequence[str]) -> list[list[int]]:
    counts = Counter(titles)
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, title in enumerate(titles):
        if counts[title] > 1:
            groups[title].append(row)
    return list(groups.values())


def _suffixes(rows: Sequence[int], items: RawItems) -> list[str]:
    """What tells these rows apart: the year, else another single-valued attribute, else the id."""
    for name in sorted(items.attributes, key=lambda name: name != "year"):
        values = [items.attributes[name][row] for row in rows]
        single = {value[0] for value in values if len(value) == 1}
        if len(single) == len(rows) and max(map(len, single)) <= _MAX_DISTINGUISHING:
            return [f" ({value[0]})" for value in values]
    return [f" [{items.ids[row]}]" for row in rows]
