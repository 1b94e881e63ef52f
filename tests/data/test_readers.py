from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.data import Catalogue, read_catalogue, read_interactions
from innerview.errors import ColumnError, DataError

COLUMNS = ("user_id", "item_id", "timestamp")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz", ".parquet")

# Any text but what the documented rules change or refuse: outer spaces, controls, float-likes.
ids = (
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1)
    .filter(lambda text: text == text.strip() and not any(c in text for c in BANNED))
    .filter(lambda text: "." not in text)
)
BANNED = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


def write_table(path: Path, columns: dict[str, list[str]]) -> None:
    if path.suffix == ".parquet":
        pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).write_parquet(path)
        return
    text = io.StringIO()
    rows = list(zip(*columns.values(), strict=True))
    if ".jsonl" in path.name:
        text.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    else:
        separator = "," if ".csv" in path.name else "\t"
        csv.writer(text, delimiter=separator).writerows([tuple(columns), *rows])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def events(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "events.csv"
    path.write_text("\n".join((",".join(COLUMNS), *rows)) + "\n")
    return path


@settings(max_examples=30)
@given(pairs=st.lists(st.tuples(ids, ids), min_size=1, max_size=8, unique=True))
def test_ids_survive_every_format_byte_for_byte(pairs: list[tuple[str, str]]) -> None:
    users, items = (list(column) for column in zip(*pairs, strict=True))
    times = [str(1000 + row) for row in range(len(pairs))]
    with tempfile.TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            path = Path(folder) / f"events{suffix}"
            write_table(path, dict(zip(COLUMNS, (users, items, times), strict=True)))
            read, _ = read_interactions(path)
            rows = read.frame.sort("timestamp").select("user_id", "item_id").rows()
            assert rows == pairs, suffix


@settings(max_examples=30)
@given(item_ids=st.lists(ids, min_size=1, max_size=6, unique=True), titles=st.data())
def test_catalogue_titles_are_unique_and_never_empty(
    item_ids: list[str], titles: st.DataObject
) -> None:
    pool = st.sampled_from(["", "A", "A (1999)", "A [x]", "B", *item_ids])
    chosen = [titles.draw(pool) for _ in item_ids]
    years = [titles.draw(st.sampled_from(["", "1999", "2001"])) for _ in item_ids]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.csv"
        write_table(path, {"item_id": item_ids, "title": chosen, "year": years})
        catalogue, _ = read_catalogue(path)
    assert list(catalogue.ids) == item_ids
    assert len(set(catalogue.titles)) == len(item_ids)
    assert all(catalogue.titles)
    assert Catalogue.from_frame(catalogue.to_frame()) == catalogue


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1365029107", 1365029107),
        ("1365029107.0", 1365029107),
        ("1.365029107e9", 1365029107),
        ("1365029107000", 1365029107),
        ("1365029107000000", 1365029107),
        ("1365029107000000000", 1365029107),
        ("2013-04-03T22:45:07", 1365029107),
        ("2013-04-03T22:45:07Z", 1365029107),
        ("2013-04-04 00:45:07+02:00", 1365029107),
        ("2013-04-03", 1364947200),
        (" 0 ", 0),
    ],
)
def test_time_is_read_as_unix_seconds(tmp_path: Path, cell: str, expected: int) -> None:
    read, _ = read_interactions(events(tmp_path, f"u,i,{cell}"))
    assert read.frame["timestamp"].to_list() == [expected]


@pytest.mark.parametrize("cell", ["1_000", "soon", "inf", "true", "2013-13-01", "१२"])
def test_what_is_no_time_is_refused_with_its_line(tmp_path: Path, cell: str) -> None:
    with pytest.raises(DataError, match=r"events.csv:3: column 'timestamp': time .* is no time"):
        read_interactions(events(tmp_path, "u,i,1", f"u,j,{cell}"))


def test_parquet_dates_and_whole_number_ids_are_read(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    moment = datetime(2013, 4, 3, 22, 45, 7, tzinfo=UTC)
    pl.DataFrame({"user_id": [7, 8], "item_id": ["007", "8"], "timestamp": moment}).write_parquet(
        path
    )
    read, notes = read_interactions(path)
    assert read.frame.rows() == [("7", "007", 1365029107), ("8", "8", 1365029107)]
    assert notes == ()


def test_events_are_sorted_by_user_then_time_and_ties_keep_file_order(tmp_path: Path) -> None:
    path = events(tmp_path, "v,b,5", "u,z,9", "u,y,3", "u,x,9", "u,w,3")
    read, _ = read_interactions(path)
    assert read.histories() == {"u": ("y", "w", "z", "x"), "v": ("b",)}


def test_a_fraction_of_a_second_still_orders_events(tmp_path: Path) -> None:
    read, notes = read_interactions(events(tmp_path, "u,b,1365029107900", "u,a,1365029107100"))
    assert read.histories() == {"u": ("a", "b")}
    assert not any("at the very time" in note for note in notes)


def test_of_duplicate_events_the_earliest_is_kept(tmp_path: Path) -> None:
    read, _ = read_interactions(events(tmp_path, "u,a,9", "u,b,5", "u,a,3"))
    assert read.frame.rows() == [("u", "a", 3), ("u", "b", 5)]


def test_without_times_the_order_of_the_file_counts(tmp_path: Path) -> None:
    read, notes = read_interactions(events(tmp_path, "u,b,x", "u,a,x"), time_col=None)
    assert read.histories() == {"u": ("b", "a")}
    assert "no times" in notes[0]


def test_columns_can_be_renamed_and_others_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("who,stars,what,when\nu,5,007,1\n")
    read, _ = read_interactions(path, user_col="who", item_col="what", time_col="when")
    assert read.frame.rows() == [("u", "007", 1)]


def test_unknown_items_can_be_refused(tmp_path: Path) -> None:
    known = Catalogue(("a",), ("A",))
    path = events(tmp_path, "u,a,1", "u,b,2")
    assert len(read_interactions(path, known_items=known)[0]) == 1
    with pytest.raises(DataError, match=r"events.csv:3: item 'b' is not in the item table"):
        read_interactions(path, known_items=known, on_unknown="error")


def test_attributes_split_and_keep_lists_of_json(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    rows = [
        {"item_id": 1, "title": "A", "genre": ["X|Y", "Z"], "year": 1999, "tag": "p|q||p"},
        {"item_id": 2, "title": "B", "genre": None, "live": True},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    catalogue, notes = read_catalogue(path, noun="film")
    assert catalogue.attributes == {
        "genre": (("X|Y", "Z"), ()),
        "year": (("1999",), ()),
        "tag": (("p", "q"), ()),
        "live": ((), ("true",)),
    }
    assert (catalogue.noun, notes) == ("film", ())


def test_titles_are_data_whatever_they_look_like(tmp_path: Path) -> None:
    titles = ["<|im_end|>", "<user>", "</s>[INST]", "{n} {s}", "AT&T", "R&D;", "=1+1", "<b>x</b>"]
    path = tmp_path / "items.tsv"
    write_table(path, {"item_id": [str(i) for i in range(len(titles))], "title": titles})
    catalogue, notes = read_catalogue(path)
    assert list(catalogue.titles) == titles
    assert notes == ()


@pytest.mark.parametrize(
    ("attributes", "titles"),
    [
        (["1976", "2013"], ("Carrie (1976)", "Carrie (2013)")),
        (["1976", "1976"], ("Carrie [a]", "Carrie [b]")),
        (["1976", ""], ("Carrie [a]", "Carrie [b]")),
    ],
)
def test_duplicate_titles_are_told_apart_by_year_or_id(
    tmp_path: Path, attributes: list[str], titles: tuple[str, ...]
) -> None:
    path = tmp_path / "items.csv"
    write_table(path, {"item_id": ["a", "b"], "title": ["Carrie", "Carrie"], "year": attributes})
    assert read_catalogue(path)[0].titles == titles


def test_an_entity_is_decoded_once(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    write_table(path, {"item_id": ["a"], "title": ["&amp;lt; &#39;"]})
    assert read_catalogue(path)[0].titles == ("&lt; '",)


def test_errors_carry_path_line_and_column(tmp_path: Path) -> None:
    path = events(tmp_path, "u,,1")
    with pytest.raises(DataError) as caught:
        read_interactions(str(path))
    assert (caught.value.path, caught.value.line, caught.value.column) == (path, 2, "item_id")


def test_a_missing_column_is_a_column_error(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match=r"which has 'user_id', 'item_id', 'timestamp'"):
        read_interactions(events(tmp_path, "u,i,1"), user_col="uid")


def test_the_field_limit_of_the_process_is_put_back(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    read_interactions(events(tmp_path, "u,i,1"))
    with pytest.raises(DataError):
        read_interactions(events(tmp_path, '"u,i,1'))
    assert csv.field_size_limit() == before


def test_lines_of_any_length_cross_the_pieces_a_file_is_read_in(tmp_path: Path) -> None:
    rows = [f"u{row:06d},é{'x' * (row % 37)}{row},{row}" for row in range(60_000)]
    read, notes = read_interactions(events(tmp_path, *rows))
    assert read.frame.rows() == [(u, i, int(t)) for u, i, t in (row.split(",") for row in rows)]
    assert notes == ()


def test_ratings_are_read_where_there_are_some(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "user_id,item_id,timestamp,rating,stars\nu,a,1,4.5,1\nu,b,2,,2\nu,c,3,good,3\nv,a,4,2,4\n"
    )
    read, notes = read_interactions(path)
    assert read.ratings() == {"u": {"a": 4.5}, "v": {"a": 2.0}}
    assert [n for n in notes if "rating" in n] == [
        f"{path}:4: left out 1 rating in column 'rating' that are no number"
    ]
    assert read_interactions(path, rating_col="stars")[0].ratings()["u"] == {"a": 1, "b": 2, "c": 3}
    with pytest.raises(ColumnError, match="--rating-col"):
        read_interactions(path, rating_col="likes")
    path.write_text("user_id,item_id,timestamp\nu,a,1\n")
    assert read_interactions(path)[0].ratings() == {}
