"""The surrogate's network: a frozen base, LoRA on its linear layers, projectors, a splice.

Axes: B rows, T tokens, S slots, A answer ids, h width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from innerview.alignment.records import TASKS
from innerview.surrogate.packing import Batch
from innerview.surrogate.projector import ProjectorSet, splice
from innerview.surrogate.vectors import VectorTable

__all__ = ["SpliceModel"]


class SpliceModel(nn.Module):
    """Language model plus projectors; computes logits at answer positions only."""

    def __init__(self, language_model: Any, projectors: ProjectorSet | None) -> None:
        super().__init__()
        self.language_model = language_model
        self.projectors = projectors
        self.vectors: VectorTable | None = None
        self.task_loss: dict[str, list[float]] = {}

    @property
    def causal(self) -> Any:
        """The transformers model beneath PEFT, if PEFT is there."""
        from peft import PeftModel

        model = self.language_model
        return model.get_base_model() if isinstance(model, PeftModel) else model

    def embed(
        self, input_ids: Tensor, slot_positions: Tensor, slot_kinds: Tensor, slot_rows: Tensor
    ) -> Tensor:
        """(B, T, h) token embeddings with projected vectors in the slots."""
        embeddings: Tensor = self.causal.get_input_embeddings()(input_ids)
        if not len(slot_positions):
            return embeddings
        assert self.vectors is not None and self.projectors is not None
        vectors = self.vectors.gather(slot_kinds.cpu(), slot_rows.cpu()).to(embeddings.device)
        return splice(embeddings, slot_positions, self.projectors(vectors, slot_kinds))

    def hidden(self, batch: Mapping[str, Tensor]) -> Tensor:
        """(B, T, h) last hidden states of a packed batch."""
        embeddings = self.embed(
            batch["input_ids"], batch["slot_positions"], batch["slot_kinds"], batch["slot_rows"]
        )
        # use_cache=False, or packed branches see each other through the cache.
        states: Tensor = self.causal.model(
            inputs_embeds=embeddings,
            attention_mask=batch["attention_mask"],
            position_ids=batch["position_ids"],
            use_cache=False,
        ).last_hidden_state
        return states

    def answer_logits(self, batch: Mapping[str, Tensor]) -> Tensor:
        """(A, V) float32 logits, only where an answer id is predicted."""
        states = self.hidden(batch)
        rows, tokens = batch["answer_positions"].unbind(1)
        logits: Tensor = self.causal.lm_head(states[rows, tokens])
        return logits.float()

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """Mean cross-entropy over records (each record's answer ids averaged first).

        Averaging within a record keeps long answers (histories, prose) from drowning a one-word
        yes or no.
        """
        logits = self.answer_logits(batch)
        each = functional.cross_entropy(logits, batch["answer_ids"], reduction="none")
        records = batch["answer_records"]
        n = int(records.max()) + 1
        counts = torch.bincount(records, minlength=n).clamp_min(1)
        weights = 1.0 / counts[records].to(each.dtype)
        # The square root between per-id and per-record averaging: long answers weigh more than
        # short ones, but not in proportion to their length.
        weights = weights.sqrt()
        loss = (each * weights).sum() / weights.sum()
        if self.training:
            self._note(each.detach(), batch["answer_tasks"])
        return {"loss": loss}

    def _note(self, each: Tensor, tasks: Tensor) -> None:
        for task in set(tasks.tolist()):
            self.task_loss.setdefault(TASKS[task], []).append(float(each[tasks == task].mean()))

    def run(self, batch: Batch) -> Tensor:
        """``answer_logits`` of a collated batch, on the model's device, without gradients."""
        device = next(self.language_model.parameters()).device
        with torch.inference_mode():
            return self.answer_logits({k: v.to(device) for k, v in batch.as_dict().items()})
