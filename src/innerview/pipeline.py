"""The stages from tables to a report. Each leaves files in the run folder and is skipped when
what it was made from has not changed.

Knows how the rooms are put together and nothing of what goes on in them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np

from innerview.alignment.cases import read_cases, split_cases, write_cases
from innerview.alignment.chat import CHAT_PROMPTS, chat_records, read_chat
from innerview.alignment.labels import LabelSettings
from innerview.alignment.mixture import (
    MixtureSettings,
    case_records,
    item_records,
    item_test_records,
    test_records,
)
from innerview.alignment.prose import prose_records
from innerview.alignment.records import FORMS, Record, read_records, write_records
from innerview.alignment.tasks import Asker
from innerview.data.embedded import load_embedded
from innerview.data.formats import Loaded, load_dataset
from innerview.data.splits import HoldOut, leave_one_out
from innerview.errors import BundleError, RunError
from innerview.evaluation.answers import alignment_metrics
from innerview.evaluation.baselines import constant_answers, popularity_answers, random_answers
from innerview.evaluation.report import write_report
from innerview.evaluation.results import read_metrics, write_metrics, write_predictions
from innerview.explanation.explanation import Explanation
from innerview.targets import BundleTarget, Case, TrainingData, load_bundle

__all__ = [
    "Event",
    "RunSettings",
    "align",
    "demo",
    "evaluate",
    "explain",
    "label",
    "report",
    "run",
    "shipped_folder",
    "train_target",
]


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
    _write_json(folder / "stage.json", {"made_from": made_from, **more})


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(value, indent=1, default=str, ensure_ascii=False), encoding="utf-8")
    part.replace(path)


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
    if _is_current(settings.out / "labels", made_from) and (out / "manifest.json").exists():
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
        user: [i for i in items if i in known and i != split.test.get(user)]
        for user, items in loaded.interactions.histories().items()
    }
    cases = split_cases(parts, n_test=settings.n_test, seed=settings.seed)
    write_cases(settings.out / "labels" / "cases.parquet", cases)
    popularity = Counter(item for items in data.train.values() for item in items)
    _write_json(settings.out / "labels" / "popularity.json", dict(popularity))
    _finish(settings.out / "labels", made_from, how=how, notes=loaded.notes)
    return out


def _make_target(settings: RunSettings, data: TrainingData, out: Path) -> BundleTarget:
    if settings.target == "als":
        from innerview.targets.train_als import train_als

        return train_als(data, out, seed=settings.seed, overwrite=True)
    if settings.target == "sasrec":
        from innerview.targets.train_sasrec import train_sasrec

        return train_sasrec(data, out, seed=settings.seed, overwrite=True)
    given = load_bundle(settings.target)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(settings.target, out)
    shared = len(set(given.parts.ids) & set(data.catalogue.ids))
    if not shared:
        raise BundleError(f"{settings.target} knows none of the {len(data.catalogue)} items")
    return load_bundle(out)


def _recent(case: Case, target: BundleTarget) -> Case:
    """What the target sees of a case: its last parts."""
    return Case(case.case_id, case.parts[-target.capabilities.max_parts :])


# -- labels and records -----------------------------------------------------------------------


def label(
    run: Path, say: Say, *, mixture: MixtureSettings | None = None, n_test: int = 400, seed: int = 0
) -> Path:
    """Ask the target for every label and write the records: training, valid, test."""
    target = load_bundle(run / "target")
    cases = read_cases(run)
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
    forms = FORMS if target.capabilities.vectors else ("behavior",)
    for name, chosen in (("valid", cases.valid), ("test", cases.test[:n_test])):
        recent = [_recent(c, target) for c in chosen]
        held_out = [r for form in forms for r in test_records(target, recent, form, labels)]
        held_out += item_test_records(target, n=len(chosen), seed=seed)
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


# -- explanations, evaluation, report -----------------------------------------------------------


def explain(run: Path, say: Say, *, case_ids: Sequence[str] | None = None, n: int = 20) -> Path:
    """Explain what the target puts first for held-out cases, one JSON line each.

    Explanations that are there already are kept, so a killed run goes on where it stopped.
    """
    from innerview.explainer import Explainer

    explainer = Explainer.load(run)
    wanted = list(case_ids) if case_ids is not None else _worth_showing(run, n)
    fingerprint = explainer.surrogate.fingerprint if explainer.surrogate else "none"
    made_from = _digest([explainer.target.fingerprint, fingerprint])[:12]
    path = run / "explanations" / f"{made_from}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {e.case_id for e in _complete_lines(path)}
    left = [c for c in wanted if c not in done]
    for start in range(0, len(left), _SHARD):
        shard = left[start : start + _SHARD]
        share = (len(wanted) - len(left) + start) / max(1, len(wanted))
        say(Event("explain", f"{len(wanted) - len(left) + start}/{len(wanted)} cases", share))
        lines = [json.dumps(e.to_dict(), ensure_ascii=False) for e in explainer(list(shard))]
        with path.open("a", encoding="utf-8") as out:
            out.write("".join(f"{line}\n" for line in lines))
            out.flush()
            os.fsync(out.fileno())
    say(Event("explain", f"{len(wanted)} explanations in {path}", 1.0))
    return path


_SHARD = 20


def _worth_showing(run: Path, n: int) -> list[str]:
    """The first held-out cases of an ordinary length, so that pages stay readable."""
    test = read_cases(run).test
    ordinary = [c.case_id for c in test if len(c.parts) >= 4]
    return (ordinary or [c.case_id for c in test])[:n]


def _complete_lines(path: Path) -> list[Explanation]:
    """What a file of explanations holds; a line that a kill cut off is removed from it."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        part = path.with_name(f".{path.name}.part")
        part.write_text(whole, encoding="utf-8")
        part.replace(path)
    return [Explanation.from_dict(json.loads(line)) for line in whole.splitlines()]


def evaluate(run: Path, say: Say, *, unaligned: bool = True, seed: int = 0) -> Path:
    """Ask the surrogate, the unaligned base and the tables the held-out questions; measure."""
    from innerview.surrogate.base import load_base
    from innerview.surrogate.surrogate import Surrogate

    target = load_bundle(run / "target")
    records = read_records(run / "records" / "test.parquet")
    surrogate = Surrogate.load(run / "surrogate", target)
    made_from = _digest([target.fingerprint, surrogate.fingerprint, unaligned, seed, 1])
    path = run / "report" / "metrics.json"
    if _is_current(run / "report", made_from):
        say(Event("evaluate", "unchanged, kept"))
        return path
    shared = [r for r in records if r.task in ("history", "item_title")]
    by_form = {f: [r for r in records if r.form == f and r not in shared] for f in FORMS}
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
        groups = _groups(train)
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
        "n_cases": len({r.case_id for r in records if r.case_id}),
    }
    write_metrics(path, {"alignment": tree}, meta=meta)
    write_predictions(run / "report" / "predictions.parquet", answered)
    _finish(run / "report", made_from)
    return path


def report(run: Path, say: Say) -> Path:
    """Write ``report/index.html`` from whatever the run folder has."""
    target = load_bundle(run / "target")
    written = sorted((run / "explanations").glob("*.jsonl"), key=lambda p: p.stat().st_mtime)
    explanations = _complete_lines(written[-1]) if written else []
    metrics_path = run / "report" / "metrics.json"
    metrics = read_metrics(metrics_path) if metrics_path.exists() else {}
    path = run / "report" / "index.html"
    provenance = {
        "target": target.name,
        "target fingerprint": target.fingerprint[:16],
        "innerview": version("innerview"),
    }
    surrogate = run / "surrogate" / "manifest.json"
    if surrogate.exists():
        manifest = json.loads(surrogate.read_text(encoding="utf-8"))
        provenance["base language model"] = str(manifest["base"])
        provenance["aligned on"] = f"{manifest.get('training', {}).get('examples', 0):,} examples"
    labels = run / "labels" / "stage.json"
    stage = json.loads(labels.read_text(encoding="utf-8")) if labels.exists() else {}
    write_report(
        path,
        explanations=explanations,
        metrics=metrics,
        target_report=target.manifest.training if target.manifest else {},
        provenance=provenance,
        notes=stage.get("notes", ()),
    )
    say(Event("report", f"report: {path}", 1.0))
    return path


# -- the whole way --------------------------------------------------------------------------------


def run(settings: RunSettings, say: Say) -> Path:
    """From tables to a report within about ``time_budget_s``; every stage is resumable."""
    began = time.monotonic()
    train_target(settings, say)
    label(settings.out, say, n_test=settings.n_test, seed=settings.seed)
    # Alignment gets what is left after target and labels, less what explaining will take.
    left = settings.time_budget_s - (time.monotonic() - began)
    align(
        settings.out,
        say,
        base=settings.base,
        chat=settings.chat,
        max_seconds=max(60.0, 0.6 * left),
        seed=settings.seed,
    )
    evaluate(settings.out, say, unaligned=False, seed=settings.seed)
    explain(settings.out, say, n=settings.n_explain)
    return report(settings.out, say).parent.parent


def shipped_folder() -> Path:
    """Where the target and surrogate that come with the package lie."""
    return Path(str(files("innerview").joinpath("shipped")))


def demo(out: Path, say: Say, *, n: int = 20) -> Path:
    """Explain held-out cases of the shipped target afresh, with the shipped surrogate.

    Raises:
        RunError: the package was built without the shipped run.
    """
    shipped = shipped_folder()
    if not (shipped / "surrogate" / "manifest.json").exists():
        raise RunError(f"{shipped} holds no surrogate; make it with: innerview demo --from-scratch")
    for name in ("target", "labels", "surrogate"):
        if not (out / name).exists():
            shutil.copytree(shipped / name, out / name)
    (out / "report").mkdir(parents=True, exist_ok=True)
    shutil.copy(shipped / "metrics.json", out / "report" / "metrics.json")
    for old in (out / "explanations").glob("*.jsonl"):
        old.unlink()
    explain(out, say, n=n)
    report(out, say)
    return out
