"""The two other ways to train: RecExplainer's released code, and common practice.

Both are a ``transformers.Trainer`` on one record a row, with the whole row's logits and labels of
-100 outside the answer. They see the same tokens, vectors and frozen weights as ours.

Axes: B rows, T tokens, S slots, d width of the target's vectors, h width of the surrogate.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from _material import Example, Groups, examples
from _process import Result
from _ways import Way
from innerview.surrogate.base import load_base
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.projector import splice
from innerview.surrogate.prompts import PromptEncoder
from innerview.surrogate.start import fit_projectors
from innerview.surrogate.vectors import VectorTable
from innerview.targets import load_bundle

__all__ = ["train_rival"]

_REFERENCE_WIDTH = 1024
_RANK = 16


class _Model(nn.Module):
    """Language model with vectors in its prompts; full logits, and the loss of transformers."""

    def __init__(
        self, language_model: Any, projectors: nn.Module, vectors: VectorTable, *, adds: bool
    ) -> None:
        super().__init__()
        self.language_model, self.projectors = language_model, projectors
        self.vectors, self.adds = vectors, adds

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        slots: Tensor,
        **loss: Any,
    ) -> Any:
        """Loss and logits (B, T, V); ``slots`` is (S, 4): row, token, kind, row of the vector."""
        embeddings = self.language_model.get_input_embeddings()(input_ids)
        if len(slots):
            kinds = slots[:, 2]
            vectors = self.vectors.gather(kinds.cpu(), slots[:, 3].cpu()).to(embeddings.device)
            projected = self.projectors(vectors, kinds).to(embeddings.dtype)
            if self.adds:
                at = (slots[:, 0], slots[:, 1])
                embeddings = embeddings.index_put(at, projected, accumulate=True)
            else:
                embeddings = splice(embeddings, slots[:, :2], projected)
        return self.language_model(
            inputs_embeds=embeddings, attention_mask=attention_mask, labels=labels,
            use_cache=False, **loss,
        )  # fmt: skip


class _ReferenceProjectors(nn.Module):
    """(S, d) to (S, h): one two-layer network for cases, one for items."""

    def __init__(self, d: int, h: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Linear(d, h // 2), nn.GELU(), nn.Linear(h // 2, h)) for _ in range(2)
        )

    def forward(self, vectors: Tensor, kinds: Tensor) -> Tensor:
        """Project each by the network of its kind (S,): 0 is a case."""
        own = vectors.to(next(self.parameters()).dtype)
        user, item = (network(own) for network in self.networks)
        return torch.where(kinds[:, None] == 0, user, item)


class _Collator:
    """Rows of a batch as tensors, padded to the longest or to a fixed width; counts tokens."""

    def __init__(self, pad_id: int, width: int | None = None) -> None:
        self.pad_id, self.width = pad_id, width
        self.useful = self.padded = 0

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        own: list[Example] = [item["example"] for item in items]
        ids = self._padded([torch.tensor(e.ids) for e in own], self.pad_id)
        labels = [torch.tensor(e.ids) for e in own]
        for label, e in zip(labels, own, strict=True):
            label[: len(label) - e.n_answer] = -100
        slots = [(row, *slot) for row, e in enumerate(own) for slot in e.slots]
        self.useful += sum(len(e.ids) for e in own)
        self.padded += ids.numel()
        return {
            "input_ids": ids,
            "attention_mask": self._padded([torch.ones(len(e.ids)).long() for e in own], 0),
            "labels": self._padded(labels, -100),
            "slots": torch.tensor(slots, dtype=torch.int64).reshape(-1, 4),
        }

    def _padded(self, rows: Sequence[Tensor], value: int) -> Tensor:
        out = pad_sequence(list(rows), batch_first=True, padding_value=value)
        room = (self.width or 0) - out.shape[1]
        return nn.functional.pad(out, (0, room), value=value) if room > 0 else out


def train_rival(way: Way) -> Result:
    """Train in one pass over the run's first records; speed, sizes and the loss curve."""
    torch.manual_seed(0)
    base = load_base(way.base)
    base.model.set_attn_implementation(way.attention)
    target = load_bundle(way.run / "target")
    encoder, vectors = PromptEncoder(base.tokenizer, target.parts), VectorTable(target)
    groups = Groups(way.run, 0, way.n_train)
    material = examples(groups, encoder, vectors)
    held_out = examples(Groups(way.run, *way.held_out), encoder, vectors)
    if way.mode == "reference":
        language_model = _with_lora(
            base.model, ["q_proj", "k_proj", "v_proj", "o_proj"], full=["embed_tokens", "lm_head"]
        )
        h = base.model.config.hidden_size
        networks = _ReferenceProjectors(vectors.width, h)
        model = _Model(language_model, networks.to(base.model.dtype), vectors, adds=True)
    else:
        language_model = _with_lora(base.model, "all-linear", full=None)
        started = SpliceModel(language_model, None)
        cases = [(r.parts[: r.visible], r.label["top"])
                 for g in groups for r in g if r.task == "retrieval"]  # fmt: skip
        met = {one for g in groups for r in g for one in r.named}
        fit_projectors(target, started, encoder, vectors, cases, met=met, features=2048, seed=0)
        assert started.projectors is not None
        started.projectors.requires_grad_(False)
        model = _Model(language_model, started.projectors, vectors, adds=False)
    return _run(way, model, material, held_out, pad_id=base.tokenizer.eos_token_id)


def _with_lora(causal: Any, layers: list[str] | str, *, full: list[str] | None) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=_RANK, lora_alpha=2 * _RANK, lora_dropout=0.05, target_modules=layers,
        modules_to_save=full, task_type="CAUSAL_LM",
    )  # fmt: skip
    # The reference trains everything in the base's dtype; common practice keeps LoRA in float32.
    return get_peft_model(causal, config, autocast_adapter_dtype=full is None)


def _run(
    way: Way,
    model: _Model,
    material: Sequence[Example],
    held_out: Sequence[Example],
    *,
    pad_id: int,
) -> Result:
    reference = way.mode == "reference"
    steps = max(1, len(material) // way.examples_per_step)
    accumulated = max(1, way.examples_per_step // way.micro_batch)
    collate = _Collator(pad_id, _REFERENCE_WIDTH if reference else None)
    rate = 1e-4 if reference else 2e-4
    uses_bfloat16 = next(model.language_model.parameters()).dtype == torch.bfloat16
    curve = _Curve(model, held_out, pad_id, way.micro_batch * accumulated, uses_bfloat16)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                max_steps=steps,
                per_device_train_batch_size=way.micro_batch,
                gradient_accumulation_steps=accumulated,
                train_sampling_strategy="sequential" if reference else "group_by_length",
                learning_rate=rate,
                warmup_steps=steps // 10,
                bf16=uses_bfloat16,
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                remove_unused_columns=False,
                disable_tqdm=True,
                use_cpu=not torch.cuda.is_available(),
            ),
            data_collator=collate,
            train_dataset=[{"input_ids": e.ids, "example": e} for e in material],
            callbacks=[curve],
        )
        trainer.remove_callback(PrinterCallback)
        _warm_up(model, collate, material[: way.micro_batch], uses_bfloat16)
        collate.useful = collate.padded = 0
        trainer.train()
    done = steps * accumulated * way.micro_batch
    optimizer: Any = trainer.optimizer
    trained = [p for p in model.parameters() if p.requires_grad]
    moments = [m for state in optimizer.state.values() for m in state.values()]
    # The projectors are no part of the base, trained or not.
    frozen = [p for p in model.projectors.parameters() if not p.requires_grad]
    saved = (*trained, *frozen, *model.projectors.buffers(), *moments)
    return {
        "examples": done,
        "steps": steps,
        "examples_per_step": accumulated * way.micro_batch,
        "micro_batch": way.micro_batch,
        "attention": way.attention,
        "seconds": curve.seconds,
        "examples_per_s": done / curve.seconds,
        "useful_tokens_per_s": collate.useful / curve.seconds,
        "padded_tokens_per_s": collate.padded / curve.seconds,
        "useful_token_share": collate.useful / collate.padded,
        "trained_parameters": sum(p.numel() for p in trained),
        "checkpoint_bytes": sum(t.nbytes for t in saved),
        "loss_curve": curve.points,
    }


def _warm_up(
    model: _Model, collate: _Collator, own: Sequence[Example], uses_bfloat16: bool
) -> None:
    """The first pass of a process is slower; ours has one before the clock starts, too."""
    batch = collate([{"example": e} for e in own])
    device = next(model.parameters()).device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=uses_bfloat16):
        model(**{k: v.to(device) for k, v in batch.items()}).loss.backward()
    model.zero_grad(set_to_none=True)


class _Curve(TrainerCallback):
    """Loss of held-out records a few times on the way; its own time is not counted."""

    def __init__(
        self,
        model: _Model,
        held_out: Sequence[Example],
        pad_id: int,
        examples_per_step: int,
        uses_bfloat16: bool,
    ) -> None:
        self.model, self.examples_per_step = model, examples_per_step
        self.uses_bfloat16 = uses_bfloat16
        ordered = sorted(held_out, key=lambda e: len(e.ids))
        collate = _Collator(pad_id)
        self.batches = [
            collate([{"example": e} for e in ordered[i : i + 8]]) for i in range(0, len(ordered), 8)
        ]
        self.points: list[list[float]] = []
        self.seconds = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The point before any training."""
        self._note(0)
        self.since = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """As often as ours: every ten steps, and at the end."""
        self.seconds += time.perf_counter() - self.since
        if state.global_step % 10 == 0 or state.global_step == state.max_steps:
            self._note(state.global_step)
        self.since = time.perf_counter()

    @torch.no_grad()
    def _note(self, step: int) -> None:
        if not self.batches:
            return
        device = next(self.model.parameters()).device
        self.model.eval()
        total = n = 0.0
        for batch in self.batches:
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.uses_bfloat16):
                loss = self.model(**{k: v.to(device) for k, v in batch.items()}).loss
            answers = int((batch["labels"] >= 0).sum())
            total, n = total + float(loss) * answers, n + answers
        self.points.append([step * self.examples_per_step, total / n])
        self.model.train()
