"""A sheet for people who rate explanations: a table, a page that fills it, and what comes back.

Blind: texts stand in a random order under ids that are hashes of what is shown, and whose they are
is in a third file. Nothing that a title or a text holds is a formula to a spreadsheet.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from innerview.data._bytes import peek
from innerview.data._delimited import Dialect, read_delimited
from innerview.data._rows import Wanted, shown
from innerview.data.notes import Notes
from innerview.errors import DataError, RunError
from innerview.evaluation._pages import page_environment, page_script
from innerview.evaluation.ratings import Texts
from innerview.evaluation.rubric import LEVELS, Rating, Shown, rubric_hash
from innerview.files import write_whole

__all__ = ["read_ratings", "write_sheet"]

_COLUMNS = ("id", "case", "decision", "text", "rating", "comment")
# A spreadsheet computes what begins so. An apostrophe before it says that it is text; where one
# stands there already there will be two, so that the first can always be taken away again.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def write_sheet(folder: Path, texts: Texts, *, seed: int = 0) -> None:
    """Write ``ratings.csv``, ``ratings.html``, which needs nothing but a browser, and ``key.json``,
    which is for those who do not rate.

    Args:
        folder: is made.
        texts: those that are the same to the letter and about the same case are rated once.
        seed: of the order.

    Raises:
        RunError: there is another sheet, which may hold ratings.
    """
    ordered = _in_any_order(texts, seed)
    key = {
        "rubric": rubric_hash(),
        "seed": seed,
        "texts": {
            one.id: {
                "explainers": [name for name, own in texts.items() if one in own],
                "case_id": one.case_id,
                "outcome": one.outcome,
            }
            for one in ordered
        },
    }
    files = {
        "ratings.csv": _table(ordered),
        "ratings.html": _page(ordered).encode(),
        "key.json": json.dumps(key, indent=1, ensure_ascii=False).encode(),
    }
    table = folder / "ratings.csv"
    if table.exists() and table.read_bytes() != files["ratings.csv"]:
        raise RunError(f"{table} is there already and may hold ratings; name another folder")
    for name, data in files.items():
        write_whole(folder / name, partial(Path.write_bytes, data=data))


def _in_any_order(texts: Texts, seed: int) -> list[Shown]:
    distinct = {one.id: one for own in texts.values() for one in own}
    ids = sorted(distinct)
    return [distinct[ids[at]] for at in np.random.default_rng(seed).permutation(len(ids))]


def _table(ordered: Sequence[Shown]) -> bytes:
    """CSV as spreadsheets read it: with a mark that says UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for one in ordered:
        cells = (one.id, "\n".join(one.parts), one.decision, one.text, "", "")
        writer.writerow(map(_guarded, cells))
    return out.getvalue().encode("utf-8-sig")


def _guarded(cell: str) -> str:
    cell = cell.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _restored(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _page(ordered: Sequence[Shown]) -> str:
    script, script_hash = page_script("_ratings.js")
    return page_environment().get_template("ratings.html.j2").render(
        texts=ordered,
        levels=list(enumerate(LEVELS)),
        sheet=hashlib.sha256(" ".join(one.id for one in ordered).encode()).hexdigest()[:16],
        script=script,
        script_hash=script_hash,
    )  # fmt: skip


def read_ratings(path: Path, known: Collection[str]) -> Mapping[str, Rating]:
    """Read a sheet that somebody has filled in, or that the page has saved; by id.

    Fields may stand between commas, semicolons or tabs, as the spreadsheet had it. Rows without a
    rating are passed over, and columns other than ``id``, ``rating`` and ``comment``.

    Args:
        path: of the CSV file.
        known: ids that can be there.

    Raises:
        DataError: the file is no such table; an id is unknown or comes twice; a rating is none of
            0, 1, 2, 3; or there is none at all.
    """
    head = peek(path).partition(b"\n")[0].decode(errors="replace")
    separator = max(",;\t", key=head.count)
    needed = dict.fromkeys(("id", "rating"), "take ratings.csv as it is, and fill it in")
    wanted = Wanted(needed, also=frozenset({"comment"}))
    rows = read_delimited(path, Dialect(separator), wanted, Notes())
    comments = rows.columns.get("comment", [""] * len(rows.lines))
    found: dict[str, Rating] = {}
    table = zip(rows.lines, rows.columns["id"], rows.columns["rating"], comments, strict=True)
    for line, *cells in table:
        text, told, comment = (_restored(str(cell).strip()) for cell in cells)
        if not told:
            continue
        if text not in known:
            problem = f"{shown(text)} is no text of these files; give those the sheet was made from"
            raise DataError(problem, path=path, line=line, column="id")
        if text in found:
            raise DataError(f"{shown(text)} is rated twice", path=path, line=line, column="id")
        if told not in map(str, range(len(LEVELS))):
            problem = f"{shown(told)} is no rating; write 0, 1, 2 or 3, or nothing"
            raise DataError(problem, path=path, line=line, column="rating")
        found[text] = Rating(int(told), comment)
    if not found:
        raise DataError("no rating in it; fill in the column", path=path, column="rating")
    return found
