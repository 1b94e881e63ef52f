"""How well the surrogate stands in: every answerer over the same held-out questions."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from innerview.alignment.records import FORMS, Record, iter_records, read_records
from innerview.evaluation.answers import alignment_metrics
from innerview.evaluation.baselines import constant_answers, popularity_answers, random_answers
from innerview.evaluation.results import write_metrics, write_predictions
from innerview.pipeline._align import neighbours
from innerview.pipeline._stage import Event, Say, digest, finish, is_current
from innerview.targets import load_bundle

__all__ = ["evaluate"]

_OF_VECTORS = ("history", "item_title")
_SHARD = 10


def evaluate(
    run: Path,
    say: Say,
    *,
    unaligned: bool = True,
    max_seconds: float | None = None,
    seed: int = 0,
) -> Path:
    """Ask the surrogate, the unaligned base and the tables the held-out questions; measure.

    Args:
        run: with target, records and surrogate.
        say: told how far it is.
        unaligned: ask the base language model, before training, as well.
        max_seconds: stop asking about further cases when another few would take longer; the
            figures then rest on fewer cases, and say on how many.
        seed: of baselines and intervals.
    """
    from innerview.surrogate.base import load_base
    from innerview.surrogate.surrogate import Surrogate

    target = load_bundle(run / "target")
    surrogate = Surrogate.load(run / "surrogate", target)
    made_from = digest([target.fingerprint, surrogate.fingerprint, unaligned, seed, 2])
    path = run / "report" / "metrics.json"
    if is_current(run / "report", made_from):
        say(Event("evaluate", "unchanged, kept"))
        return path
    began = time.monotonic()
    shards = _shards(read_records(run / "records" / "test.parquet"))
    records: list[Record] = []
    values: list[Any] = []
    for number, shard in enumerate(shards):
        spent = time.monotonic() - began
        if number and max_seconds is not None and spent * (number + 1) / number > max_seconds:
            say(Event("evaluate", f"stopped after {number * _SHARD} cases: the budget is spent"))
            break
        say(Event("evaluate", f"{number * _SHARD} held-out cases asked", number / len(shards)))
        values += surrogate.answer(shard)
        records += shard
    answered = _by_form(records, values)
    tables = [r for r in records if r.form == "behavior" or r.task in _OF_VECTORS]
    popularity = json.loads((run / "labels" / "popularity.json").read_text(encoding="utf-8"))
    train = run / "records" / "train" / "records.parquet"
    first = [r.label["top"][0] for r in iter_records(train) if r.task == "retrieval"]
    answered["popularity"] = (tables, popularity_answers(tables, target, popularity, seed=seed))
    answered["constant"] = (tables, constant_answers(tables, target, first, seed=seed))
    answered["random"] = (tables, random_answers(tables, target, seed))
    if unaligned:
        say(Event("evaluate", f"{len(tables)} questions to the unaligned base model"))
        base = Surrogate(load_base(surrogate.base.name), target, seed=seed)
        shape = surrogate.manifest["projectors"] or {}
        base.start(neighbours(iter_records(train)), features=shape.get("features", 0))
        base.fold()
        answered["unaligned"] = (tables, base.answer(tables))
    tree = {m: alignment_metrics(own, values, seed=seed) for m, (own, values) in answered.items()}
    meta = {
        "target": target.fingerprint,
        "surrogate": surrogate.fingerprint,
        "base": surrogate.base.name,
        "seed": seed,
        "innerview": version("innerview"),
        "queries": json.loads((run / "records" / "stage.json").read_text())["queries"],
        "seconds": round(time.monotonic() - began, 1),
        "n_cases": len({r.case_id for r in records if r.case_id}),
    }
    write_metrics(path, {"alignment": tree}, meta=meta)
    write_predictions(run / "report" / "predictions.parquet", answered)
    finish(run / "report", made_from)
    return path


def _shards(records: Sequence[Record]) -> list[list[Record]]:
    """The records of a few cases at a time, each with its share of those without a case."""
    cases = list(dict.fromkeys(r.case_id for r in records if r.case_id))
    n = max(1, -(-len(cases) // _SHARD))
    shard_of = {case_id: at // _SHARD for at, case_id in enumerate(cases)}
    shards: list[list[Record]] = [[] for _ in range(n)]
    for at, record in enumerate(records):
        shards[shard_of.get(record.case_id, at % n)].append(record)
    return shards


def _by_form(
    records: Sequence[Record], values: Sequence[Any]
) -> dict[str, tuple[list[Record], list[Any]]]:
    """Questions and answers of each form; those to the vectors alone count for both that have
    vectors."""
    pairs = list(zip(records, values, strict=True))
    answered: dict[str, tuple[list[Record], list[Any]]] = {}
    for form in FORMS:
        own = [(r, v) for r, v in pairs if r.form == form and r.task not in _OF_VECTORS]
        if own and form != "behavior":
            own += [(r, v) for r, v in pairs if r.task in _OF_VECTORS]
        if own:
            answered[form] = ([r for r, _ in own], [v for _, v in own])
    return answered
