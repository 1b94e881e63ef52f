"""Atomic files: ``*.item`` and ``*.inter``, tab-separated, each column named ``name:type``.

Two shapes of ``*.inter`` are known: one row per user with a history and the item after it, and
one row per event with a time. Quotes are text in these files.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from innerview.data._delimited import Dialect, read_delimited
from innerview.data._events import RawEvents, events_from_rows
from innerview.data._folders import names_in, the_one
from innerview.data._items import RawItems, items_from_rows
from innerview.data._rows import Cell, Rows, Wanted, listed, new_lines
from innerview.data._values import IdReader
from innerview.data.notes import Notes
from innerview.errors import ColumnError, DataError

_DIALECT = Dialect("\t", quoted=False)
_USER, _ITEM = "user_id:token", "item_id:token"
_HISTORY, _TIME = "item_id_list:token_seq", "timestamp:float"
_RATING = "rating:float"
_TITLES = ("title:token_seq", "movie_title:token_seq")
_ADVICE = "this format needs it; or load the file as a table"
_MICRO = 1_000_000


def read_compact(source: Path, items: Path | None, notes: Notes) -> tuple[RawEvents, RawItems]:
    """Read a folder with an ``*.item`` and an ``*.inter`` file, or the two files.

    Where histories are cut into train, valid and test, the test file holds them whole.

    Raises:
        DataError: the files are not there, or a row or value cannot be used.
        ColumnError: a column of the format is missing.
    """
    if source.is_dir():
        items = items or the_one(source, lambda name: name.endswith(".item"), "*.item")
        whole = any(name.endswith(".test.inter") for name in names_in(source))
        end = ".test.inter" if whole else ".inter"
        source = the_one(source, lambda name: name.endswith(end), f"*{end}")
    if items is None:
        raise DataError("no item file; name the *.item file as the item table", path=source)
    wanted = Wanted({_USER: _ADVICE, _ITEM: _ADVICE}, also=frozenset((_HISTORY, _TIME, _RATING)))
    return _events(read_delimited(source, _DIALECT, wanted, notes), notes), _items(items, notes)


def _events(rows: Rows, notes: Notes) -> RawEvents:
    if _HISTORY in rows.columns:
        return _from_histories(rows, notes)
    if _TIME in rows.columns:
        return events_from_rows(
            rows, user_col=_USER, item_col=_ITEM, time_col=_TIME, rating_col=_RATING, notes=notes
        )
    problem = f"neither it nor {_HISTORY!r} is in the file; {_ADVICE}"
    raise ColumnError(problem, path=rows.path, line=1, column=_TIME)


def _from_histories(rows: Rows, notes: Notes) -> RawEvents:
    """One event per item of a history, the position standing in for the time."""
    notes.add("no times: the position in the history stands in", rows.path, None)
    read_user, read_item = IdReader(rows.path, _USER, notes), IdReader(rows.path, _ITEM, notes)
    lines, users, items, micros = new_lines(), list[str](), list[str](), list[int]()
    cells = (rows.columns[name] for name in (_USER, _HISTORY, _ITEM))
    for line, user, history, last in zip(rows.lines, *cells, strict=True):
        user_id = read_user(user, line)
        for position, item in enumerate([*str(history).split(), last]):
            lines.append(line)
            users.append(user_id)
            items.append(read_item(item, line))
            micros.append(position * _MICRO)
    return RawEvents(rows.path, lines, users, items, micros)


def _items(path: Path, notes: Notes) -> RawItems:
    rows = read_delimited(path, _DIALECT, Wanted({_ITEM: _ADVICE}, others=True), notes)
    title = next((name for name in _TITLES if name in rows.columns), None)
    if title is None:
        problem = f"not in the file, which has {listed(rows.columns)}; {_ADVICE}"
        raise ColumnError(problem, path=path, line=1, column=_TITLES[0])
    columns: dict[str, list[Cell]] = {}
    for name, cells in rows.columns.items():
        plain, _, kind = name.partition(":")
        sequence = kind == "token_seq" and name != title
        columns["title" if name == title else plain] = (
            [str(cell).split() for cell in cells] if sequence else cells
        )
    return items_from_rows(
        replace(rows, columns=columns),
        item_col="item_id",
        title_col="title",
        list_separator="",
        notes=notes,
    )
