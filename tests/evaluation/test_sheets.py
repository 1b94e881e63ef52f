"""Tables for other programs: what goes in comes out, and text stays text."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.sheets import (
    FORMATS,
    Sheet,
    to_csv,
    to_latex,
    to_markdown,
    write_sheets,
)

SHEET = Sheet(
    "skills",
    ("explainer", "necessity", "cases"),
    (("grounded", Figure(-0.5, -1, 0.25, 8), 8), ("a|b & c", None, None)),
)
DIFFERENCE = Sheet("d", ("metric", "hybrid"), (("hits", Figure(0.5, 0, 1, 8, 0.0002)),))

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WICKED = TEXT | st.text("=+-@|\\&%$#_{}~^<>`'*[]\n\t,\"!.", max_size=8)
CELLS = st.lists(st.tuples(WICKED, WICKED), max_size=4)


def one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def test_a_figure_fills_columns_of_a_csv_file_and_one_cell_elsewhere() -> None:
    assert to_csv(SHEET).splitlines() == [
        "explainer,necessity,necessity low,necessity high,necessity n,cases",
        "grounded,-0.5,-1,0.25,8,8",
        "a|b & c,,,,,",
    ]
    assert to_markdown(SHEET).splitlines() == [
        "| explainer | necessity | cases |",
        "| --- | ---: | ---: |",
        "| grounded | −0.500 [−1.000, 0.250] | 8 |",
        r"| a\|b \& c | – | – |",
    ]
    assert to_latex(SHEET).splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\hline",
        r"explainer & necessity & cases \\",
        r"\hline",
        r"grounded & $-$0.500 {[}$-$1.000, 0.250{]} & 8 \\",
        r"a\textbar{}b \& c & – & – \\",
        r"\hline",
        r"\end{tabular}",
    ]


def test_a_difference_has_its_probability() -> None:
    assert to_csv(DIFFERENCE).splitlines()[1] == "hits,0.5,0,1,8,0.0002"
    assert "| 0.500 [0.000, 1.000], p < 0.001 |" in to_markdown(DIFFERENCE)
    assert r", p \textless{} 0.001 \\" in to_latex(DIFFERENCE)


@given(CELLS)
def test_csv_reads_back_and_holds_no_formula(cells: list[tuple[str, str]]) -> None:
    text = to_csv(Sheet("t", ("a", "b"), tuple(cells)))
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    for row, given_row in zip(rows, cells, strict=True):
        for found, cell in zip(row, given_row, strict=True):
            assert not found or found[0] not in "=+-@\t\r\n"
            assert cell in (found, found.removeprefix("'"))


@given(st.floats(-1e6, 1e6), st.integers())
def test_numbers_of_a_csv_file_read_back(value: float, n: int) -> None:
    _, row = csv.reader(io.StringIO(to_csv(Sheet("t", ("a", "b"), ((value, n),)))))
    assert float(row[0]) == pytest.approx(value, abs=1e-6) and int(row[1]) == n


@given(CELLS)
def test_markdown_reads_back_line_by_line(cells: list[tuple[str, str]]) -> None:
    _, _, *lines = to_markdown(Sheet("t", ("a", "b"), tuple(cells))).split("\n")[:-1]
    for line, given_row in zip(lines, cells, strict=True):
        told = re.findall(r"(?:\\.|[^\\|])+", line)
        assert [re.sub(r"\\(.)", r"\1", one).strip() for one in told] == [*map(one_line, given_row)]


COMMANDS = {
    r"\textbackslash{}": "\\", r"\textasciicircum{}": "^", r"\textasciitilde{}": "~",
    r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|", r"\textasciigrave{}": "`",
    "$-$": "−", "{[}": "[", "{]}": "]", "{*}": "*", "{}": "",
    **{f"\\{char}": char for char in "{}$&#%_"},
}  # fmt: skip
TOKEN = re.compile("|".join(map(re.escape, COMMANDS)) + "|.", re.S)


@given(CELLS)
def test_latex_reads_back_and_runs_no_command(cells: list[tuple[str, str]]) -> None:
    sheet = Sheet("t", ("a", "b"), tuple(cells))
    for line, given_row in zip(to_latex(sheet).split("\n")[4:-3], cells, strict=True):
        row = line.removesuffix(r" \\")
        assert not row.startswith(("[", "*")) and not re.search("--|''|,,", row)
        told = [""]
        for token in TOKEN.findall(row):
            if token == "&":
                told.append("")
                continue
            assert token in COMMANDS or token not in "\\{}$#%_^~"
            told[-1] += COMMANDS.get(token, token)
        assert [one.strip() for one in told] == [*map(one_line, given_row)]


def test_files_are_written_together_and_old_ones_go(tmp_path: Path) -> None:
    write_sheets(tmp_path / "tables", [SHEET, DIFFERENCE])
    write_sheets(tmp_path / "tables", [SHEET])
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        f"skills.{ending}" for ending in FORMATS
    }
    assert (tmp_path / "tables" / "skills.md").read_text(encoding="utf-8") == to_markdown(SHEET)


def test_a_table_without_rows_is_its_headings() -> None:
    empty = Sheet("t", ("a", "b"), ())
    assert to_csv(empty) == "a,b\r\n"
    assert to_markdown(empty) == "| a | b |\n| --- | --- |\n"
    assert to_latex(empty).count(r"\\") == 1
