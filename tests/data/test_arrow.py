"""Tables in memory are read like files: same ids, same checks, same notes."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from innerview.data import ArrowTable, load_dataset, read_catalogue, read_interactions
from innerview.errors import ColumnError, DataError

EVENTS = {
    "user_id": ["u1", "u1", "u2", "u2"],
    "item_id": [7, 8, 8, 8],
    "timestamp": [20, 10, 5, 6],
}
ITEMS = {
    "item_id": ["007", "7", "8"],
    "title": ["Alien", None, "Solaris"],
    "genre": ["a|b", "", "c"],
}


class Stream:
    """A table of nobody's library: all that is known of it is its stream."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.frame = pl.DataFrame(columns)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


def _pandas(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns)


def _pandas_with_an_index(columns: dict[str, list[Any]]) -> Any:
    frame = _pandas(columns)
    return frame.set_index(frame.index * 2 + 5)


def _pyarrow(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("pyarrow").table(columns)


LIBRARIES = [pl.DataFrame, Stream, _pandas, _pandas_with_an_index, _pyarrow]
Library = Callable[[dict[str, list[Any]]], ArrowTable]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_in_memory_gives_what_its_file_gives(library: Library, tmp_path: Any) -> None:
    for name, columns in (("interactions", EVENTS), ("items", ITEMS)):
        pl.DataFrame(columns).write_parquet(tmp_path / f"{name}.parquet")
    from_files = load_dataset(tmp_path)
    loaded = load_dataset(library(EVENTS), library(ITEMS))
    assert loaded.interactions.frame.equals(from_files.interactions.frame)
    assert loaded.interactions.histories() == {"u1": ("8", "7"), "u2": ("8",)}
    assert loaded.catalogue == from_files.catalogue
    assert loaded.catalogue.attributes["genre"] == (("a", "b"), (), ("c",))
    plain = [note.replace(f"{tmp_path}/", "").replace(".parquet", "") for note in from_files.notes]
    assert list(loaded.notes) == plain
    assert "items:2: 1 missing title: the id stands in" in loaded.notes


def test_a_table_and_a_file_go_together(tmp_path: Any) -> None:
    pl.DataFrame(ITEMS).write_parquet(tmp_path / "items.parquet")
    loaded = load_dataset(pl.DataFrame(EVENTS), tmp_path / "items.parquet", noun="film")
    assert loaded.catalogue.title("007") == "Alien" and loaded.catalogue.noun == "film"
    assert load_dataset(pl.DataFrame(EVENTS)).catalogue.titles == ("7", "8")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_ids_that_are_floats_are_refused_with_their_column(library: Library, column: str) -> None:
    table = library({**EVENTS, column: [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(DataError, match=rf"^interactions:1: column '{column}': id 1.0 looks like"):
        read_interactions(table)


@pytest.mark.parametrize("library", LIBRARIES)
def test_times_may_be_dates(library: Library) -> None:
    when = [datetime(2024, 5, day, tzinfo=UTC) for day in (4, 3, 2, 1)]
    read, _ = read_interactions(library({**EVENTS, "item_id": list("abcd"), "timestamp": when}))
    assert read.frame["timestamp"].to_list() == [1714694400, 1714780800, 1714521600, 1714608000]


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_missing_is_named(library: Library) -> None:
    with pytest.raises(ColumnError, match=r"interactions: column 'when': not in the .*'user_id'"):
        read_interactions(library(EVENTS), time_col="when")
    with pytest.raises(DataError, match=r"interactions:2: column 'user_id': an empty id"):
        read_interactions(library({**EVENTS, "user_id": ["u1", None, "u2", "u2"]}))
    with pytest.raises(DataError, match="interactions: the table has no rows"):
        read_interactions(library({name: [] for name in EVENTS}))


def test_categories_are_their_texts() -> None:
    ids = pl.Series(["x", "y"], dtype=pl.Categorical)
    catalogue, _ = read_catalogue(pl.DataFrame({"item_id": ids, "title": ["X", "Y"]}))
    assert catalogue.ids == ("x", "y")
    frame = _pandas({"item_id": ["x", "y"], "title": ["X", "Y"]}).astype("category")
    assert read_catalogue(frame)[0] == catalogue


def test_other_formats_are_of_files() -> None:
    with pytest.raises(DataError, match="format 'amazon' is of files"):
        load_dataset(pl.DataFrame(EVENTS), format="amazon")


def test_a_stream_that_fails_is_one_line() -> None:
    class Broken:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            raise TypeError("mixed\ntypes")

    with pytest.raises(DataError, match="items: no table that can be read: mixed types"):
        read_catalogue(Broken())
    with pytest.raises(DataError, match="items: no table that can be read"):
        read_catalogue(type("NoCapsule", (), {"__arrow_c_stream__": lambda _: io})())
