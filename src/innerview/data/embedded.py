"""The data set that comes with the package: the 5-core of MovieTweetings-100K (MIT licence)."""

from __future__ import annotations

from importlib.resources import files

import polars as pl

from innerview.data.formats import Loaded
from innerview.data.tables import Catalogue, Interactions

__all__ = ["load_embedded"]


def load_embedded() -> Loaded:
    """4,333 users, 2,414 films with genre and year, 68,055 dated events; no network needed.

    Source: Dooms, De Pessemier, Martens: MovieTweetings, CrowdRec at RecSys 2013. The licence and
    how the files were made stand beside them.
    """
    folder = files("innerview.data").joinpath("files", "movietweetings")
    tables = {
        name: pl.read_parquet(folder.joinpath(f"{name}.parquet").read_bytes())
        for name in ("interactions", "items")
    }
    return Loaded(
        Interactions(tables["interactions"]), Catalogue.from_frame(tables["items"], noun="film")
    )
