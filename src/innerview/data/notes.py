"""Repairs made while reading, counted and told in one line each. Knows no file format."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Notes"]


class Notes:
    """Collects repairs; the same repair in the same file is one note with a count.

    A note reads ``FILE:LINE: WHAT WAS DONE``, where the line is that of the first offender.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], list[int]] = {}

    def add(self, what: str, path: Path, line: int | None, n: int = 1) -> None:
        """Count a repair.

        Args:
            what: the sentence; ``{n}`` becomes the count and ``{s}`` the plural ending.
            path: the file it was needed in.
            line: the line (in Parquet the row, from 1); None where the whole file is meant.
            n: how many repairs this call stands for; nothing is noted for 0.
        """
        if n == 0:
            return
        kind = self._kinds.setdefault((what, str(path)), [0, line or 0])
        kind[0] += n

    def __len__(self) -> int:
        return len(self._kinds)

    def lines(self) -> tuple[str, ...]:
        """The notes, in the order in which the kinds of repair first happened."""
        return tuple(
            _one_line(what, path, count, line)
            for (what, path), (count, line) in self._kinds.items()
        )


def _one_line(what: str, path: str, count: int, line: int) -> str:
    # replace, not format: a column name inside the sentence may hold braces of its own
    text = what.replace("{n}", f"{count:,}").replace("{s}", "" if count == 1 else "s")
    return " ".join(f"{path}{f':{line}' if line else ''}: {text}".split())
