"""From tables to a target and its cases."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from innerview.alignment.cases import split_cases, write_cases
from innerview.data.embedded import load_embedded
from innerview.data.formats import Loaded, load_dataset
from innerview.data.splits import HoldOut, leave_one_out
from innerview.errors import BundleError
from innerview.pipeline._stage import (
    Event,
    RunSettings,
    Say,
    digest,
    finish,
    is_current,
    write_json,
)
from innerview.targets import (
    BundleTarget,
    RecordedTarget,
    Target,
    TrainingData,
    load_target,
    register,
    save_target,
)
from innerview.targets.files import write_folder
from innerview.targets.static import known_cases

__all__ = ["train_target"]

_TRAINED = ("als", "sasrec")


def _load(settings: RunSettings, say: Say) -> Loaded:
    if settings.interactions is None:
        return load_embedded()
    loaded = load_dataset(
        settings.interactions,
        settings.items,
        format=settings.format,
        user_col=settings.user_col,
        item_col=settings.item_col,
        time_col=settings.time_col,
        rating_col=settings.rating_col,
        title_col=settings.title_col,
        noun=settings.noun,
    )
    for note in loaded.notes:
        say(Event("data", note))
    return loaded.k_core(settings.k_core) if settings.k_core > 1 else loaded


def train_target(settings: RunSettings, say: Say, *, max_seconds: float | None = None) -> Path:
    """Read the data, train or take the target, and write down who is in which part of the run.

    Args:
        settings: of the run.
        say: told how far it is.
        max_seconds: train no further once these are spent; a round under way is finished.

    Raises:
        DataError: the tables cannot be used.
        BundleError: a given bundle is damaged, or knows none of the items.
    """
    out = settings.out / "target"
    given = _given(settings.target)
    loaded = _load(settings, say)
    if given is not None and set(given.parts.ids).isdisjoint(loaded.catalogue.ids):
        raise BundleError(f"{given.name} knows none of the {len(loaded.catalogue)} items")
    frame = loaded.interactions.frame.select("user_id", "item_id", "timestamp")
    ratings = loaded.interactions.ratings()
    trained_from = digest(
        {
            "data": hashlib.sha256(frame.write_csv().encode()).hexdigest(),
            "titles": digest(loaded.catalogue.titles),
            "target": settings.target if given is None else given.fingerprint,
            "split": settings.split,
            "seed": settings.seed,
        }
    )
    # No target sees ratings: others make other cases, and no other target.
    made_from = digest([trained_from, settings.n_test, *([ratings] if ratings else [])])
    labels = settings.out / "labels"
    trained = (out / "manifest.json").exists() and is_current(
        labels, trained_from, key="trained_from"
    )
    if trained and is_current(labels, made_from):
        say(Event("target", "unchanged, kept"))
        return out
    order = given.capabilities.order_sensitive if given else settings.target == "sasrec"
    how: HoldOut = ("last" if order else "random") if settings.split == "auto" else settings.split
    split = leave_one_out(loaded.interactions, how=how, seed=settings.seed)
    data = TrainingData.from_split(loaded.interactions, split, loaded.catalogue, how=how)
    say(Event("target", f"{len(data.train):,} cases, {len(loaded.catalogue):,} outcomes"))
    if trained:
        say(Event("target", "unchanged, kept; the cases are split anew"))
        target: BundleTarget | RecordedTarget = load_target(out)
    else:
        # A target that a kill leaves here must not pass for the one that was here before.
        (labels / "stage.json").unlink(missing_ok=True)
        target = (
            _train(settings, data, out, say, max_seconds)
            if given is None
            else _kept(settings.target, out)
        )
    # Whatever cuts this off now: the target is done, the cases are not.
    write_json(labels / "stage.json", {"trained_from": trained_from})
    known = target.parts.index
    parts: dict[str, Sequence[str]] = {
        user: [i for i in items if i in known and i != split.test.get(user)]
        for user, items in loaded.interactions.histories().items()
    }
    own = known_cases(target)
    if own:
        say(Event("target", f"it can score its own {len(own):,} cases alone, and none changed"))
        parts = {case.case_id: case.parts for case in own}
    cases = split_cases(parts, n_test=settings.n_test, seed=settings.seed, ratings=ratings)
    met = loaded.interactions.times() if settings.time_col is not None else {}
    times = {user: max(met[user][i] for i in own) for user, own in parts.items() if met and own}
    write_cases(labels / "cases.parquet", cases, times)
    popularity = Counter(item for items in data.train.values() for item in items)
    write_json(labels / "popularity.json", dict(popularity))
    finish(labels, made_from, trained_from=trained_from, how=how, notes=loaded.notes)
    return out


def _train(
    settings: RunSettings, data: TrainingData, out: Path, say: Say, max_seconds: float | None
) -> BundleTarget:
    began = time.monotonic()

    def tell(rounds: int, ndcg10: float) -> bool:
        say(Event("target", f"NDCG@10 {ndcg10:.4f} on valid after round {rounds}"))
        in_time = max_seconds is None or time.monotonic() - began < max_seconds
        if not in_time:
            say(Event("target", "stopped: its share of the time budget is spent"))
        return in_time

    if settings.target == "als":
        from innerview.targets.train_als import train_als

        return train_als(data, out, seed=settings.seed, overwrite=True, on_look=tell)
    from innerview.targets.train_sasrec import train_sasrec

    return train_sasrec(data, out, seed=settings.seed, overwrite=True, on_look=tell)


def _given(target: str | Target) -> Target | None:
    """The target that is there already; None, if one is to be trained."""
    if not isinstance(target, str):
        register(target)  # every stage finds it by its folder
        return target
    return None if target in _TRAINED else load_target(target)


def _kept(given: str | Target, out: Path) -> BundleTarget | RecordedTarget:
    """A target that was given, in the run folder, where it may lie already."""
    if not isinstance(given, str):
        return save_target(out, given, overwrite=True)
    write_folder(
        out, {p.name: p.read_bytes() for p in Path(given).iterdir() if p.is_file()}, overwrite=True
    )
    return load_target(out)
