"""Tables as files for other programs: CSV for spreadsheets, Markdown and LaTeX for papers.

Knows values and how each format escapes them, and nothing of what they mean. Text comes from
outside: whatever a title holds, it opens no formula, column, link or command.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from innerview.evaluation.bootstrap import Figure
from innerview.files import whole_folder

__all__ = [
    "FORMATS",
    "Sheet",
    "Value",
    "three_decimals",
    "to_csv",
    "to_latex",
    "to_markdown",
    "told_p",
    "write_sheets",
]

Value: TypeAlias = str | int | float | Figure | None
"""Of a cell; None where nothing was measured."""

_DIGITS = 6
_LEAST_P = 0.001


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as values, without markup.

    Attributes:
        name: of its files, without an ending.
        headings: of the columns; the first is of what the rows are about.
        rows: each as wide as the headings.
    """

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


def to_csv(sheet: Sheet) -> str:
    """Comma-separated values (RFC 4180), numbers to six decimals.

    A figure fills several columns: its value under the heading itself, then ``low``, ``high`` and
    ``n``, and ``p`` where one has any. Text that a spreadsheet would take for a formula gets an
    apostrophe in front, even where it is an id.
    """
    columns = list(zip(*sheet.rows, strict=True)) or [()] * len(sheet.headings)
    parts = [_parts(column) for column in columns]
    out = io.StringIO()
    write = csv.writer(out).writerow
    write(
        _harmless(f"{heading} {part}" if part else heading)
        for heading, own in zip(sheet.headings, parts, strict=True)
        for part in own
    )
    for row in sheet.rows:
        write(
            _bare(_part(value, part)) for value, own in zip(row, parts, strict=True) for part in own
        )
    return out.getvalue()


def to_markdown(sheet: Sheet) -> str:
    """A pipe table, a line per row; figures with their interval."""
    lines = (sheet.headings, *sheet.rows)
    head, *body = (f"| {' | '.join(_in_markdown(value) for value in line)} |" for line in lines)
    rule = "|" + "".join(" ---: |" if right else " --- |" for right in _numeric(sheet))
    return "\n".join([head, rule, *body, ""])


def to_latex(sheet: Sheet) -> str:
    """A ``tabular`` that needs no package, for a document in UTF-8; figures with their interval."""
    lines = (sheet.headings, *sheet.rows)
    head, *body = (" & ".join(_in_latex(_told(v)) for v in line) + r" \\" for line in lines)
    aligned = "".join("r" if right else "l" for right in _numeric(sheet))
    opening = [f"\\begin{{tabular}}{{{aligned}}}", r"\hline", head, r"\hline"]
    return "\n".join([*opening, *body, r"\hline", r"\end{tabular}", ""])


FORMATS: Mapping[str, Callable[[Sheet], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "tex": to_latex,
}
"""By the ending of a file."""


def write_sheets(folder: Path, sheets: Iterable[Sheet]) -> None:
    """Write every table in every format; what the folder held before is gone.

    Args:
        folder: is there whole or not at all.
        sheets: with names of their own.
    """
    with whole_folder(folder) as beside:
        for sheet in sheets:
            for ending, written in FORMATS.items():
                (beside / f"{sheet.name}.{ending}").write_bytes(written(sheet).encode())


def _parts(column: Sequence[Value]) -> list[str]:
    """What the cells of a column hold, each part in a column of its own; "" is the value."""
    figures = [value for value in column if isinstance(value, Figure)]
    own = ["", *(["low", "high", "n"] if figures else [])]
    return [*own, "p"] if any(figure.p is not None for figure in figures) else own


def _part(value: Value, part: str) -> str | int | float | None:
    if isinstance(value, Figure):
        return getattr(value, part or "value")  # type: ignore[no-any-return]
    return None if part else value


def _bare(value: str | int | float | None) -> str:
    """A cell of a CSV file."""
    if isinstance(value, float):
        return repr(round(value, _DIGITS) + 0.0)  # no negative zero
    return _harmless(value) if isinstance(value, str) else "" if value is None else str(value)


_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")


def _harmless(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _numeric(sheet: Sheet) -> Iterator[bool]:
    """Of each column, whether it holds numbers."""
    for at in range(len(sheet.headings)):
        held = [row[at] for row in sheet.rows if row[at] is not None]
        yield bool(held) and not any(isinstance(value, str) for value in held)


def _told(value: Value) -> str:
    """A cell for people, on one line."""
    if isinstance(value, Figure):
        interval = f"{three_decimals(value.low)}, {three_decimals(value.high)}"
        return f"{three_decimals(value.value)} [{interval}]{told_p(value)}"
    if isinstance(value, float):
        return three_decimals(value)
    text = "–" if value is None else str(value)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def three_decimals(value: float) -> str:
    """As people read it: with a real minus sign and without a negative zero."""
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def told_p(figure: Figure) -> str:
    """What follows the interval of a difference; nothing follows that of another figure."""
    if figure.p is None:
        return ""
    return f", p {figure.p:.3f}" if figure.p >= _LEAST_P else f", p < {_LEAST_P}"


_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~$&#]")


def _in_markdown(value: Value) -> str:
    told = _told(value)
    return _MARKDOWN.sub(r"\\\g<0>", told) if isinstance(value, str) else told


_LATEX: Mapping[str, str] = {
    **{char: f"\\{char}" for char in "{}$&#%_"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "−": "$-$",
    # At the start of a row these would belong to the end of the one before.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
_LIGATURES = re.compile("(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)")


def _in_latex(text: str) -> str:
    """Escaped; marks that TeX would draw together are kept apart first."""
    return "{}".join(
        "".join(_LATEX.get(char, char) for char in piece) for piece in _LIGATURES.split(text)
    )
