"""CSV and its kin: quoted or not, with or without a header. Knows lines, not values."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from innerview.data._bytes import MAX_FIELD, text_lines
from innerview.data._rows import Cell, Rows, Wanted, new_lines, require_rows, shown
from innerview.data.notes import Notes
from innerview.errors import ColumnError, DataError


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited file is written.

    Attributes:
        separator: between fields; may be longer than one character if not quoted.
        quoted: fields may stand in double quotes (doubled inside), as in RFC 4180.
        header: the column names, where the file does not name them itself.
        encoding: of the text.
    """

    separator: str
    quoted: bool = True
    header: tuple[str, ...] | None = None
    encoding: str = "utf-8"


CSV = Dialect(",")
TSV = Dialect("\t")


def read_delimited(path: Path, dialect: Dialect, wanted: Wanted, notes: Notes) -> Rows:
    """Read a delimited file.

    Raises:
        DataError: the bytes cannot be read as text, a row has too many or too few fields, a quote
            is not closed, a field is over 1 MiB, or there are no rows.
        ColumnError: a needed column is missing, or one is named twice.
    """
    records = _records(path, dialect, notes)
    header = dialect.header or _header(next(records, None), path)
    _refuse_other_separator(header, dialect, path)
    kept = wanted.select(header, path, None if dialect.header else 1)
    _note_nameless(header, path, notes)
    lines = new_lines()
    columns: dict[str, list[Cell]] = {name: [] for name in kept if name}
    picks = [(columns[name].append, header.index(name)) for name in columns]
    for line, fields in records:
        if len(fields) != len(header):
            raise DataError(
                f"{len(fields)} fields, expected {len(header)}; "
                f"is a separator {shown(dialect.separator)} inside a value, or a line broken?",
                path=path,
                line=line,
            )
        lines.append(line)
        for append, position in picks:
            append(fields[position])
    require_rows(lines, path)
    return Rows(path, lines, columns)


def _header(record: tuple[int, list[str]] | None, path: Path) -> tuple[str, ...]:
    if record is None:
        raise DataError("the file is empty; a header and at least one row are needed", path=path)
    line, fields = record
    names = tuple(field.strip() for field in fields)
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise ColumnError(
                "named twice in the header; rename or remove one", path=path, line=line, column=name
            )
    return names


def _refuse_other_separator(header: Sequence[str], dialect: Dialect, path: Path) -> None:
    """A header of one name that holds another separator is a file under the wrong suffix."""
    other = next((mark for mark in ";\t|," if mark in header[0] and len(header) == 1), None)
    if other is not None:
        raise DataError(
            f"the header holds {shown(other)} but not the separator {shown(dialect.separator)}; "
            ".csv files are separated by commas, .tsv files by tabs",
            path=path,
            line=1,
        )


def _note_nameless(header: Sequence[str], path: Path, notes: Notes) -> None:
    nameless = sum(not name for name in header)
    notes.add("ignored {n} column{s} without a name", path, 1, nameless)


def _records(path: Path, dialect: Dialect, notes: Notes) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line it begins on; blank lines are skipped and noted."""
    lines = text_lines(path, notes, dialect.encoding)
    split = _split_quoted if dialect.quoted else _split_plain
    for line, fields in split(path, lines, dialect.separator):
        if fields:
            yield line, fields
        else:
            notes.add("skipped {n} blank line{s}", path, line)


def _split_plain(
    path: Path, lines: Iterator[str], separator: str
) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        fields = text.split(separator) if text else []
        if len(text) > MAX_FIELD and max(map(len, fields)) > MAX_FIELD:
            raise _field_too_long(path, number)
        yield number, fields


def _split_quoted(
    path: Path, lines: Iterator[str], separator: str
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    first = 1
    # The limit belongs to the process, so it is put back whatever happens.
    before = csv.field_size_limit(MAX_FIELD)
    try:
        for fields in reader:
            yield first, fields
            first = reader.line_num + 1
    except csv.Error as error:
        raise _translated(error, path, first) from None
    finally:
        csv.field_size_limit(before)


def _translated(error: csv.Error, path: Path, line: int) -> DataError:
    text = str(error)
    if "field limit" in text:
        return _field_too_long(path, line)
    if "unexpected end" in text:
        problem = 'a quote (") is opened here and never closed; close it, or double it inside text'
    elif "expected after" in text:
        problem = (
            'text follows a closing quote ("); quote the whole field and double the quotes inside'
        )
    elif "new-line character" in text:
        problem = "a carriage return inside a field; end lines with LF or CRLF"
    else:
        problem = f"not readable as a table ({text}); export it again"
    return DataError(problem, path=path, line=line)


def _field_too_long(path: Path, line: int) -> DataError:
    return DataError(
        'a field of more than 1 MiB; is a quote (") opened here and never closed?',
        path=path,
        line=line,
    )
