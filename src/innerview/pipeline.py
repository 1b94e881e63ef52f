"""The stages from tables to a report. Each leaves files in the run folder and is skipped when
what it was made from has not changed.

Knows how the rooms are put together and nothing of what goes on in them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from innerview.alignment.chat import CHAT_PROMPTS, chat_records, read_chat
from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import MixtureSettings, case_records, item_records, test_records
from innerview.alignment.prose import prose_records
from innerview.alignment.records import FORMS, Record, read_records, write_records
from innerview.alignment.tasks import Asker
from innerview.data.embedded import load_embedded
from innerview.data.formats import Loaded, load_dataset
from innerview.data.splits import HoldOut, leave_one_out, split_users
from innerview.errors import RunError
from innerview.targets import BundleTarget, Case, TrainingData, load_bundle

__all__ = ["Cases", "Event", "RunSettings", "align", "label", "load_cases", "train_target"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run is made from."""

    interactions: Path | None
    """None: the data set that comes with the package."""
    items: Path | None
    out: Path
    format: Literal["auto", "table", "movielens", "movietweetings", "amazon", "compact"] = "auto"
    user_col: str = "user_id"
    item_col: str = "item_id"
    time_col: str | None = "timestamp"
    title_col: str = "title"
    noun: str = "item"
    target: str = "als"
    """``als``, ``sasrec``, or the path of a bundle."""
    split: Literal["auto", "last", "random"] = "auto"
    """``auto``: random for targets that know no order, last for those that do."""
    k_core: int = 5
    base: str = "smollm2-135m-instruct"
    chat: Path | None = None
    """JSONL of ``prompt`` and ``answer``; without it the base model answers ours itself."""
    time_budget_s: float = 1500.0
    n_explain: int = 20
    n_test: int = 400
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell whoever waits: the stage, a line, how much of it is done."""

    stage: str
    text: str
    fraction: float | None = None


Say = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases of a run: to align on, to watch, to test on. No case is in two of them."""

    train: tuple[Case, ...]
    valid: tuple[Case, ...]
    test: tuple[Case, ...]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_current(folder: Path, made_from: str) -> bool:
    """Whether a stage's folder is complete and was made from the very same."""
    try:
        done = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(done.get("made_from") == made_from)


def _finish(folder: Path, made_from: str, **more: Any) -> None:
    """Mark a stage complete; written last, so a killed stage never counts."""
    part = folder / ".stage.json.part"
    part.write_text(json.dumps({"made_from": made_from, **more}, indent=1, default=str))
    part.replace(folder / "stage.json")


# -- target ---------------------------------------------------------------------------------


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
        title_col=settings.title_col,
        noun=settings.noun,
    )
    for note in loaded.notes:
        say(Event("data", note))
    return loaded.k_core(settings.k_core) if settings.k_core > 1 else loaded


def train_target(settings: RunSettings, say: Say) -> Path:
    """Read the data, train or take the target, and write down who is in which part of the run.

    Raises:
        DataError: the tables cannot be used.
        BundleError: a given bundle is damaged, or knows none of the items.
    """
    out = settings.out / "target"
    loaded = _load(settings, say)
    frame = loaded.interactions.frame
    made_from = _digest(
        {
            "data": hashlib.sha256(frame.write_csv().encode()).hexdigest(),
            "titles": _digest(loaded.catalogue.titles),
            "target": settings.target,
            "split": settings.split,
            "seed": settings.seed,
            "n_test": settings.n_test,
        }
    )
    if _is_current(settings.out / "labels" / "cases", made_from) and (out / "manifest.json").exists():
        say(Event("target", "unchanged, kept"))
        return out
    order = settings.target == "sasrec"
    how: HoldOut = ("last" if order else "random") if settings.split == "auto" else settings.split
    split = leave_one_out(loaded.interactions, how=how, seed=settings.seed)
    data = TrainingData.from_split(loaded.interactions, split, loaded.catalogue, how=how)
    say(Event("target", f"{len(data.train):,} cases, {len(loaded.catalogue):,} outcomes"))
    target = _make_target(settings, data, out)
    known = target.parts.index
    parts = {
        user: tuple(i for i in items if i in known and i != split.test.get(user))
        for user, items in loaded.interactions.histories().items()
    }
    _write_cases(settings, parts)
    _finish(settings.out / "labels" / "cases", made_from, how=how)
    return out


def _make_target(settings: RunSettings, data: TrainingData, out: Path) -> BundleTarget:
    if settings.target == "als":
        from innerview.targets.train_als import train_als

        return train_als(data, out, seed=settings.seed, overwrite=True)
    if settings.target == "sasrec":
        from innerview.targets.train_sasrec import train_sasrec

        return train_sasrec(data, out, seed=settings.seed, overwrite=True)
    from innerview.targets.files import copy_bundle

    copy_bundle(Path(settings.target), out)
    return load_bundle(out)


def _write_cases(settings: RunSettings, parts: dict[str, tuple[str, ...]]) -> None:
    usable = {user: items for user, items in parts.items() if len(items) >= 2}
    n_test = min(settings.n_test, len(usable) // 3)
    n_valid = min(100, len(usable) // 10)
    users = split_users(sorted(usable), n_valid=n_valid, n_test=n_test, seed=settings.seed)
    groups = [(g, u) for g in ("train", "valid", "test") for u in getattr(users, g)]
    folder = settings.out / "labels" / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {
            "group": [g for g, _ in groups],
            "case_id": [u for _, u in groups],
            "parts": [list(usable[u]) for _, u in groups],
        },
        schema={"group": pl.String, "case_id": pl.String, "parts": pl.List(pl.String)},
    ).write_parquet(folder / "cases.parquet", compression="zstd")


def load_cases(run: Path) -> Cases:
    """The cases of a run folder.

    Raises:
        RunError: the folder has none yet.
    """
    path = run / "labels" / "cases" / "cases.parquet"
    if not path.exists():
        raise RunError(f"{path} is missing; run: innerview target train --out {run}")
    rows = pl.read_parquet(path).rows()
    return Cases(
        *(
            tuple(Case(c, tuple(p)) for g, c, p in rows if g == group)
            for group in ("train", "valid", "test")
        )
    )


def _recent(case: Case, target: BundleTarget) -> Case:
    """What the target sees of a case: its last parts."""
    return Case(case.case_id, case.parts[-target.capabilities.max_parts :])


# -- labels and records -----------------------------------------------------------------------


def label(
    run: Path, say: Say, *, mixture: MixtureSettings | None = None, n_test: int = 400, seed: int = 0
) -> Path:
    """Ask the target for every label and write the records: training, valid, test."""
    target = load_bundle(run / "target")
    cases = load_cases(run)
    mixture = mixture or MixtureSettings(seed=seed)
    labels = LabelSettings(n_interest=mixture.interest_pairs, seed=seed)
    made_from = _digest(
        [target.fingerprint, asdict(mixture), asdict(labels), n_test, _digest(cases.train), 3]
    )
    folder = run / "records"
    if _is_current(folder, made_from):
        say(Event("labels", "unchanged, kept"))
        return folder
    began = target.queries.used
    say(Event("labels", f"asking the target about {len(cases.train):,} cases"))
    shuffled = [cases.train[i] for i in np.random.default_rng(seed).permutation(len(cases.train))]
    groups = case_records(target, shuffled, mixture, labels)
    groups += item_records(target, mixture)
    prose = [_recent(c, target) for c in shuffled[: mixture.n_prose]]
    groups += prose_records(target, prose, seed=seed)
    order = np.random.default_rng(seed + 1).permutation(len(groups))
    flat = [r for i in order for r in groups[i]]
    (folder / "train").mkdir(parents=True, exist_ok=True)
    write_records(folder / "train" / "records.parquet", flat)
    for name, chosen in (("valid", cases.valid), ("test", cases.test[:n_test])):
        recent = [_recent(c, target) for c in chosen]
        held_out = [r for form in FORMS for r in test_records(target, recent, form, labels)]
        write_records(folder / f"{name}.parquet", held_out)
    queries = target.queries.used - began
    say(Event("labels", f"{len(flat):,} training records, {queries:,} target queries"))
    _finish(folder, made_from, queries=queries, n_records=len(flat))
    return folder


def _groups(records: Sequence[Record]) -> list[list[Record]]:
    """Neighbours with the same context, together."""
    groups: list[list[Record]] = []
    for record in records:
        if groups and groups[-1][0].context_key == record.context_key:
            groups[-1].append(record)
        else:
            groups.append([record])
    return groups


# -- surrogate ----------------------------------------------------------------------------------


def align(
    run: Path,
    say: Say,
    *,
    base: str = "smollm2-135m-instruct",
    chat: Path | None = None,
    max_seconds: float | None = None,
    max_steps: int | None = None,
    seed: int = 0,
) -> Path:
    """Train the surrogate on the records; goes on where a killed training stopped."""
    from innerview.surrogate.base import load_base
    from innerview.surrogate.surrogate import Surrogate
    from innerview.surrogate.train import Progress, TrainSettings

    target = load_bundle(run / "target")
    records_from = json.loads((run / "records" / "stage.json").read_text(encoding="utf-8"))
    settings = TrainSettings(max_seconds=max_seconds, max_steps=max_steps, seed=seed)
    made_from = _digest([records_from["made_from"], base, asdict(settings), target.fingerprint])
    folder = run / "surrogate"
    if _is_current(folder, made_from):
        say(Event("align", "unchanged, kept"))
        return folder
    say(Event("align", f"loading {base}"))
    surrogate = Surrogate(load_base(base), target, lora_rank=settings.lora_rank, seed=seed)
    groups = _groups(read_records(run / "records" / "train" / "records.parquet"))
    asker = Asker(target.outcomes, target.parts)
    pairs = read_chat(chat) if chat else _own_answers(surrogate, asker, run, say)
    groups = _sprinkle(groups, chat_records(asker, pairs), seed=seed)

    def report(p: Progress) -> None:
        losses = " ".join(f"{task} {loss:.2f}" for task, loss in p.task_loss.items())
        say(
            Event(
                "align",
                f"step {p.step}/{p.max_steps}, {p.tokens_per_s:.0f} tokens/s, "
                f"{p.examples_per_s:.1f} examples/s, {p.seconds_left / 60:.0f} min left; {losses}",
                p.step / p.max_steps,
            )
        )

    summary = surrogate.align(groups, settings, folder=folder, on_progress=report)
    surrogate.save(folder, provenance={"seed": seed, "records": records_from["made_from"]})
    _finish(folder, made_from)
    say(Event("align", f"{summary.examples:,} examples in {summary.seconds / 60:.0f} min", 1.0))
    return folder


def _own_answers(surrogate: Any, asker: Asker, run: Path, say: Say) -> list[tuple[str, str]]:
    """What the base model says to plain questions before it is aligned; asked once per run."""
    path = run / "records" / "chat.jsonl"
    if path.exists():
        return read_chat(path)
    say(Event("align", "letting the base model answer plain questions, to keep its speech"))
    asked = [asker.chat(prompt, "?") for prompt in CHAT_PROMPTS]
    pairs = list(zip(CHAT_PROMPTS, surrogate.answer(asked, max_new_tokens=64), strict=True))
    part = path.with_name(".chat.jsonl.part")
    lines = (json.dumps({"prompt": p, "answer": a}, ensure_ascii=False) for p, a in pairs)
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)
    return pairs


def _sprinkle(
    groups: list[list[Record]], extra: list[list[Record]], *, seed: int
) -> list[list[Record]]:
    """Spread a few groups evenly over many."""
    if not extra:
        return groups
    step = max(1, len(groups) // len(extra))
    mixed: list[list[Record]] = []
    for i, group in enumerate(groups):
        if i % step == 0 and i // step < len(extra):
            mixed.append(extra[(i // step + seed) % len(extra)])
        mixed.append(group)
    return mixed
