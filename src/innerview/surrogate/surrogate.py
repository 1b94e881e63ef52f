"""The surrogate: answers a task's questions by id, and lives in a folder without base weights."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from innerview.alignment.records import Form, Record
from innerview.alignment.tasks import NO, YES
from innerview.errors import SurrogateError
from innerview.files import recover_folder, room_for, whole_folder, write_whole
from innerview.surrogate.answering import PROSE_TOKENS, Respondent
from innerview.surrogate.base import BaseModel, DtypeName, load_base
from innerview.surrogate.checkpoint import (
    load_tensors,
    read_sealed,
    save_sealed,
    trained_tensors,
)
from innerview.surrogate.factors import FACTORS, FactoredTarget, Factors
from innerview.surrogate.manifest import (
    VERSION,
    fingerprint_of,
    read_manifest,
    sealed_manifest,
)
from innerview.surrogate.memory import (
    Memory,
    apply_memory,
    memory_from_tensors,
    memory_to_tensors,
)
from innerview.surrogate.packing import Tree, collate, pack_rows, trees_of
from innerview.surrogate.projector import ProjectorSet
from innerview.surrogate.prompts import PromptEncoder
from innerview.surrogate.stand_in import StandIn
from innerview.surrogate.start import add_lora, fit_projectors, met, rows_to_fit
from innerview.surrogate.store import RowStore, write_rows
from innerview.surrogate.train import Progress, TrainSettings, TrainSummary, train
from innerview.surrogate.vectors import VectorTable
from innerview.surrogate.writing import write_memory
from innerview.targets.protocol import Target

__all__ = ["Surrogate"]

_COMPARED_PER_ROW, _MOST_COMPARED = 2, 8000
"""Training questions that comparing a case with outcomes is learned from, per row that the memory
is fitted to: together they take about as long. And how many at most."""
_MEMORY_FRAC = 0.25
"""Of a time budget, for writing the memory."""
_MOST_FITTED_CASES = 24_000
"""Training cases that the projectors are fitted to: ten for each of their features, and then
memory does not grow with the records."""
_READ_TOGETHER = (4, 32)
"""Rows of a batch that the memory is fitted to, on a processor and on a GPU."""
_FEWEST_MEMORY_ROWS = 120
"""Fitted to fewer, the memory is noise: it explains nothing of prompts that were left out."""


class Surrogate:
    """A language model that stands in for one target.

    ``target`` is asked for catalogues and vectors only; no method scores anything with it, but
    ``align``.

    Args:
        base: the language model.
        target: that it stands in for.
        lora_rank: of the adapters.
        seed: of the adapters.
        factors: of the target's scores, where it gives no vectors; without, nothing is written
            into the weights.
    """

    def __init__(
        self,
        base: BaseModel,
        target: Target,
        *,
        lora_rank: int = 16,
        seed: int = 0,
        factors: Factors | None = None,
    ) -> None:
        self.base, self.target, self.factors = base, target, factors
        self.encoder = PromptEncoder(base.tokenizer, target.parts)
        self.vectors = VectorTable(target if factors is None else FactoredTarget(target, factors))
        self.model = add_lora(base, rank=lora_rank, alpha=2 * lora_rank, seed=seed)
        self.model.vectors = self.vectors
        self.model.eval()
        self.lora_rank = lora_rank
        self.memory = Memory()
        self._respondent: Respondent | None = None
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
        fitted = rows_to_fit(
            groups, rows, n,
            encoder=self.encoder, vectors=self.vectors, target=self.target,
            max_tokens=settings.max_tokens, seed=settings.seed,
        )  # fmt: skip
        asked = (r for group in groups for r in group if r.task == "retrieval" and r.parts)
        remembered = self.memorize(
            fitted,
            compared=list(islice(asked, min(_MOST_COMPARED, _COMPARED_PER_ROW * len(fitted)))),
            taught=met(groups),
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
        if self.factors is not None:
            self.manifest["factors"] = {
                "width": self.factors.loadings.shape[1],
                "explained": self.factors.explained,
                "queries": self.factors.queries,
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
        if self.factors is not None:
            made_from.update(self.factors.saved())
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

        Returns the share of variance that each fit explains; empty where there are no vectors.
        """
        if not self.vectors.enabled:
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
            met=met(groups), features=features, seed=seed,
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

    def memorize(
        self,
        rows: Sequence[Sequence[Tree]],
        *,
        kept: Path,
        compared: Sequence[Record] = (),
        taught: Collection[str] | None = None,
    ) -> dict[str, float]:
        """Write what the target knows into the base weights, fitted to packed training rows.

        Args:
            rows: to fit to; nothing is written where there are none.
            compared: retrieval questions of training, to learn from which outcomes fit a case.
            taught: outcomes that training names; all, by default.
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
            self.respondent.understanding.learn(compared, taught=taught)
        data = save_sealed(
            memory_to_tensors(memory), notes={"explained": json.dumps(memory.explained)}
        )
        with room_for(kept, len(data), SurrogateError):
            write_whole(kept, lambda beside: beside.write_bytes(data))
        return memory.explained

    def _fit_memory(self, rows: Sequence[Sequence[Tree]]) -> Memory:
        pad = self.base.tokenizer.eos_token_id
        size = _READ_TOGETHER[next(self.model.parameters()).is_cuda]
        return write_memory(
            self.model,
            [
                collate(rows[i : i + size], self.vectors, pad_id=pad)
                for i in range(0, len(rows), size)
            ],
            yes=self.encoder.text(f" {YES}")[0],
            no=self.encoder.text(f" {NO}")[0],
        )

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
        if self.factors is not None:
            files[FACTORS] = self.factors.saved()
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
        has_factors = FACTORS in manifest["sha256"]
        factors = Factors.read(folder / FACTORS, target) if has_factors else None
        surrogate = cls(
            load_base(manifest["base"], dtype=dtype), target, lora_rank=manifest["lora_rank"],
            factors=factors,
        )  # fmt: skip
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
        return fingerprint_of(self.manifest)

    # -- asking it --------------------------------------------------------------------------

    @property
    def respondent(self) -> Respondent:
        """Who answers, with the memory as it is now."""
        if self._respondent is None or self._respondent.memory is not self.memory:
            self._respondent = Respondent(
                self.model, self.encoder, self.vectors, self.target, self.memory
            )
        return self._respondent

    def answer(
        self,
        records: Sequence[Record],
        *,
        batch_size: int = 96,
        max_new_tokens: int = PROSE_TOKENS,
    ) -> list[Any]:
        """Answers by id, in the order of the records; see ``Respondent.answer``."""
        return self.respondent.answer(records, batch_size=batch_size, max_new_tokens=max_new_tokens)

    def reasons(self, records: Sequence[Record]) -> list[tuple[str, ...]]:
        """Parts that matter, most first, by attribution question; see ``Respondent.reasons``."""
        return self.respondent.reasons(records)

    def stand_in(self, form: Form, *, told: Target | None = None) -> StandIn:
        """The surrogate in its target's place, asked in one form; see ``StandIn``.

        Args:
            form: in which cases are put to it.
            told: the same target with other titles, to put cases to it in those; its own by
                default.
        """
        respondent = self.respondent
        if told is not None and told is not self.target:
            encoder = PromptEncoder(self.base.tokenizer, told.parts)
            respondent = Respondent(self.model, encoder, self.vectors, told, self.memory)
        return StandIn(respondent, form, fingerprint=self.fingerprint)

    def write(
        self,
        records: Sequence[Record],
        *,
        wordings: Sequence[Sequence[Sequence[str]]] | None = None,
    ) -> list[str]:
        """Text for each record; see ``Respondent.write``."""
        return self.respondent.write(records, wordings=wordings)


def _packed(tensors: Mapping[str, Tensor]) -> bytes:
    """As a bfloat16 safetensors file."""
    packed: bytes = save(
        {k: v.detach().to(torch.bfloat16).contiguous().cpu() for k, v in tensors.items()}
    )
    return packed
