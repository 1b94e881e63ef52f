"""How well the surrogate stands in: every answerer over the same held-out questions."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerview.alignment.mixture import decile_records
from innerview.alignment.records import (
    DECILE,
    FORMS,
    HELDOUT,
    Record,
    iter_records,
    read_records,
)
from innerview.evaluation._tables import FLOORS
from innerview.evaluation.answers import alignment_metrics
from innerview.evaluation.baselines import constant_answers, popularity_answers, random_answers
from innerview.evaluation.channels import channel_shifts
from innerview.evaluation.differences import paired_differences
from innerview.evaluation.in_context import IN_CONTEXT_TASKS, solved_examples
from innerview.evaluation.interest import calibration_bins, decile_figures
from innerview.evaluation.results import (
    MetricTree,
    from_wire,
    to_wire,
    write_metrics,
    write_predictions,
)
from innerview.pipeline._align import TrainingGroups
from innerview.pipeline._kept import Kept
from innerview.pipeline._stage import Event, Say, digest, finish, is_current
from innerview.targets import Case, Target, load_target

if TYPE_CHECKING:
    from innerview.surrogate.surrogate import Surrogate

__all__ = ["evaluate"]

Answered = dict[str, tuple[list[Record], list[Any]]]
"""By who was asked: the questions, and one answer to each."""

_OF_VECTORS = ("history", "item_title")
_SHARD = 10
_VERSION = 9
"""Of what is measured."""
_SAID = 8
"""Of what language models are asked, whose answers are kept."""
_FEW = 5
"""Outcomes of which all are named where the five best are asked for."""
_DECILE_CASES = 100
_BASE_CASES = 50
"""Cases that the base model is asked about, before training: it names by beam search, at several
times the surrogate's cost, and is far from every rival."""


def evaluate(
    run: Path,
    say: Say,
    *,
    unaligned: bool = True,
    distilled: bool = True,
    channels: bool = True,
    n_reasons: int = 200,
    max_seconds: float | None = None,
    seed: int = 0,
) -> Path:
    """Ask the surrogate, the unaligned base and the tables the held-out questions; measure.

    What a language model has answered is kept: whoever is killed goes on, and whoever wants more
    asks for the rest.

    Args:
        run: with target, records and surrogate.
        say: told how far it is.
        unaligned: ask the base language model, before training, as well, about the first 50
            cases: as it is, and with two solved examples before each question.
        distilled: teach a small network the same training labels, and ask it as well.
        channels: measure what the surrogate says when words and vectors disagree.
        n_reasons: cases of which the strongest reason is asked, in each form: for that the
            surrogate replays a question on itself once for every part.
        max_seconds: stop asking about further cases when another few would take longer; the
            figures then rest on fewer cases, and say on how many.
        seed: of baselines and intervals.
    """
    from innerview.surrogate.surrogate import Surrogate

    target = load_target(run / "target")
    surrogate = Surrogate.load(run / "surrogate", target)
    asked = {
        "unaligned": unaligned, "distilled": distilled, "channels": channels, "reasons": n_reasons
    }  # fmt: skip
    whose = [target.fingerprint, surrogate.fingerprint, seed, _SAID]
    made_from = digest([*whose, asked, _VERSION])
    path = run / "report" / "metrics.json"
    if is_current(run / "report", made_from):
        say(Event("evaluate", "unchanged, kept"))
        return path
    began = time.monotonic()
    stage = json.loads((run / "records" / "stage.json").read_text(encoding="utf-8"))
    test = read_records(run / "records" / "test.parquet")
    reasons = _of_first_cases([r for r in test if r.task == "attribution"], n_reasons)
    test = [r for r in test if r.task != "attribution"]
    test += _over_the_ranking(target, test, seed=seed)
    train = run / "records" / "train" / "records.parquet"
    kept = Kept(run / "report" / ".kept" / "evaluate.jsonl", digest([*whose, stage["made_from"]]))
    records, values = _own_answers(surrogate, test, reasons, kept, say, max_seconds=max_seconds)
    answered = _by_form(records, values)
    rivals = [r for r in records if r.form == "behavior" or r.task in _OF_VECTORS]
    answered |= _of_tables(run, target, train, rivals, seed=seed)
    if distilled:
        say(Event("evaluate", "teaching a small network the same labels, for comparison"))
        valid = read_records(run / "records" / "valid.parquet")
        answered["distilled"] = _distilled(target, read_records(train), valid, rivals, seed=seed)
    if unaligned:
        answered |= _of_the_base(surrogate, train, rivals, kept, say, seed=seed)
    few = len(target.outcomes) <= _FEW
    tree: dict[str, MetricTree] = {
        "alignment": {
            name: alignment_metrics(own, said, few=few, seed=seed)
            for name, (own, said) in answered.items()
        }
    }
    if "hybrid" in answered:
        tree["differences"] = paired_differences(_rivals(answered), of="hybrid", few=few, seed=seed)
    tree["deciles"] = _by_decile(answered, seed=seed)
    tree["calibration"] = _calibration(answered, seed=seed)
    if channels:
        n_cases = len({r.case_id for r in records})
        shifts = kept.get(
            f"channels of {n_cases} cases",
            lambda: to_wire(_channels(surrogate, target, records, say, seed=seed)),
        )
        if shifts:
            tree["channels"] = from_wire(shifts)
    meta = {
        "target": target.fingerprint,
        "surrogate": surrogate.fingerprint,
        "base": surrogate.base.name,
        "seed": seed,
        "innerview": version("innerview"),
        "queries": stage["queries"],
        "seconds": round(time.monotonic() - began, 1),
        "n_cases": len({r.case_id for r in records if r.case_id}),
    }
    # Whoever finds metrics of this surrogate finds its answers too.
    write_predictions(run / "report" / "predictions.parquet", answered)
    write_metrics(path, tree, meta=meta)
    finish(run / "report", made_from)
    return path


def _of_first_cases(records: Sequence[Record], n: int) -> list[Record]:
    """Those about the first cases."""
    first = set(list(dict.fromkeys(r.case_id for r in records))[:n])
    return [r for r in records if r.case_id in first]


def _over_the_ranking(target: Target, test: Sequence[Record], *, seed: int) -> list[Record]:
    """Judgements of outcomes from all over the target's ranking, of the first cases, in all forms
    that are tested."""
    found: list[Record] = []
    for form in FORMS:
        asked = {
            r.case_id: Case(r.case_id, r.parts[: r.visible])
            for r in test
            if r.task == "retrieval" and r.form == form
        }
        found += decile_records(target, list(asked.values())[:_DECILE_CASES], form, seed=seed)
    return found


def _by_decile(answered: Answered, *, seed: int) -> MetricTree:
    found: dict[str, MetricTree] = {}
    for name, (records, values) in answered.items():
        asked = [(r, v) for r, v in zip(records, values, strict=True) if DECILE in r.label]
        if asked:
            found[name] = decile_figures(*zip(*asked, strict=True), seed=seed)
    return found


def _calibration(answered: Answered, *, seed: int) -> MetricTree:
    """Of the surrogate, over the ordinary judgements."""
    found: dict[str, MetricTree] = {}
    for form in FORMS:
        asked = [
            (r, v)
            for r, v in zip(*answered.get(form, ([], [])), strict=True)
            if r.task == "interest" and not {DECILE, HELDOUT} & r.label.keys()
        ]
        if asked:
            found[form] = calibration_bins(*zip(*asked, strict=True), seed=seed)
    return found


def _rivals(answered: Answered) -> Answered:
    """Those that know the case. What is asked of the vectors alone is answered once for all forms
    that have them, so between those there is nothing to compare."""
    found: Answered = {}
    for name, (records, values) in answered.items():
        if name in FORMS and name != "hybrid":
            kept = [at for at, record in enumerate(records) if record.task not in _OF_VECTORS]
            found[name] = ([records[at] for at in kept], [values[at] for at in kept])
        elif name not in FLOORS:
            found[name] = (records, values)
    return found


def _own_answers(
    surrogate: Surrogate,
    test: Sequence[Record],
    reasons: Sequence[Record],
    kept: Kept,
    say: Say,
    *,
    max_seconds: float | None,
) -> tuple[list[Record], list[Any]]:
    """What the surrogate says, and the questions that it was asked in the time it had. Reasons are
    asked for and kept apart, so that whoever wants more of them asks for the rest."""
    began = time.monotonic()
    shards, of_reasons = _shards(test), _shards(reasons)
    records: list[Record] = []
    values: list[Any] = []
    for number, shard in enumerate(shards):
        spent = time.monotonic() - began
        if number and max_seconds is not None and spent * (number + 1) / number > max_seconds:
            say(Event("evaluate", f"stopped after {number * _SHARD} cases: the budget is spent"))
            break
        say(Event("evaluate", f"{number * _SHARD} held-out cases asked", number / len(shards)))
        asked = {"answers": shard}
        if reasons and number < len(of_reasons):
            asked["reasons"] = of_reasons[number]
        for name, some in asked.items():
            values += kept.get(f"{name} {number}", partial(surrogate.answer, some))
            records += some
    return records, values


def _of_tables(
    run: Path, target: Target, train: Path, asked: list[Record], *, seed: int
) -> Answered:
    """What popularity, the target's favourites and chance say."""
    popularity = json.loads((run / "labels" / "popularity.json").read_text(encoding="utf-8"))
    first = [r.label["top"][0] for r in iter_records(train) if r.task == "retrieval"]
    return {
        "popularity": (asked, popularity_answers(asked, target, popularity, seed=seed)),
        "constant": (asked, constant_answers(asked, target, first, seed=seed)),
        "random": (asked, random_answers(asked, target, seed)),
    }


def _of_the_base(
    surrogate: Surrogate, train: Path, asked: list[Record], kept: Kept, say: Say, *, seed: int
) -> Answered:
    """What the base language model says before training: as it is, and shown two examples."""
    from innerview.surrogate.base import load_base
    from innerview.surrogate.surrogate import Surrogate

    usual = [r for r in asked if DECILE not in r.label]
    asked = [r for shard in _shards(usual)[: _BASE_CASES // _SHARD] for r in shard]
    told = [r for r in asked if r.task in IN_CONTEXT_TASKS]

    def ask() -> tuple[list[Any], list[Any]]:
        say(Event("evaluate", f"{len(asked)} questions to the unaligned base model"))
        base = Surrogate(load_base(surrogate.base.name), surrogate.target, seed=seed)
        shape = surrogate.manifest["projectors"] or {}
        base.start(TrainingGroups(train), features=shape.get("features", 0))
        base.fold()
        unaligned = base.answer(asked)
        say(Event("evaluate", f"{len(told)} of them again, with two solved examples each"))
        base.encoder.show(solved_examples(read_records(train), seed=seed))
        return unaligned, base.answer(told)

    unaligned, in_context = kept.get(f"base, {len(asked)} questions", ask)
    return {"unaligned": (asked, list(unaligned)), "in_context": (told, list(in_context))}


def _distilled(
    target: Target,
    train: Sequence[Record],
    valid: Sequence[Record],
    asked: Sequence[Record],
    *,
    seed: int,
) -> tuple[list[Record], list[Any]]:
    """What a student of the training labels says to the questions that it can be asked."""
    from innerview.evaluation.distilled import DISTILLED_TASKS, distil

    told = [r for r in asked if r.task in DISTILLED_TASKS]
    return told, list(distil(target, train, valid, seed=seed).answers(told))


def _channels(
    surrogate: Surrogate, target: Target, records: Sequence[Record], say: Say, *, seed: int
) -> MetricTree:
    """How far words and vectors move the surrogate, on the cases that were asked about."""
    cases = {
        r.case_id: Case(r.case_id, r.parts[: r.visible])
        for r in records
        if r.task == "retrieval" and r.form == "hybrid"
    }

    def tell(done: int, n: int) -> None:
        if not done % _SHARD:
            say(Event("evaluate", f"{done} of {n} pairs with their channels exchanged", done / n))

    return channel_shifts(
        surrogate.answer, surrogate.vectors.replaced, target, list(cases.values()),
        seed=seed, on_pair=tell,
    )  # fmt: skip


def _shards(records: Sequence[Record]) -> list[list[Record]]:
    """The records of a few cases at a time, each with its share of those without a case."""
    cases = list(dict.fromkeys(r.case_id for r in records if r.case_id))
    n = max(1, -(-len(cases) // _SHARD))
    shard_of = {case_id: at // _SHARD for at, case_id in enumerate(cases)}
    shards: list[list[Record]] = [[] for _ in range(n)]
    for at, record in enumerate(records):
        shards[shard_of.get(record.case_id, at % n)].append(record)
    return shards


def _by_form(records: Sequence[Record], values: Sequence[Any]) -> Answered:
    """Questions and answers of each form; those to the vectors alone count for both that have
    vectors."""
    pairs = list(zip(records, values, strict=True))
    answered: Answered = {}
    for form in FORMS:
        own = [(r, v) for r, v in pairs if r.form == form and r.task not in _OF_VECTORS]
        if own and form != "behavior":
            own += [(r, v) for r, v in pairs if r.task in _OF_VECTORS]
        if own:
            answered[form] = ([r for r, _ in own], [v for _, v in own])
    return answered
