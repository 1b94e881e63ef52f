"""The surrogate: answers a task's questions by id, and lives in a folder without base weights."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from innerview.alignment.records import Record
from innerview.alignment.tasks import NO, YES, Asker
from innerview.data.tables import Catalogue
from innerview.errors import SurrogateError
from innerview.files import (
    recover_folder,
    room_for,
    whole_folder,
    write_whole,
)
from innerview.surrogate.base import BaseModel, DtypeName, cache_folder, load_base
from innerview.surrogate.checkpoint import (
    load_tensors,
    read_sealed,
    save_sealed,
    trained_tensors,
)
from innerview.surrogate.decode import (
    Constraint,
    Free,
    OneOf,
    Sentences,
    decode,
)
from innerview.surrogate.manifest import VERSION, read_manifest, sealed_manifest
from innerview.surrogate.memory import (
    Memory,
    apply_memory,
    memory_from_tensors,
    memory_to_tensors,
    write_memory,
)
from innerview.surrogate.packing import Batch, Tree, collate, pack_in_order, pack_rows, trees_of
from innerview.surrogate.projector import ProjectorSet
from innerview.surrogate.prompts import PromptEncoder
from innerview.surrogate.start import add_lora, fit_projectors
from innerview.surrogate.store import RowStore, write_rows
from innerview.surrogate.train import Progress, TrainSettings, TrainSummary, train
from innerview.surrogate.trie import Trie, kept_trie
from innerview.surrogate.understanding import Understanding
from innerview.surrogate.vectors import VectorTable
from innerview.targets.protocol import Target

__all__ = ["Surrogate"]

_PROSE_TOKENS = 320
_N_RETRIEVED, _N_CANDIDATES = 5, 20
_COMPARED_PER_ROW = 2
"""Training questions that comparing a case with outcomes is learned from, per row that the memory
is fitted to: together they take about as long."""
_JUDGED = ("interest", "ranking", "attribution")
_MEMORY_FRAC = 0.25
"""Of a time budget, for writing the memory."""
_TOLD = 24
"""Outcomes that are mentioned to one case, for the memory."""
_WORTH_KEEPING = 5000
"""Titles from which on a trie is kept on disk: below, building it takes less than half a second."""
_MOST_FITTED_CASES = 24_000
"""Training cases that the projectors are fitted to: ten for each of their features, and then
memory does not grow with the records."""
_FEWEST_MEMORY_ROWS = 120
"""Fitted to fewer, the memory is noise: it explains nothing of prompts that were left out."""


class Surrogate:
    """A language model that stands in for one target.

    ``target`` is asked for catalogues and vectors only; no method scores anything with it.
    """

    def __init__(
        self, base: BaseModel, target: Target, *, lora_rank: int = 16, seed: int = 0
    ) -> None:
        self.base, self.target = base, target
        self.encoder = PromptEncoder(base.tokenizer, target.parts)
        self.vectors = VectorTable(target)
        self.model = add_lora(base, rank=lora_rank, alpha=2 * lora_rank, seed=seed)
        self.model.vectors = self.vectors
        self.model.eval()
        self.lora_rank = lora_rank
        self.memory = Memory()
        self.manifest: dict[str, Any] = {}

    # -- making one -------------------------------------------------------------------------

    def align(
        self,
        groups: Iterable[Sequence[Record]],
        settings: TrainSettings,
        *,
        folder: Path,
        features: int = 2048,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> TrainSummary:
        """Fit projectors and memory in closed form, then train the adapters on records.

        A time budget in the settings covers all of it.

        Args:
            groups: records in the order of training, those that share a context together; read
                several times, so no iterator, but they need not be in memory.
            settings: of the training.
            folder: for the packed rows, checkpoints and the log.
            features: width of the projectors' hidden layer.
            on_progress: called every few steps.
        """
        began = time.perf_counter()
        explained = self.start(groups, features=features, seed=settings.seed)
        rows, n_records = self._stored(groups, folder / "rows", max_tokens=settings.max_tokens)
        n = self._n_memory_rows(rows, settings)
        fitted = self._fitted_rows(groups, rows, n, settings)
        asked = (r for group in groups for r in group if r.task == "retrieval" and r.parts)
        remembered = self.memorize(
            fitted,
            compared=list(islice(asked, _COMPARED_PER_ROW * len(fitted))),
            kept=folder / "memory.safetensors",
        )
        if settings.max_seconds is not None:
            left = settings.max_seconds - (time.perf_counter() - began)
            settings = replace(settings, max_seconds=max(1.0, left))
        summary = train(
            self.model, rows, self.vectors, settings,
            pad_id=self.base.tokenizer.eos_token_id, folder=folder, on_progress=on_progress,
        )  # fmt: skip
        self.manifest |= {
            "training": asdict(summary),
            "settings": asdict(settings),
            "projector_start": {k: round(v, 4) for k, v in explained.items()},
            "memory": remembered,
            "n_records": n_records,
        }
        return summary

    def _stored(
        self, groups: Iterable[Sequence[Record]], folder: Path, *, max_tokens: int
    ) -> tuple[RowStore, int]:
        """The records as packed rows on disk, and how many records; rows that are there already
        are kept if they are of the very same records and would be packed the same."""
        vocabulary = sorted(self.base.tokenizer.get_vocab().items())
        how = (self.target.fingerprint, max_tokens, self.encoder.frame, vocabulary)
        made_from = hashlib.sha256(repr(how).encode())
        n_records = 0
        for group in groups:
            made_from.update(repr(group).encode())
            n_records += len(group)
        try:
            return RowStore(folder, self.vectors, made_from=made_from.hexdigest()), n_records
        except SurrogateError:
            pass  # none there, or of other records, or damaged
        trees = (
            tree
            for group in groups
            for tree in trees_of(group, self.encoder, self.vectors, max_tokens=max_tokens)
        )
        rows = pack_rows(trees, max_tokens=max_tokens)
        write_rows(folder, rows, self.vectors, made_from=made_from.hexdigest())
        return RowStore(folder, self.vectors, made_from=made_from.hexdigest()), n_records

    def start(
        self, groups: Iterable[Sequence[Record]], *, features: int, seed: int = 0
    ) -> dict[str, float]:
        """Give a new surrogate its projectors, fitted in closed form to the training labels.

        Returns the share of variance that each fit explains; empty for a target without vectors.
        """
        if not self.target.capabilities.vectors:
            return {}
        found = (
            (r.parts[: r.visible], r.label["top"])
            for group in groups
            for r in group
            if r.task == "retrieval"
        )
        cases = list(islice(found, _MOST_FITTED_CASES))
        return fit_projectors(
            self.target, self.model, self.encoder, self.vectors, cases,
            met=_met(groups), features=features, seed=seed,
        )  # fmt: skip

    def _n_memory_rows(self, rows: Sequence[Sequence[Tree]], settings: TrainSettings) -> int:
        """How many rows to fit the memory to: as set, or what a part of the budget allows; none
        where that is too few.

        A row costs the fit about as much as reading it costs.
        """
        n = min(len(rows), settings.memory_rows)
        if settings.max_seconds is not None and n >= _FEWEST_MEMORY_ROWS:
            batch = collate(rows[:4], self.vectors, pad_id=self.base.tokenizer.eos_token_id)
            for _ in range(2):  # the first one warms up
                began = time.perf_counter()
                self.model.run(batch)
                each = (time.perf_counter() - began) / len(rows[:4])
            n = min(n, int(_MEMORY_FRAC * settings.max_seconds / each))
        return n if n >= _FEWEST_MEMORY_ROWS else 0

    def _fitted_rows(
        self,
        groups: Iterable[Sequence[Record]],
        rows: Sequence[list[Tree]],
        n: int,
        settings: TrainSettings,
    ) -> list[list[Tree]]:
        """What the memory is fitted to: some rows of training, and twice as many in which titles
        are told only, every outcome as often as any other."""
        told = self._told(groups, settings)
        apart = list(islice(pack_in_order(told, max_tokens=settings.max_tokens), n * 2 // 3))
        mixed = [*rows[: n - len(apart)], *apart]
        order = np.random.default_rng(settings.seed).permutation(len(mixed))
        return [mixed[i] for i in order]

    def _told(self, groups: Iterable[Sequence[Record]], settings: TrainSettings) -> Iterator[Tree]:
        """Windows, with outcomes mentioned as a judgement would; nothing is answered."""
        asker = self._askers[False]
        met = _met(groups)
        known = [outcome for outcome in self.target.outcomes.ids if outcome in met]
        rng = np.random.default_rng(settings.seed)
        waiting: list[str] = []
        for group in groups:
            record = max(group, key=lambda r: r.visible)
            if not record.case_id:
                continue
            if len(waiting) < _TOLD:
                waiting += [known[i] for i in rng.permutation(len(known))]
            asked, waiting = waiting[:_TOLD], waiting[_TOLD:]
            questions = asker.judgements(record, asked)
            yield from trees_of(
                questions, self.encoder, self.vectors,
                max_tokens=settings.max_tokens, with_answer=False,
            )  # fmt: skip

    def memorize(
        self, rows: Sequence[Sequence[Tree]], *, kept: Path, compared: Sequence[Record] = ()
    ) -> dict[str, float]:
        """Write what the target knows into the base weights, fitted to packed training rows.

        Args:
            rows: to fit to; nothing is written where there are none.
            compared: retrieval questions of training, to learn from which outcomes fit a case.
            kept: a file for what was written, also if that is nothing; if it exists, the same is
                written again, so that a training which goes on does so on the same weights.

        Returns:
            The share of variance explained, by kind.

        Raises:
            SurrogateError: the file is damaged, belongs to another base model, or is missing where
                a training on it has begun; or there is no room for it.
        """
        if self.model.projectors is None:
            return {}
        if kept.exists():
            try:
                tensors, notes = read_sealed(kept)
            except SurrogateError as error:
                # Checkpoints of a training on other weights are worth nothing.
                raise SurrogateError(
                    f"{error}; remove {kept.parent} and align the surrogate anew"
                ) from None
            self._remember(tensors, source=kept)
            explained: dict[str, float] = json.loads(notes["explained"])
            return explained
        if any(kept.parent.glob("checkpoint-*")):
            raise SurrogateError(
                f"{kept} is missing, and the checkpoints beside it are of a training on it; "
                f"remove {kept.parent} and align the surrogate anew"
            )
        memory = self.memory = self._fit_memory(rows) if rows else Memory()
        if memory.edits and compared:
            self._reader.learn(compared)
        data = save_sealed(
            memory_to_tensors(memory), notes={"explained": json.dumps(memory.explained)}
        )
        with room_for(kept, len(data), SurrogateError):
            write_whole(kept, lambda beside: beside.write_bytes(data))
        return memory.explained

    def _fit_memory(self, rows: Sequence[Sequence[Tree]]) -> Memory:
        pad, device = self.base.tokenizer.eos_token_id, next(self.model.parameters()).device
        self.model.to("cpu")
        memory = write_memory(
            self.model,
            [collate(rows[i : i + 4], self.vectors, pad_id=pad) for i in range(0, len(rows), 4)],
            yes=self.encoder.text(f" {YES}")[0],
            no=self.encoder.text(f" {NO}")[0],
        )
        self.model.to(device)
        return memory

    def _remember(self, tensors: Mapping[str, Tensor], *, source: Path) -> None:
        """Apply the edits of a file to the base weights.

        Raises:
            SurrogateError: the file belongs to another base model.
        """
        try:
            self.memory = memory_from_tensors(tensors)
            apply_memory(self.model, self.memory)
        except (KeyError, AttributeError, RuntimeError) as error:
            raise SurrogateError(f"{source}: {error}; align the surrogate anew") from None

    def save(self, folder: Path, *, provenance: Mapping[str, Any]) -> None:
        """Write ``lora/`` (PEFT's format), ``memory.safetensors``, ``projectors.safetensors`` and
        ``manifest.json``.

        bfloat16, without the base weights; beside first, then renamed into place. The log of the
        training that lies in the folder stays.

        Raises:
            SurrogateError: there is no room for it; the folder is as it was.
        """
        files = self._files()
        manifest = {
            "version": VERSION,
            "base": self.base.name,
            "lora_rank": self.lora_rank,
            "projectors": self.model.projectors.settings if self.model.projectors else None,
            "target": self.target.fingerprint,
            **self.manifest,
            **provenance,
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        }
        files["manifest.json"] = sealed_manifest(manifest)
        log = folder / "training.jsonl"
        size = sum(map(len, files.values()))
        with room_for(folder, size, SurrogateError), whole_folder(folder) as beside:
            for name, data in files.items():
                (beside / name).parent.mkdir(exist_ok=True)
                (beside / name).write_bytes(data)
            if log.exists():
                shutil.copy(log, beside / log.name)

    def _files(self) -> dict[str, bytes]:
        from peft import get_peft_model_state_dict

        language_model = self.model.language_model
        config = language_model.peft_config["default"].to_dict()
        config |= {"inference_mode": True, "base_model_name_or_path": self.base.name}
        config["target_modules"] = sorted(config["target_modules"])
        files = {
            "lora/adapter_config.json": json.dumps(
                config, indent=1, sort_keys=True, default=str
            ).encode(),
            "lora/adapter_model.safetensors": _packed(get_peft_model_state_dict(language_model)),
        }
        if self.memory.edits:
            files["memory.safetensors"] = save(memory_to_tensors(self.memory))
        if self.model.projectors is not None:
            ours = "projectors."
            named = trained_tensors(self.model).items()
            files["projectors.safetensors"] = _packed(
                {n.removeprefix(ours): t for n, t in named if n.startswith(ours)}
            )
        return files

    @classmethod
    def load(cls, folder: Path | str, target: Target, *, dtype: DtypeName = "auto") -> Surrogate:
        """Load a saved surrogate onto its base.

        Raises:
            SurrogateError: a file is missing, changed or of another version, or the surrogate
                was aligned with another target.
        """
        folder = Path(folder)
        recover_folder(folder)
        manifest = read_manifest(folder)
        if manifest["target"] != target.fingerprint:
            raise SurrogateError(
                f"{folder} was aligned with target {manifest['target'][:12]}…, this one is "
                f"{target.fingerprint[:12]}…; align it anew"
            )
        surrogate = cls(
            load_base(manifest["base"], dtype=dtype), target, lora_rank=manifest["lora_rank"]
        )
        surrogate.manifest = manifest
        surrogate._load_files(folder, manifest)
        surrogate.fold()
        return surrogate

    def _load_files(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        shape = manifest["projectors"]
        memory = folder / "memory.safetensors"
        if shape is not None:
            self.model.projectors = ProjectorSet(
                shape["d"], shape["h"], shared_parts=shape["shared_parts"],
                features=shape["features"], numbers=shape["numbers"],
            ).to(next(self.model.language_model.parameters()).device)  # fmt: skip
        try:
            lora = load_file(folder / "lora" / "adapter_model.safetensors")
            projected = load_file(folder / "projectors.safetensors") if shape is not None else {}
            if memory.name in manifest["sha256"]:
                self._remember(load_file(memory), source=memory)
        except (OSError, SafetensorError) as error:
            raise SurrogateError(f"{folder}: {error}") from None
        tensors = {
            f"language_model.{k.replace('.weight', '.default.weight')}": v for k, v in lora.items()
        }
        tensors |= {f"projectors.{k}": v for k, v in projected.items()}
        load_tensors(self.model, tensors, source=folder)

    def fold(self) -> None:
        """Fold the adapters into the base weights: answers come 1.7 times as fast.

        For a surrogate that is done training; up to rounding, its answers are the same.
        """
        self.model.language_model.merge_adapter()

    @property
    def fingerprint(self) -> str:
        """Hash of the trained files, or of nothing for a surrogate that was not saved."""
        text = json.dumps(self.manifest.get("sha256", {}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    # -- asking it --------------------------------------------------------------------------

    @cached_property
    def _outcome_trie(self) -> Trie:
        return self._trie(self.target.outcomes)

    @cached_property
    def _part_trie(self) -> Trie:
        if self._parts_are_outcomes:
            return self._outcome_trie
        return self._trie(self.target.parts)

    def _trie(self, catalogue: Catalogue) -> Trie:
        ids, titles = catalogue.ids, catalogue.titles
        known = getattr(self.base.tokenizer, "backend_tokenizer", None)
        if len(ids) < _WORTH_KEEPING or known is None:
            return Trie.build(ids, map(self._title_ids, titles))
        return kept_trie(
            cache_folder() / "tries", ids, titles,
            tokenizer=known.to_str(), tokens_of=self._title_ids,
        )  # fmt: skip

    def _title_ids(self, title: str) -> tuple[int, ...]:
        return self.encoder.answer_ids(f" {title}")[: -len(self.encoder.frame.end_of_answer)]

    @property
    def _end(self) -> int:
        return self.encoder.frame.end_of_answer[0]

    def _constraint(self, record: Record) -> Constraint:
        seen = set(record.parts[: record.visible])
        match record.task:
            case "history":
                return OneOf(self._part_trie, self._end)
            case "item_title" | "item_similar":
                return OneOf(self._outcome_trie, self._end)
            case "retrieval":
                return OneOf(self._outcome_trie, self._end, frozenset(seen))
            case _:
                return Free(self._end)

    def answer(
        self,
        records: Sequence[Record],
        *,
        batch_size: int = 96,
        max_new_tokens: int = _PROSE_TOKENS,
    ) -> list[Any]:
        """Answers by id, in the order of the records.

        Retrieval gives up to five outcome ids, best first; ranking and history lists of ids;
        interest the probability of yes; item_title, item_similar and attribution one id; other
        tasks text.

        A language model judges better than it names, and has understood more than it says. So
        rankings are orders of judgements, as in the interest task, and with a memory retrieval
        gives the outcomes that fit what was understood of the case; the part that matters most is
        the one which, kept alone, fits the outcome best; and a slot stands for the outcome whose
        title is understood to mean the same. Without a memory, titles are named by beam search
        and weighed by judgements, and parts are judged.
        """
        values: list[Any] = [None] * len(records)
        understood = self._understood(records)
        for i, found in understood.items():
            values[i] = found
        told = [i for i, r in enumerate(records) if r.task not in _JUDGED and i not in understood]
        said = [self._sayings(records[i]) for i in told]
        decoded = iter(self._decode([q for own in said for q in own], batch_size, max_new_tokens))
        for i, own in zip(told, said, strict=True):
            answers = [next(decoded) for _ in own]
            values[i] = _named(records[i], answers)
        judged = [
            i
            for i, r in enumerate(records)
            if r.task in {*_JUDGED, "retrieval"} and i not in understood
        ]
        asked = [self._judgements(records[i], values[i]) for i in judged]
        odds = iter(self._odds([question for own in asked for question in own]))
        for i, own in zip(judged, asked, strict=True):
            values[i] = self._verdict(records[i], values[i], [next(odds) for _ in own])
        return values

    @cached_property
    def _askers(self) -> Mapping[bool, Asker]:
        """By whether their words were kept out of training."""
        return {
            held: Asker(self.target.outcomes, self.target.parts, heldout=held)
            for held in (False, True)
        }

    def _understood(self, records: Sequence[Record]) -> dict[int, Any]:
        """By place, what needs no words to be found: the outcomes that fit a case best, the part
        that fits an outcome best, and the outcomes that slots stand for. Nothing without a
        memory."""
        if not self.memory.edits:
            return {}
        reader, found = self._reader, dict[int, Any]()
        named = {"item_title"} | ({"history"} if self._parts_are_outcomes else set())
        asked = [i for i, r in enumerate(records) if r.task == "retrieval" and r.parts]
        if asked:
            best = reader.best([records[i] for i in asked], size=_N_RETRIEVED)
            found |= zip(asked, best, strict=True)
        asked = [i for i, r in enumerate(records) if r.task == "attribution"]
        if asked:
            questions = [self._judgements(records[i], None) for i in asked]
            fit = iter(reader.fit_of([q for own in questions for q in own]))
            for i, own in zip(asked, questions, strict=True):
                found[i] = self._verdict(records[i], None, [next(fit) for _ in own])
        asked = [i for i, r in enumerate(records) if r.task in named]
        if asked:
            questions = [self._sayings(records[i]) for i in asked]
            meant = iter(reader.meant([q for own in questions for q in own]))
            for i, own in zip(asked, questions, strict=True):
                found[i] = _named(records[i], [next(meant) for _ in own])
        return found

    @property
    def _parts_are_outcomes(self) -> bool:
        return self.target.parts is self.target.outcomes

    @cached_property
    def _reader(self) -> Understanding:
        return Understanding(self.model, self.memory, self.target, self._at_answers)

    def _sayings(self, record: Record) -> Sequence[Record]:
        """The questions for one answer each that a record comes down to."""
        if record.task != "history":
            return [record]
        return self._askers[record.heldout_phrasing].namings(record, _distinct_parts(record))

    def _judgements(
        self, record: Record, named: Sequence[tuple[str, float]] | None
    ) -> Sequence[Record]:
        """The yes-or-no questions that a record comes down to."""
        asker = self._askers[record.heldout_phrasing]
        match record.task:
            case "retrieval":
                return asker.judgements(record, [outcome for outcome, _ in named or ()])
            case "ranking":
                return asker.judgements(record, record.label["shown"])
            case "attribution":
                outcome = [record.label["outcome"]]
                return [
                    question
                    for part in _distinct_parts(record)
                    for question in asker.judgements(record, outcome, parts=[part])
                ]
            case _:
                return [record]

    def _verdict(
        self, record: Record, named: Sequence[tuple[str, float]] | None, odds: Sequence[float]
    ) -> Any:
        """What the log-odds of its yes-or-no questions say to a record."""
        match record.task:
            case "retrieval":
                # Bayes' rule: how likely it was named, times the odds, as new evidence.
                found = [
                    (o, score + own) for (o, score), own in zip(named or (), odds, strict=True)
                ]
                return _best_first(found)[:_N_RETRIEVED]
            case "ranking":
                return _best_first(zip(record.label["shown"], odds, strict=True))
            case "attribution":
                return _best_first(zip(_distinct_parts(record), odds, strict=True))[0]
            case _:
                return 1 / (1 + math.exp(-odds[0]))

    def write(
        self,
        records: Sequence[Record],
        *,
        wordings: Sequence[Sequence[Sequence[str]]] | None = None,
    ) -> list[str]:
        """Text for each record: prose or chat; empty where no end was reached.

        Args:
            records: what to write about.
            wordings: per record the sentences it must consist of, each in several wordings; the
                surrogate then only chooses among them. Without it, it writes freely.
        """
        prompts = [self._prompt(r) for r in records]
        constraints: list[Constraint] = (
            [Free(self._end)] * len(records)
            if wordings is None
            else [self._sentences(ways) for ways in wordings]
        )
        found = decode(
            self.model, prompts, constraints, max_new_tokens=_PROSE_TOKENS,
        )  # fmt: skip
        return [self._text(group[0].value) if group[0].complete else "" for group in found]

    def _sentences(self, ways: Sequence[Sequence[str]]) -> Sentences:
        """Each sentence but the first begins with the space that parts it from the one before."""
        tries = [
            Trie.build(sentence, [self.encoder.text(f" {way}" if at else way) for way in sentence])
            for at, sentence in enumerate(ways)
        ]
        return Sentences(tries, self._end)

    def _decode(self, records: Sequence[Record], batch_size: int, max_new_tokens: int) -> list[Any]:
        """What each answer means, by its constraint; for retrieval, ids with log-probabilities."""
        constraints = [self._constraint(r) for r in records]
        found = decode(
            self.model, [self._prompt(r) for r in records], constraints,
            n_beams=[self._n_answers(r) for r in records],
            max_new_tokens=max_new_tokens, batch_size=batch_size,
        )  # fmt: skip
        values: list[Any] = []
        for record, constraint, beams in zip(records, constraints, found, strict=True):
            if record.task == "retrieval":
                values.append([(b.value, b.score) for b in beams if b.complete])
                continue
            value = beams[0].value if beams[0].complete else constraint.value(beams[0].tokens)
            values.append(self._text(value) if isinstance(constraint, Free) else value)
        return values

    @staticmethod
    def _n_answers(record: Record) -> int:
        """How many answers are wanted: for several, the likeliest, likeliest first."""
        match record.task:
            case "retrieval":
                return _N_CANDIDATES
            case _:
                return 1

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self.base.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()

    def _prompt(self, record: Record) -> Tree:
        (tree,) = trees_of([record], self.encoder, self.vectors, with_answer=False)
        return tree

    def _odds(self, records: Sequence[Record]) -> list[float]:
        """Log-odds of yes against no, every question of a case in one packed pass."""
        if not records:
            return []
        yes, no = (self.encoder.text(f" {word}")[0] for word in (YES, NO))

        def odds(batch: Batch, spots: Tensor) -> Tensor:
            logits = self.model.run(batch)[_first_answers(batch)]
            return logits[:, yes] - logits[:, no]

        found: list[float] = self._at_answers(records, odds).tolist()
        return found

    def _at_answers(
        self,
        records: Sequence[Record],
        read: Callable[[Batch, Tensor], Tensor],
        *,
        rows_per_batch: int = 8,
    ) -> Tensor:
        """What ``read`` finds where each record's answer begins, given a batch and positions
        (N, 2) in it; in the order of the records."""
        order = sorted(range(len(records)), key=lambda i: repr(records[i].context_key))
        trees = trees_of([records[i] for i in order], self.encoder, self.vectors)
        rows = list(pack_in_order(trees, max_tokens=512))
        found: list[Tensor] = []
        for start in range(0, len(rows), rows_per_batch):
            batch = collate(
                rows[start : start + rows_per_batch], self.vectors,
                pad_id=self.base.tokenizer.eos_token_id,
            )  # fmt: skip
            found.append(read(batch, batch.answer_positions[_first_answers(batch)]).cpu())
        stacked = torch.cat(found)
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return stacked[back]


def _first_answers(batch: Batch) -> Tensor:
    """(A,) which answer ids are the first of their record."""
    return batch.answer_records.diff(prepend=batch.answer_records.new_tensor([-1])) != 0


def _met(groups: Iterable[Sequence[Record]]) -> set[str]:
    """Whatever training names."""
    return {one for group in groups for record in group for one in record.named}


def _named(record: Record, answers: Sequence[Any]) -> Any:
    """Of a history, whatever was named, once; of anything else the only answer."""
    return tuple(dict.fromkeys(answers)) if record.task == "history" else answers[0]


def _distinct_parts(record: Record) -> list[str]:
    """Of those that a question may look back at."""
    return list(dict.fromkeys(record.parts[: record.visible]))


def _best_first(scored: Iterable[tuple[str, float]]) -> tuple[str, ...]:
    """Ids by falling score; ties keep their order."""
    return tuple(one for one, _ in sorted(scored, key=lambda pair: -pair[1]))


def _packed(tensors: Mapping[str, Tensor]) -> bytes:
    """As a bfloat16 safetensors file."""
    packed: bytes = save(
        {k: v.detach().to(torch.bfloat16).contiguous().cpu() for k, v in tensors.items()}
    )
    return packed
