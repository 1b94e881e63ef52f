"""``innerview data``: look at tables before anything is made from them."""

from __future__ import annotations

import json

import typer

from innerview.cli import _options as opt

__all__ = ["app"]

app = typer.Typer(name="data", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def data() -> None:
    """Look at interactions and items."""


@app.command()
def check(
    *,
    interactions: opt.InteractionsFile,
    items: opt.ItemsFile = None,
    format: opt.Format = "auto",
    user_col: opt.UserCol = "user_id",
    item_col: opt.ItemCol = "item_id",
    time_col: opt.TimeCol = "timestamp",
    rating_col: opt.RatingCol = None,
    no_time: opt.NoTime = False,
    title_col: opt.TitleCol = "title",
    k_core: opt.KCore = 5,
    as_json: opt.AsJson = False,
) -> None:
    """Read both tables, say what was repaired, and count. Writes nothing."""
    from innerview.data.formats import load_dataset
    from innerview.errors import DataError

    loaded = load_dataset(
        interactions,
        items,
        format=format,
        user_col=user_col,
        item_col=item_col,
        time_col=None if no_time else time_col,
        rating_col=rating_col,
        title_col=title_col,
    )
    counts = {
        "events": len(loaded.interactions),
        "users": loaded.interactions.n_users,
        "items": loaded.interactions.n_items,
        "catalogue": len(loaded.catalogue),
    }
    core, empty = {"events": 0, "users": 0, "items": 0}, None
    try:
        kept = loaded.k_core(k_core).interactions
        core = {"events": len(kept), "users": kept.n_users, "items": kept.n_items}
    except DataError as error:
        empty = str(error)
    if as_json:
        wire = {**counts, "k_core": {"k": k_core, **core}, "notes": loaded.notes}
        typer.echo(json.dumps(wire, ensure_ascii=False))
        return
    for note in loaded.notes:
        typer.echo(note)
    typer.echo(_counted(counts) + f", {counts['catalogue']:,} in the catalogue")
    typer.echo(f"k-core {k_core}: {empty or _counted(core)}")


def _counted(counts: dict[str, int]) -> str:
    return f"{counts['events']:,} events of {counts['users']:,} users on {counts['items']:,} items"
