"""What every round trip does where the library is: a part of MovieTweetings, and what is left.

Runs in the library's environment, so it knows the packed exporters and nothing else of Innerview.
Called as ``roundtrip_LIBRARY.py OUT EXPORTERS.pyz``; leaves ``OUT/MODEL/`` for each model: the
bundle, 200 cases, and what the library answered to them by its own calls.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np
import pyarrow.parquet
from safetensors.numpy import save_file

OUT, EXPORTERS = Path(sys.argv[1]).resolve(), str(Path(sys.argv[2]).resolve())
sys.path.insert(0, EXPORTERS)
import innerview_export as export  # noqa: E402  (where it is, has just been said)
from innerview_export._model import cases_of  # noqa: E402

DATA = (
    Path(__file__).resolve().parents[2] / "src" / "innerview" / "data" / "files" / "movietweetings"
)
N_CASES = 200
N_USERS = 600
LEAST_EVENTS = 30
SEED = 0


def read_histories() -> dict[str, list[str]]:
    """Six hundred users, and the films that 30 of all users or more have met; oldest first."""
    table = pyarrow.parquet.read_table(DATA / "interactions.parquet").to_pydict()
    events = sorted(zip(table["timestamp"], table["user_id"], table["item_id"]))
    counts: dict[str, int] = {}
    for _, _, item in events:
        counts[item] = counts.get(item, 0) + 1
    histories: dict[str, list[str]] = {}
    for _, user, item in events:
        if counts[item] >= LEAST_EVENTS:
            histories.setdefault(user, []).append(item)
    users = sorted((u for u, h in histories.items() if len(h) >= 5), key=hash_of)
    return {user: histories[user] for user in users[:N_USERS]}


def hash_of(text: str) -> int:
    """The same everywhere, unlike ``hash``."""
    value = 0
    for byte in text.encode():
        value = (value * 131 + byte) % 1000003
    return value


def read_items() -> export.Items:
    """Titles, genres and years of all films."""
    table = pyarrow.parquet.read_table(DATA / "items.parquet").to_pydict()
    ids = table["item_id"]
    others = [name for name in table if name not in ("item_id", "title")]
    return export.Items(
        titles=dict(zip(ids, table["title"])),
        attributes={name: dict(zip(ids, (v or [] for v in table[name]))) for name in others},
        noun="film",
    )


HISTORIES = read_histories()
ITEMS = sorted({item for history in HISTORIES.values() for item in history})
USERS = list(HISTORIES)


def rows_of(histories: dict[str, list[str]]) -> tuple[list[int], list[int]]:
    """User rows and item columns of all events, in the order of time of each user."""
    column = {item: at for at, item in enumerate(ITEMS)}
    pairs = [(row, column[i]) for row, h in enumerate(histories.values()) for i in h]
    return [row for row, _ in pairs], [at for _, at in pairs]


def leave(
    name: str,
    model: export.Model,
    ask: Callable[[Sequence[export.Case]], Any],
    *,
    asked: str,
    started: float,
    histories: dict[str, list[str]] | None = None,
) -> None:
    """Write the bundle, ask the library 200 cases by its own calls, and leave both.

    Args:
        name: of the model, and of its folder.
        model: as an exporter made it.
        ask: the library's scores, (N, O), in the order of ``model.ids``.
        asked: the call that gave them, for the table.
        started: when the work on this model began.
        histories: that it was trained with, if those are not all.
    """
    place, histories = OUT / name, histories or HISTORIES
    manifest = export.write_bundle(
        place / "bundle", model, items=read_items(), histories=histories, overwrite=True
    )
    cases = cases_of(histories, model)
    step = max(1, len(cases) // N_CASES)
    cases = cases[::step][:N_CASES]
    scores = np.ascontiguousarray(np.asarray(ask(cases), dtype=np.float32))
    save_file({"scores": scores}, str(place / "library.safetensors"))
    told = {
        "model": name,
        "asked": asked,
        "libraries": manifest["libraries"],
        "python": sys.version.split()[0],
        "ids": list(model.ids),
        "cases": [[case.case_id, list(case.parts)] for case in cases],
        "seconds": round(time.time() - started, 1),
    }
    (place / "told.json").write_text(json.dumps(told), encoding="utf-8")
    print(name, "exported in", told["seconds"], "s", flush=True)
