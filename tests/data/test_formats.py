from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from innerview.data import Loaded, load_dataset
from innerview.errors import DataError


def write(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        path = folder / name.replace("__", ".")
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return folder


def jsonl(*rows: dict[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def summary(data: Loaded) -> tuple[dict[str, tuple[str, ...]], dict[str, str], str]:
    catalogue = data.catalogue
    titles = dict(zip(catalogue.ids, catalogue.titles, strict=True))
    return data.interactions.histories(), titles, catalogue.noun


def test_movietweetings_moves_the_year_and_puts_it_back_where_titles_collide(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        ratings__dat__gz="1::0074285::7::2000\n1::1939659::8::1000\n2::0113277::9::5\n",
        movies__dat__gz="0074285::Carrie (1976)::Horror\n1939659::Carrie (2013)::Drama|Horror\n"
        "0113277::Amélie – 2 (1995)::\n",
    )
    data = load_dataset(tmp_path)
    assert summary(data) == (
        {"1": ("1939659", "0074285"), "2": ("0113277",)},
        {"0074285": "Carrie (1976)", "1939659": "Carrie (2013)", "0113277": "Amélie – 2"},
        "film",
    )
    assert data.catalogue.values("1939659", "genre") == ("Drama", "Horror")
    assert data.catalogue.values("0113277", "year") == ("1995",)
    assert data.catalogue.values("0113277", "genre") == ()
    assert data.interactions.ratings() == {
        "1": {"1939659": 8.0, "0074285": 7.0},
        "2": {"0113277": 9.0},
    }


def test_movielens_1m_is_read_as_latin1_and_leaves_articles_behind(tmp_path: Path) -> None:
    write(
        tmp_path,
        ratings__dat="1::1::5::978300760\n1::2::3::978300761\n",
        movies__dat="1::Matrix, The (1999)::Action\n2::Misérables, Les (1995)::Drama\n".encode(
            "latin-1"
        ),
    )
    data = load_dataset(tmp_path)
    assert summary(data)[1:] == ({"1": "Matrix, The", "2": "Misérables, Les"}, "film")
    assert any("read as Latin-1" in note for note in data.notes)


def test_movielens_100k_reads_genres_from_flags(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[1] = flags[14] = "1"
    item = "|".join(["1", "Toy Story (1995)", "01-Jan-1995", "", "http://x", *flags])
    write(tmp_path, u__data="196\t1\t3\t881250949\n", u__item=item + "\n")
    data = load_dataset(tmp_path)
    assert summary(data) == ({"196": ("1",)}, {"1": "Toy Story"}, "film")
    assert data.catalogue.attributes == {
        "genre": (("Action", "Romance"),),
        "year": (("1995",),),
    }


def test_movielens_25m_reads_quoted_titles(tmp_path: Path) -> None:
    write(
        tmp_path,
        ratings__csv="userId,movieId,rating,timestamp\n1,11,3.5,1147880044\n",
        movies__csv="movieId,title,genres\n"
        '11,"American President, The (1995)",(no genres listed)\n',
    )
    data = load_dataset(tmp_path)
    assert summary(data) == ({"1": ("11",)}, {"11": "American President, The"}, "film")
    assert data.catalogue.attributes["genre"] == ((),)


def test_amazon_2018_keeps_reviewed_items_only(tmp_path: Path) -> None:
    reviews = jsonl(
        {"reviewerID": "A", "asin": "0700", "unixReviewTime": 1000, "overall": 5},
        {"reviewerID": "A", "asin": "B2", "unixReviewTime": 900},
    )
    meta = jsonl(
        {"asin": "0700", "title": "Tetris &amp; more", "brand": "N", "category": ["G", "P|Q"]},
        {"asin": "B2", "title": "", "details": {"x": 1}},
        {"asin": "B3", "title": "Unsold"},
    )
    write(tmp_path, Games_5__json__gz=reviews, meta_Games__json__gz=meta)
    data = load_dataset(tmp_path)
    assert summary(data) == (
        {"A": ("B2", "0700")},
        {"0700": "Tetris & more", "B2": "B2"},
        "item",
    )
    assert data.catalogue.values("0700", "category") == ("G", "P|Q")
    assert any("left out 1 item without a review" in note for note in data.notes)


def test_amazon_2023_is_known_by_the_keys_of_its_reviews(tmp_path: Path) -> None:
    reviews = jsonl({"user_id": "A", "asin": "v", "parent_asin": "p", "timestamp": 1588687728923})
    meta = jsonl({"parent_asin": "p", "title": "Pad", "store": "S", "main_category": "G"})
    write(tmp_path, Games__jsonl=reviews, meta_Games__jsonl=meta)
    for data in (
        load_dataset(tmp_path),
        load_dataset(tmp_path / "Games.jsonl", tmp_path / "meta_Games.jsonl"),
    ):
        assert summary(data) == ({"A": ("p",)}, {"p": "Pad"}, "item")
        assert data.interactions.frame["timestamp"].to_list() == [1588687728]
        assert data.catalogue.values("p", "store") == ("S",)


def test_amazon_without_metadata_says_what_to_name(tmp_path: Path) -> None:
    row = {"reviewerID": "A", "asin": "0700", "unixReviewTime": 1000}
    write(tmp_path, reviews__json=jsonl(row))
    with pytest.raises(DataError, match=r"no metadata; name the meta_\*\.json file"):
        load_dataset(tmp_path / "reviews.json")


def test_compact_histories_keep_their_order_and_quotes_are_text(tmp_path: Path) -> None:
    (tmp_path / "Games.test.inter").write_text(
        "user_id:token\titem_id_list:token_seq\titem_id:token\n7\t2 0 1\t3\n8\t0\t2\n"
    )
    (tmp_path / "Games.train.inter").write_text("not read\n")
    (tmp_path / "Games.item.gz").write_bytes(
        gzip.compress(b'item_id:token\ttitle:token_seq\n0\tA "B\n1\tC\n2\tC\n3\tD &amp; E\n')
    )
    data = load_dataset(tmp_path)
    assert summary(data) == (
        {"7": ("2", "0", "1", "3"), "8": ("0", "2")},
        {"0": 'A "B', "1": "C [1]", "2": "C [2]", "3": "D & E"},
        "item",
    )


def test_atomic_files_with_times_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "ml.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t3\t9\n1\t11\t3\t8\n"
    )
    (tmp_path / "ml.item").write_text(
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\n10\tToy Story\tComedy Drama\n"
        "11\tHeat\tCrime\n"
    )
    data = load_dataset(tmp_path)
    assert summary(data)[:2] == ({"1": ("11", "10")}, {"10": "Toy Story", "11": "Heat"})
    assert data.catalogue.values("10", "class") == ("Comedy", "Drama")


def test_a_folder_with_plain_tables_is_read_by_their_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        interactions__csv__gz="user_id,item_id,timestamp\nu,007,1\n",
        items__tsv="item_id\ttitle\n007\tAlien\n",
    )
    assert summary(load_dataset(tmp_path))[:2] == ({"u": ("007",)}, {"007": "Alien"})


def test_k_core_of_a_data_set_keeps_only_its_items(tmp_path: Path) -> None:
    rows = [f"{user},{item},{time}" for user in "uv" for time, item in enumerate("ab")]
    text = "user_id,item_id,timestamp\n" + "\n".join([*rows, "u,c,9"]) + "\n"
    write(tmp_path, interactions__csv=text, items__csv="item_id,title\nc,C\nb,B\na,A\nd,D\n")
    core = load_dataset(tmp_path).k_core(2)
    assert summary(core)[:2] == ({"u": ("a", "b"), "v": ("a", "b")}, {"b": "B", "a": "A"})


@pytest.mark.parametrize("name", ["movielens", "movietweetings", "amazon", "compact"])
def test_a_format_that_is_not_there_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    for source in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError) as caught:
            load_dataset(source, format=name)  # type: ignore[arg-type]
        assert str(source) in str(caught.value)


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="known are auto, table, movielens"):
        load_dataset(tmp_path, format="netflix")  # type: ignore[arg-type]
