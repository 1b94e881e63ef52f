"""Cells into ids, times and texts. Knows one value at a time, not tables."""

from __future__ import annotations

import html
import math
import re
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from innerview.data._rows import Cell, kind_of, shown
from innerview.data.notes import Notes
from innerview.errors import DataError

MAX_TEXT = 300  # characters of a title or an attribute value

# C0 and C1 controls, line and paragraph separators, direction overrides, stray byte order marks
# and half surrogate pairs: none has a meaning inside a title, all can break or fake a line.
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_CONTROLS = re.compile(f"[{_CONTROL}]+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_FLOAT_ID = re.compile(r"[+-]?[0-9]+\.0+|[+-]?[0-9]\.[0-9]+[eE]\+[0-9]+")
_COMPACT_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = 1_000_000
_DAY_S = 86_400
_UNITS = ((1e17, 10**9, "nano"), (1e14, 10**6, "micro"), (1e11, 10**3, "milli"))


class IdReader:
    """Reads the ids of one column; each distinct cell is checked once."""

    def __init__(self, path: Path, column: str, notes: Notes) -> None:
        self._path, self._column, self._notes = path, column, notes
        self._known: dict[Cell, str] = {}

    def __call__(self, cell: Cell, line: int) -> str:
        """The id as text.

        Raises:
            DataError: empty, a float, nested, or with control characters.
        """
        if type(cell) is not str:  # 1, True and 1.0 are one dictionary key
            return self._read(cell, line)
        known = self._known.get(cell)
        if known is None:
            known = self._known[cell] = self._read(cell, line)
        return known

    def _read(self, cell: Cell, line: int) -> str:
        text = str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell
        if text is None or text == "":
            raise self._error("an empty id; give every row one, or remove the row", line)
        if isinstance(text, float):
            raise self._error(_looks_float(cell), line)
        if not isinstance(text, str):
            raise self._error(f"{kind_of(cell)}, not an id; ids are text or whole numbers", line)
        return self._read_text(text, line)

    def _read_text(self, text: str, line: int) -> str:
        stripped = text.strip()
        if not stripped:
            raise self._error("an empty id; give every row one, or remove the row", line)
        if _CONTROLS.search(stripped):
            raise self._error(f"control characters in id {shown(text)}; remove them", line)
        if _FLOAT_ID.fullmatch(stripped):
            raise self._error(_looks_float(stripped), line)
        if stripped != text:
            what = f"stripped spaces around {{n}} id{{s}} in column {self._column!r}"
            self._notes.add(what, self._path, line)
        return stripped

    def _error(self, problem: str, line: int) -> DataError:
        return DataError(problem, path=self._path, line=line, column=self._column)


def _looks_float(cell: Cell) -> str:
    return f"id {shown(cell)} looks like a float; export ids as text, or two ids may become one"


class RatingReader:
    """Reads the ratings of one column; what is no number counts as no rating, and is noted."""

    def __init__(self, path: Path, column: str, notes: Notes) -> None:
        self._path, self._column, self._notes = path, column, notes

    def __call__(self, cell: Cell, line: int) -> float | None:
        """The rating of a cell, if it has one."""
        if cell is None or cell == "":
            return None
        try:
            if isinstance(cell, bool) or not isinstance(cell, str | int | float):
                raise ValueError
            value = float(cell)
            if not math.isfinite(value):
                raise ValueError
        except (ValueError, OverflowError):
            what = f"left out {{n}} rating{{s}} in column {self._column!r} that are no number"
            self._notes.add(what, self._path, line)
            return None
        return value


class TimeReader:
    """Reads the times of one column, into microseconds since 1970 (UTC)."""

    def __init__(self, path: Path, column: str, notes: Notes) -> None:
        self._path, self._column, self._notes = path, column, notes
        self._latest = int(time.time() + _DAY_S) * _MICRO

    def __call__(self, cell: Cell, line: int) -> int:
        """The time of a cell, in microseconds.

        Raises:
            DataError: no time, before 1970, or more than a day in the future.
        """
        if type(cell) is str and len(cell) <= 20 and cell.isascii() and cell.isdigit():
            if _COMPACT_DATE.fullmatch(cell):
                raise self._error(cell, "looks like a date without dashes; write YYYY-MM-DD", line)
            micros = self._from_number(int(cell), line)
        else:
            micros = self._from_cell(cell, line)
        if micros < 0:
            raise self._error(cell, "lies before 1970; correct or remove the row", line)
        if micros > self._latest:
            raise self._error(cell, "lies in the future; correct or remove the row", line)
        return micros

    def _from_number(self, number: float, line: int) -> int:
        if isinstance(number, float) and not math.isfinite(number):
            raise self._error(number, _EXPECTED_TIME, line)
        for least, per_second, unit in _UNITS:
            if number > least:
                what = f"converted {{n}} time{{s}} from {unit}seconds to seconds"
                self._notes.add(what, self._path, line)
                return int(number) * _MICRO // per_second
        whole = math.floor(number)
        if whole != number:
            self._notes.add("rounded {n} time{s} down to the second", self._path, line)
        return whole * _MICRO + int((number - whole) * _MICRO)

    def _from_cell(self, cell: Cell, line: int) -> int:
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            return self._from_number(cell, line)
        if isinstance(cell, str):
            return self._from_text(cell.strip(), line)
        if isinstance(cell, datetime):
            return _since_epoch(cell)
        if isinstance(cell, date):
            return _since_epoch(datetime(cell.year, cell.month, cell.day))
        raise self._error(cell, _EXPECTED_TIME, line)

    def _from_text(self, text: str, line: int) -> int:
        try:
            return _since_epoch(datetime.fromisoformat(text))
        except ValueError:
            pass
        try:
            # float() would take 1_000 and digits of other scripts
            if "_" in text or not text.isascii() or len(text) > 30:
                raise ValueError
            return self._from_number(float(text), line)
        except (ValueError, OverflowError):
            raise self._error(text, _EXPECTED_TIME, line) from None

    def _error(self, cell: Cell, problem: str, line: int) -> DataError:
        value = "an empty time" if cell is None or cell == "" else f"time {shown(cell)}"
        message = f"{value} {problem}"
        return DataError(message, path=self._path, line=line, column=self._column)


_EXPECTED_TIME = "is no time; write Unix seconds or ISO 8601, e.g. 2024-05-31T18:00:00Z"


def _since_epoch(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def clean_text(text: str, what: str, path: Path, line: int, notes: Notes) -> str:
    """A title or an attribute value as it may stand in a prompt or on a page.

    HTML entities are decoded once, control characters become spaces, spaces are trimmed, and what
    is over 300 characters is cut. Anything else is kept as it is: text is data, so tokens of a
    chat template in it are plain text.
    """
    decoded = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
    if decoded != text:
        notes.add(f"decoded HTML entities in {{n}} {what}", path, line)
    plain = _CONTROLS.sub(" ", decoded)
    if plain != decoded:
        notes.add(f"replaced control characters by spaces in {{n}} {what}", path, line)
    trimmed = " ".join(plain.split())
    if trimmed != plain and plain == decoded:
        notes.add(f"trimmed spaces in {{n}} {what}", path, line)
    if len(trimmed) > MAX_TEXT:
        notes.add(f"cut {{n}} {what} of more than {MAX_TEXT} characters", path, line)
        return trimmed[: MAX_TEXT - 1].rstrip() + "…"
    return trimmed


def texts_of(cell: Cell, separator: str) -> list[str] | None:
    """The values in an attribute cell; None if it is nested and so holds no values."""
    if cell is None:
        return []
    if isinstance(cell, str):
        return cell.split(separator) if separator else [cell]
    if isinstance(cell, bool):
        return ["true" if cell else "false"]
    if isinstance(cell, int | float | date):
        return [str(cell)]
    if isinstance(cell, list | tuple):
        # A separator inside a list's member is text: the list already says where values end.
        members = [texts_of(member, "") for member in cell]
        return None if None in members else list(_flat(m for m in members if m is not None))
    return None


def _flat(groups: Iterable[list[str]]) -> Iterable[str]:
    return (text for group in groups for text in group)
