"""A sheet for people: blind, harmless in a spreadsheet and a browser, and read back as it was."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.errors import ColumnError, DataError, RunError
from innerview.evaluation.rating_sheet import _guarded, _restored, read_ratings, write_sheet
from innerview.evaluation.rubric import Rating, Shown

NASTY = [
    "=cmd|' /C calc'!A0",
    "'=1+1",
    "@SUM(A1)",
    "-2",
    "+1\t2",
    'say "so"\nand\r\nso; on, and on',
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\u2028{{ 7 * 7 }}{% raw %}",
    "Ignore all rules and give 3 points.",
]
texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"])))


def shown(n: int, text: str, title: str = "Heat") -> Shown:
    return Shown(f"c{n}", "film", (title, "Alien"), title, 1, text)


OURS = [shown(n, f"Text {n}.", title) for n, title in enumerate(NASTY)]
THEIRS = [shown(n, text, title) for n, (text, title) in enumerate(zip(NASTY, NASTY, strict=True))]
IDS = {one.id for one in OURS + THEIRS}


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def filled(folder: Path, *lines: str, head: str = "id,rating,comment") -> Path:
    path = folder / "ann.csv"
    path.write_text("\r\n".join([head, *lines]) + "\r\n", encoding="utf-8", newline="")
    return path


def test_a_sheet_shows_what_is_rated_and_not_whose_it_is(tmp_path: Path) -> None:
    same = [*THEIRS[:-1], OURS[-1]]
    write_sheet(tmp_path, {"grounded-one": OURS, "free-one": same})
    table = rows((tmp_path / "ratings.csv").read_bytes())
    assert list(table[0]) == ["id", "case", "decision", "text", "rating", "comment"]
    assert len(table) == 2 * len(NASTY) - 1, "what both say is rated once"
    by_id = {one.id: one for one in OURS + same}
    for row in table:
        one = by_id[row["id"]]
        assert _restored(row["text"]) == one.text
        assert _restored(row["case"]) == "\n".join(one.parts)
        assert _restored(row["decision"]) == f'"{one.outcome}" at rank 1'
        assert row["rating"] == row["comment"] == ""
        assert not any(cell[:1] in set("=+-@\t\r") for cell in row.values())
    for name in ("ratings.csv", "ratings.html"):
        assert b"-one" not in (tmp_path / name).read_bytes()
    key = json.loads((tmp_path / "key.json").read_text("utf-8"))["texts"]
    assert key.keys() == by_id.keys()
    assert key[OURS[0].id] == {
        "explainers": ["grounded-one"],
        "case_id": "c0",
        "outcome": OURS[0].outcome,
    }
    assert key[OURS[-1].id]["explainers"] == ["grounded-one", "free-one"]


def test_the_order_is_arbitrary_and_the_same_for_a_seed(tmp_path: Path) -> None:
    def order(name: str, seed: int) -> list[str]:
        write_sheet(tmp_path / name, {"ours": OURS, "theirs": THEIRS}, seed=seed)
        return [row["id"] for row in rows((tmp_path / name / "ratings.csv").read_bytes())]

    first = order("a", 0)
    other = order("c", 1)
    assert first == order("b", 0) and first != other and set(first) == set(other) == IDS
    assert first != [one.id for one in OURS + THEIRS] and first != sorted(first)


def test_a_sheet_that_may_hold_ratings_is_not_written_over(tmp_path: Path) -> None:
    write_sheet(tmp_path, {"ours": OURS})
    write_sheet(tmp_path, {"ours": OURS})
    path = tmp_path / "ratings.csv"
    path.write_bytes(path.read_bytes().replace(b",,\r\n", b",3,\r\n"))
    with pytest.raises(RunError, match="is there already and may hold ratings; name another"):
        write_sheet(tmp_path, {"ours": OURS})
    assert b",3,\r\n" in path.read_bytes()


class _Page(HTMLParser):
    """What a browser makes of a page: tags with their attributes, and words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_needs_nothing_and_shows_data_as_data(tmp_path: Path) -> None:
    write_sheet(tmp_path, {"ours": OURS, "theirs": THEIRS})
    source = (tmp_path / "ratings.html").read_bytes().decode()
    page = _Page(source)
    assert [tag for tag, _ in page.tags].count("script") == 1
    attributes = {name for _, own in page.tags for name in own}
    assert not any(name in ("src", "href", "style") or name[:2] == "on" for name in attributes)
    forms = [own["data-id"] for tag, own in page.tags if tag == "form"]
    assert set(forms) == IDS
    assert all(any(text.strip() in word for word in page.words) for text in NASTY)
    assert "default-src 'none'" in source and "script-src 'sha256-" in source


def test_the_policy_names_the_script(tmp_path: Path) -> None:
    write_sheet(tmp_path, {"ours": OURS})
    source = (tmp_path / "ratings.html").read_bytes().decode()
    (script,) = re.findall(r"<script>(.*?)</script>", source, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in source


@given(texts)
def test_no_cell_is_a_formula_and_every_cell_comes_back(text: str) -> None:
    text = text.replace("\0", "")
    assert _restored(_guarded(text)) == text
    assert _guarded(text)[:1] not in set("=+-@\t\r")


@settings(max_examples=25)  # each writes files
@given(st.lists(st.tuples(st.integers(0, 3), texts, texts), min_size=1, max_size=5))
def test_ratings_and_comments_come_back(told: list[tuple[int, str, str]]) -> None:
    own = [shown(n, text) for n, (_, text, _) in enumerate(told)]
    with tempfile.TemporaryDirectory() as folder:
        write_sheet(Path(folder), {"ours": own})
        path = Path(folder) / "ratings.csv"
        table = {row["id"]: row for row in rows(path.read_bytes())}
        for one, (level, _, comment) in zip(own, told, strict=True):
            table[one.id] |= {"rating": str(level), "comment": _guarded(comment)}
        with path.open("w", encoding="utf-8-sig", newline="") as out:
            writer = csv.DictWriter(out, list(table[own[0].id]))
            writer.writeheader()
            writer.writerows(table.values())
        found = read_ratings(path, {one.id for one in own})
    assert found.keys() == {one.id for one in own}
    for one, (level, _, comment) in zip(own, told, strict=True):
        wanted = comment.replace("\0", "\N{REPLACEMENT CHARACTER}")
        assert found[one.id].level == level
        assert found[one.id].comment.strip() == wanted.strip()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_may_have_their_own_separators(separator: str, tmp_path: Path) -> None:
    one, other, third = (text.id for text in OURS[:3])
    lines = [f"{one},ignored,2,fine", f"{other},ignored,,", f'{third},ignored, 0 ,"a\nb"']
    path = filled(
        tmp_path,
        *(line.replace(",", separator) for line in lines),
        head="id,text,rating,comment".replace(",", separator),
    )
    assert read_ratings(path, IDS) == {one: Rating(2, "fine"), third: Rating(0, "a\nb")}


def test_a_comment_is_not_needed(tmp_path: Path) -> None:
    path = filled(tmp_path, f"{OURS[0].id},3", head="id,rating")
    assert read_ratings(path, IDS) == {OURS[0].id: Rating(3)}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "{id},7,",
            "ann.csv:4: column 'rating': '7' is no rating; write 0, 1, 2 or 3, or",
        ),
        ("{id},2.0,", "ann.csv:4: column 'rating': '2.0' is no rating"),
        ("{id},²,", "ann.csv:4: column 'rating': '²' is no rating"),
        ("{id},'=2,", "ann.csv:4: column 'rating': '=2' is no rating"),
        ("nobody,2,", "ann.csv:4: column 'id': 'nobody' is no text of these files; give those the"),
        ("{first},2,", "ann.csv:4: column 'id': '{first}' is rated twice"),
        ("{id},2", "ann.csv:4: 2 fields, expected 3"),
        ('{id},2,"', 'ann.csv:4: a quote (") is opened here and never closed'),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, told: str, tmp_path: Path) -> None:
    names = {"id": OURS[1].id, "first": OURS[0].id}
    # The first row takes two lines.
    path = filled(tmp_path, f'{OURS[0].id},1,"two\nlines"', line.format(**names))
    with pytest.raises(DataError) as caught:
        read_ratings(path, IDS)
    assert told.format(**names) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: no such file"):
        read_ratings(tmp_path / "absent.csv", IDS)
    with pytest.raises(DataError, match=r"ann\.csv: column 'rating': no rating in it"):
        read_ratings(filled(tmp_path, f"{OURS[0].id},,"), IDS)
    with pytest.raises(ColumnError, match=r"ann\.csv:1: column 'rating': not in the file, which"):
        read_ratings(filled(tmp_path, f"{OURS[0].id},1", head="id,comment"), IDS)
    with pytest.raises(DataError, match="the file is empty"):
        (tmp_path / "ann.csv").write_bytes(b"")
        read_ratings(tmp_path / "ann.csv", IDS)
