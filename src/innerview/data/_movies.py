"""MovieLens (100K, 1M, 10M, 25M and later) and MovieTweetings, as their archives hold them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from innerview.data._bytes import decodes_as_utf8, peek
from innerview.data._delimited import CSV, Dialect, read_delimited
from innerview.data._events import RawEvents, events_from_rows
from innerview.data._folders import find, require
from innerview.data._items import RawItems, Values, items_from_rows
from innerview.data._rows import Cell, Rows, Wanted
from innerview.data.notes import Notes

_RATING_HEADER = ("user_id", "item_id", "rating", "timestamp")
_MOVIE_HEADER = ("item_id", "title", "genre")
_YEAR = re.compile(r"(?P<name>.*\S)\s*\((?P<year>[0-9]{4})\)")
_IMDB = re.compile(rb"(?:\xef\xbb\xbf)?[0-9]{7,}::")
_NO_GENRE = "(no genres listed)"
_GENRES_100K = [  # the columns of u.item after the first five, in their order
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
]
_ITEM_HEADER_100K = ("item_id", "title", "released", "video_released", "url", *_GENRES_100K)


def has_imdb_ids(folder: Path) -> bool:
    """Whether ``movies.dat`` names films by seven-digit IMDb ids, as only MovieTweetings does."""
    path = find(folder, ["movies.dat"])
    return path is not None and _IMDB.match(peek(path)) is not None


def read_movietweetings(
    folder: Path, items: Path | None, notes: Notes
) -> tuple[RawEvents, RawItems]:
    """Read ``ratings.dat`` and ``movies.dat``: UTF-8, ``::`` between fields."""
    ratings = require(folder, "ratings.dat", "movietweetings")
    movies = items or require(folder, "movies.dat", "movietweetings")
    return _read_dat(ratings, movies, notes, latin1=False)


def read_movielens(folder: Path, items: Path | None, notes: Notes) -> tuple[RawEvents, RawItems]:
    """Read whichever of the three shapes of MovieLens the folder holds."""
    if find(folder, ["u.data"]):
        return _read_100k(folder, items, notes)
    if find(folder, ["ratings.dat"]):
        movies = items or require(folder, "movies.dat", "movielens")
        return _read_dat(require(folder, "ratings.dat", "movielens"), movies, notes, latin1=True)
    ratings = require(folder, "ratings.csv", "movielens")
    return _read_csv(ratings, items or require(folder, "movies.csv", "movielens"), notes)


def _read_dat(
    ratings: Path, movies: Path, notes: Notes, *, latin1: bool
) -> tuple[RawEvents, RawItems]:
    plain = Dialect("::", quoted=False, header=_RATING_HEADER)
    events = _events(read_delimited(ratings, plain, _needed(*_EVENT, also=_RATING), notes), notes)
    encoding = _encoding(movies, notes) if latin1 else "utf-8"
    dialect = Dialect("::", quoted=False, header=_MOVIE_HEADER, encoding=encoding)
    return events, _films(read_delimited(movies, dialect, _needed(*_MOVIE_HEADER), notes), notes)


def _read_csv(ratings: Path, movies: Path, notes: Notes) -> tuple[RawEvents, RawItems]:
    wanted = _needed("userId", "movieId", "timestamp", also=_RATING)
    events = events_from_rows(
        read_delimited(ratings, CSV, wanted, notes),
        user_col="userId", item_col="movieId", time_col="timestamp", rating_col="rating",
        notes=notes,
    )  # fmt: skip
    films = read_delimited(movies, CSV, _needed("movieId", "title", "genres"), notes)
    names = {"movieId": "item_id", "title": "title", "genres": "genre"}
    columns = {new: films.columns[old] for old, new in names.items()}
    return events, _films(replace(films, columns=columns), notes)


def _read_100k(folder: Path, items: Path | None, notes: Notes) -> tuple[RawEvents, RawItems]:
    plain = Dialect("\t", quoted=False, header=_RATING_HEADER)
    ratings = require(folder, "u.data", "movielens")
    events = _events(read_delimited(ratings, plain, _needed(*_EVENT, also=_RATING), notes), notes)
    path = items or require(folder, "u.item", "movielens")
    dialect = Dialect("|", quoted=False, header=_ITEM_HEADER_100K, encoding=_encoding(path, notes))
    rows = read_delimited(path, dialect, Wanted({}, others=True), notes)
    genres: list[Cell] = [
        [name for name in _GENRES_100K[1:] if rows.columns[name][row] == "1"]
        for row in range(len(rows.lines))
    ]
    columns = {name: rows.columns[name] for name in ("item_id", "title")} | {"genre": genres}
    return events, _films(replace(rows, columns=columns), notes)


_EVENT = ("user_id", "item_id", "timestamp")
_RATING = frozenset({"rating"})


def _needed(*columns: str, also: frozenset[str] = frozenset()) -> Wanted:
    advice = "this format needs it; or load the file as a table"
    return Wanted(dict.fromkeys(columns, advice), also)


def _events(rows: Rows, notes: Notes) -> RawEvents:
    return events_from_rows(
        rows, user_col="user_id", item_col="item_id", time_col="timestamp", rating_col="rating",
        notes=notes,
    )  # fmt: skip


def _films(rows: Rows, notes: Notes) -> RawItems:
    """Items with the year moved from the end of the title into an attribute."""
    items = items_from_rows(
        rows, item_col="item_id", title_col="title", list_separator="|", notes=notes
    )
    found = [_YEAR.fullmatch(title) for title in items.titles]
    years: list[Values] = [(match["year"],) if match else () for match in found]
    titles = [
        match["name"] if match else title for match, title in zip(found, items.titles, strict=True)
    ]
    genres = [tuple(g for g in row if g != _NO_GENRE) for row in items.attributes["genre"]]
    return replace(items, titles=titles, attributes={"genre": genres, "year": years})


def _encoding(path: Path, notes: Notes) -> str:
    """MovieLens 100K and 1M are Latin-1, later ones UTF-8; no file says which."""
    if decodes_as_utf8(path):
        return "utf-8"
    notes.add("read as Latin-1, as MovieLens 100K and 1M are written", path, None)
    return "latin-1"
