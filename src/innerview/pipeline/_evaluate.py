"""How well the surrogate stands in: every answerer over the same held-out questions."""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from innerview.alignment.records import FORMS, Record, read_records
from innerview.evaluation.answers import alignment_metrics
from innerview.evaluation.baselines import constant_answers, popularity_answers, random_answers
from innerview.evaluation.results import write_metrics, write_predictions
from innerview.pipeline._align import neighbours
from innerview.pipeline._stage import Event, Say, digest, finish, is_current
from innerview.targets import load_bundle

__all__ = ["evaluate"]

_OF_VECTORS = ("history", "item_title")


def evaluate(run: Path, say: Say, *, unaligned: bool = True, seed: int = 0) -> Path:
    """Ask the surrogate, the unaligned base and the tables the held-out questions; measure."""
    from innerview.surrogate.base import load_base
    from innerview.surrogate.surrogate import Surrogate

    target = load_bundle(run / "target")
    records = read_records(run / "records" / "test.parquet")
    surrogate = Surrogate.load(run / "surrogate", target)
    made_from = digest([target.fingerprint, surrogate.fingerprint, unaligned, seed, 1])
    path = run / "report" / "metrics.json"
    if is_current(run / "report", made_from):
        say(Event("evaluate", "unchanged, kept"))
        return path
    began = time.monotonic()
    # These ask the vectors alone, whatever the form, so their answers count for both.
    shared = [r for r in records if r.task in _OF_VECTORS]
    by_form = {
        form: [r for r in records if r.form == form and r.task not in _OF_VECTORS] for form in FORMS
    }
    answered: dict[str, tuple[list[Record], list[Any]]] = {}
    say(Event("evaluate", f"{len(shared)} questions to vectors alone"))
    of_vectors = surrogate.answer(shared)
    for form, own in by_form.items():
        if own:
            say(Event("evaluate", f"{len(own)} questions in {form} form"))
            both = form != "behavior"
            values = surrogate.answer(own) + (of_vectors if both else [])
            answered[form] = (own + (shared if both else []), values)
    tables = by_form["behavior"] + shared
    popularity = json.loads((run / "labels" / "popularity.json").read_text(encoding="utf-8"))
    train = read_records(run / "records" / "train" / "records.parquet")
    first = [r.label["top"][0] for r in train if r.task == "retrieval"]
    answered["popularity"] = (tables, popularity_answers(tables, target, popularity, seed=seed))
    answered["constant"] = (tables, constant_answers(tables, target, first, seed=seed))
    answered["random"] = (tables, random_answers(tables, target, seed))
    if unaligned:
        say(Event("evaluate", f"{len(tables)} questions to the unaligned base model"))
        groups = neighbours(train)
        base = Surrogate(load_base(surrogate.base.name), target, seed=seed)
        base.start(groups, features=surrogate.manifest["projectors"]["features"] if shared else 0)
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
