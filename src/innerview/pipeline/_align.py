"""From a target and its cases to records, and from records to a surrogate."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from innerview.alignment.cases import read_cases
from innerview.alignment.chat import CHAT_PROMPTS, chat_records, read_chat
from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import (
    MixtureSettings,
    case_records,
    heldout_outcomes,
    outcome_records,
    outcome_test_records,
    settings_for,
    test_records,
)
from innerview.alignment.prose import prose_records
from innerview.alignment.records import FORMS, Record, iter_records, write_records
from innerview.alignment.tasks import Asker
from innerview.errors import RunError
from innerview.files import (
    BLANK_SEAL,
    discard_folder,
    is_sealed,
    recover_folder,
    seal,
    write_whole,
)
from innerview.pipeline._measured import limits_of
from innerview.pipeline._stage import Event, Say, digest, finish, is_current
from innerview.targets import Target, load_target

if TYPE_CHECKING:
    from innerview.surrogate.factors import Factors
    from innerview.surrogate.train import TrainSettings

__all__ = ["TrainingGroups", "align", "label", "neighbours"]

_FACTORED = 1
"""Of how vectors are made for a target that gives none."""


def label(
    run: Path, say: Say, *, mixture: MixtureSettings | None = None, n_test: int = 400, seed: int = 0
) -> Path:
    """Ask the target for every label and write the records: training, valid, test."""
    target = load_target(run / "target")
    cases = read_cases(run)
    forms = FORMS if target.capabilities.vectors else FORMS[:1]
    mixture = settings_for(target, mixture or MixtureSettings(seed=seed))
    labels = LabelSettings(n_interest=max(mixture.interest_pairs.values()), seed=seed)
    made_from = digest(
        [target.fingerprint, asdict(mixture), asdict(labels), n_test, digest(cases.train), 7]
    )
    folder = run / "records"
    if is_current(folder, made_from):
        say(Event("labels", "unchanged, kept"))
        return folder
    began = target.queries.used
    drawn = np.random.default_rng(seed).permutation(len(cases.train))[: mixture.max_cases]
    shuffled = [cases.train[i] for i in drawn]
    for limit in limits_of(target):
        say(Event("labels", limit))
    say(Event("labels", f"asking the target about {len(shuffled):,} cases"))
    groups = case_records(target, shuffled, mixture, labels)
    groups += outcome_records(target, mixture)
    prose = [c.last(target.capabilities.max_parts) for c in shuffled[: mixture.n_prose]]
    heldout = heldout_outcomes(target, mixture)
    groups += prose_records(target, prose, seed=seed, heldout=heldout)
    order = np.random.default_rng(seed + 1).permutation(len(groups))
    flat = [r for i in order for r in groups[i]]
    (folder / "train").mkdir(parents=True, exist_ok=True)
    write_records(folder / "train" / "records.parquet", flat)
    for name, chosen in (("valid", cases.valid), ("test", cases.test[:n_test])):
        recent = [c.last(target.capabilities.max_parts) for c in chosen]
        asked = [
            r for form in forms for r in test_records(target, recent, form, labels, heldout=heldout)
        ]
        asked += outcome_test_records(target, n=len(chosen), seed=seed, heldout=heldout)
        write_records(folder / f"{name}.parquet", asked)
    queries = target.queries.used - began
    say(Event("labels", f"{len(flat):,} training records, {queries:,} target queries"))
    finish(folder, made_from, queries=queries, n_records=len(flat), n_heldout=len(heldout))
    return folder


def neighbours(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Neighbours with the same context, together."""
    for _, group in groupby(records, key=lambda record: record.context_key):
        yield list(group)


@dataclass(frozen=True, slots=True)
class TrainingGroups:
    """Groups of records off the disk, each time anew, with a few others spread evenly over them."""

    path: Path
    extra: Sequence[list[Record]] = ()
    seed: int = 0

    def __iter__(self) -> Iterator[list[Record]]:
        groups = neighbours(iter_records(self.path))
        if not self.extra:
            yield from groups
            return
        n = len(self.extra)
        step = max(1, sum(1 for _ in neighbours(iter_records(self.path))) // n)
        for i, group in enumerate(groups):
            if i % step == 0 and i // step < n:
                yield self.extra[(i // step + self.seed) % n]
            yield group


def align(
    run: Path,
    say: Say,
    *,
    base: str = "smollm2-135m-instruct",
    chat: Path | None = None,
    max_seconds: float | None = None,
    max_steps: int | None = None,
    settings: TrainSettings | None = None,
    seed: int = 0,
) -> Path:
    """Train the surrogate on the records; goes on where a killed training stopped.

    Args:
        run: with target and records.
        say: told how far it is.
        base: name, path or hub id of the language model.
        chat: JSONL of ``prompt`` and ``answer``, whose speech is kept.
        max_seconds: a budget of wall time.
        max_steps: how many steps.
        settings: everything else about the training; usual settings by default.
        seed: of the adapters, and of what is fitted.
    """
    from innerview.surrogate.base import load_base
    from innerview.surrogate.manifest import read_manifest
    from innerview.surrogate.surrogate import Surrogate
    from innerview.surrogate.train import Progress, TrainSettings

    target = load_target(run / "target")
    records_from = json.loads((run / "records" / "stage.json").read_text(encoding="utf-8"))
    settings = replace(
        settings or TrainSettings(), max_seconds=max_seconds, max_steps=max_steps, seed=seed
    )
    # Left out: the budget, as time spent elsewhere must not throw a finished training away, and
    # what changes nothing but memory.
    lasting = asdict(replace(settings, max_seconds=None))
    del lasting["checkpoint_activations"]
    given = read_chat(chat) if chat else None
    asked = [records_from["made_from"], base, lasting, target.fingerprint, given]
    is_black_box = target.capabilities.rescoring and not target.capabilities.vectors
    made_from = digest([*asked, _FACTORED] if is_black_box else asked)
    folder = run / "surrogate"
    recover_folder(folder)
    # The manifest is the mark, not a file behind it: a kill in between would cost the training.
    if (folder / "manifest.json").exists() and read_manifest(folder).get("made_from") == made_from:
        say(Event("align", "unchanged, kept"))
        return folder
    _drop_stale(folder, made_from, say)
    say(Event("align", f"loading {base}"))
    surrogate = Surrogate(
        load_base(base), target, lora_rank=settings.lora_rank, seed=seed,
        factors=_factored(target, run, say, seed=seed) if is_black_box else None,
    )  # fmt: skip
    asker = Asker(target.outcomes, target.parts)
    pairs = _own_answers(surrogate, asker, run, say) if given is None else given
    groups = TrainingGroups(
        run / "records" / "train" / "records.parquet", chat_records(asker, pairs), seed
    )

    def report(p: Progress) -> None:
        losses = " ".join(f"{task} {loss:.2f}" for task, loss in p.task_loss.items())
        say(
            Event(
                "align",
                f"step {p.step}/{p.max_steps}, {p.tokens_per_s:.0f} tokens/s, "
                f"{p.examples_per_s:.1f} examples/s; loss: {losses}",
                p.step / p.max_steps,
            )
        )

    say(Event("align", "writing what the target knows into the weights; this takes minutes"))
    summary = surrogate.align(groups, settings, folder=folder, on_progress=report)
    provenance = {"seed": seed, "records": records_from["made_from"], "made_from": made_from}
    surrogate.save(folder, provenance=provenance)
    say(Event("align", f"{summary.examples:,} examples in {summary.seconds / 60:.0f} min", 1.0))
    return folder


def _factored(target: Target, run: Path, say: Say, *, seed: int) -> Factors:
    """Vectors in the place of those that a target does not give."""
    from innerview.surrogate.factors import factor_scores

    cases = [case.last(target.capabilities.max_parts) for case in read_cases(run).train]
    say(Event("align", f"{target.name} gives no vectors; factoring what it scores instead"))
    factors = factor_scores(target, cases, seed=seed)
    say(
        Event(
            "align",
            f"{factors.loadings.shape[1]} factors explain {factors.explained:.2f} of the scores of "
            f"{factors.queries:,} cases",
        )
    )
    return factors


def _drop_stale(folder: Path, made_from: str, say: Say) -> None:
    """Remove checkpoints of a training on something else, and note what this one is on.

    Raises:
        RunError: the note is damaged, and what the training was on is not known.
    """
    note = folder / "started.json"
    data = note.read_bytes() if note.exists() else None
    if data is not None and not is_sealed(data):
        raise RunError(f"{note}: changed since it was written; remove {folder} to align anew")
    if data is not None and json.loads(data)["made_from"] == made_from:
        return
    if folder.exists():
        say(Event("align", "what is there was made from something else; aligning anew"))
        discard_folder(folder)
    fresh = seal(json.dumps({"made_from": made_from, "seal": BLANK_SEAL}, indent=1).encode())
    write_whole(note, lambda beside: beside.write_bytes(fresh))


def _own_answers(surrogate: Any, asker: Asker, run: Path, say: Say) -> list[tuple[str, str]]:
    """What the base model says to plain questions before it is aligned; asked once per run."""
    path = run / "records" / f"chat-{digest(surrogate.base.name)[:12]}.jsonl"
    if path.exists():
        return read_chat(path)
    say(Event("align", "letting the base model answer plain questions, to keep its speech"))
    asked = [asker.chat(prompt, "?") for prompt in CHAT_PROMPTS]
    pairs = list(zip(CHAT_PROMPTS, surrogate.answer(asked, max_new_tokens=64), strict=True))
    lines = [json.dumps({"prompt": p, "answer": a}, ensure_ascii=False) + "\n" for p, a in pairs]
    write_whole(path, lambda beside: beside.write_text("".join(lines), encoding="utf-8"))
    return pairs
