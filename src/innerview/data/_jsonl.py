"""JSON Lines: one object a line. Knows lines and objects, not what the values mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

from innerview.data._bytes import MAX_FIELD, text_lines
from innerview.data._rows import Cell, Rows, Wanted, kind_of, new_lines, require_rows
from innerview.data.notes import Notes
from innerview.errors import ColumnError, DataError


def read_jsonl(path: Path, wanted: Wanted, notes: Notes) -> Rows:
    """Read a JSON Lines file; a key that an object lacks is a None in its column.

    Raises:
        DataError: the bytes cannot be read as text, a line is not a JSON object, holds a text of
            over 1 MiB, or there are no rows.
        ColumnError: no object has a needed key, or one has a key twice.
    """
    lines = new_lines()
    columns: dict[str, list[Cell]] = {}
    seen: dict[str, None] = {}
    for number, text in enumerate(text_lines(path, notes), start=1):
        if not text.strip():
            notes.add("skipped {n} blank line{s}", path, number)
            continue
        for key, value in _parse(text, path, number).items():
            seen.setdefault(key)
            if wanted.keeps(key):
                if key not in columns:
                    columns[key] = [None] * len(lines)
                columns[key].append(value)
        lines.append(number)
        for cells in columns.values():
            if len(cells) < len(lines):
                cells.append(None)
    require_rows(lines, path)
    wanted.select(list(seen), path, None)
    return Rows(path, lines, columns)


def _parse(text: str, path: Path, line: int) -> dict[str, Cell]:
    def pairs(items: list[tuple[str, Cell]]) -> dict[str, Cell]:
        found = dict(items)
        if len(found) < len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ColumnError(
                "named twice in one object; rename or remove one",
                path=path,
                line=line,
                column=twice,
            )
        return found

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        problem = f"not JSON ({error.msg}, character {error.pos + 1})"
        if text.lstrip().startswith("["):
            problem = "a list, not an object"
        raise DataError(f"{problem}; one object a line is needed", path=path, line=line) from None
    except ColumnError:
        raise
    except (ValueError, RecursionError):
        raise DataError(
            "not JSON (NaN, an endless number or too deep nesting); one object a line is needed",
            path=path,
            line=line,
        ) from None
    if not isinstance(value, dict):
        problem = f"{kind_of(value)}, not an object; one object a line is needed"
        raise DataError(problem, path=path, line=line)
    if len(text) > MAX_FIELD:
        _refuse_long(value, path, line)
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _refuse_long(value: dict[str, Cell], path: Path, line: int) -> None:
    for key, cell in value.items():
        if isinstance(cell, str) and len(cell) > MAX_FIELD:
            problem = "a text of more than 1 MiB; shorten it or leave it out"
            raise DataError(problem, path=path, line=line, column=key)
