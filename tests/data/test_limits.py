"""Limits that need no large file once they are lowered, and inputs damaged at random."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.build import GOOD
from innerview.data import _bytes, _parquet, load_dataset, read_catalogue, read_interactions
from innerview.errors import DataError, InnerviewError

LINE = b'{"user_id": "u1", "item_id": "007", "timestamp": 1000}\n'
SEEDS = {
    ".csv": GOOD.encode(),
    ".tsv": GOOD.replace(",", "\t").encode(),
    ".jsonl": LINE * 3,
    ".csv.gz": gzip.compress(GOOD.encode() * 5, mtime=0),
}


@settings(max_examples=200)
@given(
    suffix=st.sampled_from(sorted(SEEDS)),
    at=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 3),
    put=st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"\r", b"\n\n", b",", b"[", b"|"])),
)
def test_a_damaged_file_is_read_or_refused_in_one_line(
    suffix: str, at: float, cut: int, put: bytes
) -> None:
    good = SEEDS[suffix]
    position = int(at * len(good))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"events{suffix}"
        path.write_bytes(good[:position] + put + good[position + cut :])
        try:
            load_dataset(path)
        except InnerviewError as error:
            assert str(error).startswith(str(path))


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    os.mkfifo(path)
    with pytest.raises(DataError, match="not a regular file"):
        read_interactions(path)


def test_a_gzip_is_measured_before_anything_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bytes, "MAX_EXPANDED", 100)
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(b"no header\n" * 20))
    with pytest.raises(DataError, match="expand to more than 100"):
        read_interactions(path)


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bytes, "MAX_LINE", 1000)
    path = tmp_path / "events.csv"
    path.write_text(GOOD + "x" * 2000)
    with pytest.raises(DataError, match=r"events.csv:5: a line of more than 16 MiB"):
        read_interactions(path)


def test_a_parquet_of_too_many_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parquet, "MAX_ROWS", 2)
    path = tmp_path / "events.parquet"
    pl.DataFrame({"user_id": "u", "item_id": ["1", "2", "3"], "timestamp": 1}).write_parquet(path)
    with pytest.raises(DataError, match="3 rows, more than 2; split the file"):
        read_interactions(path)


def test_a_huge_text_in_json_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": "1", "title": "%s"}\n' % ("x" * 1_100_000))
    with pytest.raises(
        DataError, match=r"items.jsonl:1: column 'title': a text of more than 1 MiB"
    ):
        read_catalogue(path)


def test_a_column_called_title_beside_the_chosen_one_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,name,title\n1,Alien,Dr\n")
    catalogue, notes = read_catalogue(path, title_col="name")
    assert (catalogue.titles, dict(catalogue.attributes)) == (("Alien",), {})
    assert "ignored column 'title': the name is taken" in notes[0]
