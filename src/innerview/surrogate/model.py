"""The surrogate's network: a frozen base, LoRA on its linear layers, projectors, a splice.

Between its layers the hidden state is float32, whatever they compute in: a few of its dimensions
are a hundred times as large as the others, and what bfloat16 rounds off those drowns the small
numbers that a memory writes and compares (docs/experiments.md).

Axes: B rows, T tokens, S slots, A answer ids, h width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from innerview.alignment.records import TASKS
from innerview.surrogate.attention import additive_mask, block_mask
from innerview.surrogate.loss import answer_losses
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
        self.reserved: Tensor | None = None
        self.task_loss: dict[str, list[float]] = {}
        self.wide = _widen(self.causal)

    @property
    def causal(self) -> Any:
        """The transformers model beneath PEFT, if PEFT is there."""
        from peft import PeftModel

        model = self.language_model
        return model.get_base_model() if isinstance(model, PeftModel) else model

    @property
    def dtype(self) -> torch.dtype:
        """What the layers compute in."""
        found: torch.dtype = self.causal.get_input_embeddings().weight.dtype
        return found

    def embed(
        self, input_ids: Tensor, slot_positions: Tensor, slot_kinds: Tensor, slot_rows: Tensor
    ) -> Tensor:
        """(B, T, h) token embeddings with projected vectors in the slots, float32 where the layers
        take it."""
        embeddings = self.prepared(self.causal.get_input_embeddings()(input_ids))
        if not len(slot_positions):
            return embeddings
        assert self.vectors is not None and self.projectors is not None
        vectors = self.vectors.gather(slot_kinds.cpu(), slot_rows.cpu()).to(embeddings.device)
        return splice(embeddings, slot_positions, self.projectors(vectors, slot_kinds))

    def prepared(self, embeddings: Tensor) -> Tensor:
        """(B, T, h) token embeddings without what they have in places that a memory keeps for
        itself, float32 where the layers take it; a second time changes nothing."""
        embeddings = embeddings.float() if self.wide else embeddings
        if self.reserved is None:
            return embeddings
        places = self.reserved.to(embeddings)
        return embeddings - (embeddings @ places.T) @ places

    def hidden(self, batch: Mapping[str, Tensor]) -> Tensor:
        """(B, T, h) last hidden states of a packed batch."""
        embeddings = self.embed(
            batch["input_ids"], batch["slot_positions"], batch["slot_kinds"], batch["slot_rows"]
        )
        spans = batch["attention_spans"]
        flex = self.causal.config._attn_implementation == "flex_attention"
        # use_cache=False, or packed branches see each other through the cache.
        states: Tensor = self.causal.model(
            inputs_embeds=embeddings,
            attention_mask=block_mask(spans) if flex else additive_mask(spans, self.dtype),
            position_ids=batch["position_ids"],
            use_cache=False,
        ).last_hidden_state
        return states

    def answer_logits(self, batch: Mapping[str, Tensor]) -> Tensor:
        """(A, V) float32 logits, only where an answer id is predicted."""
        rows, tokens = batch["answer_positions"].unbind(1)
        logits: Tensor = self.causal.lm_head(self.hidden(batch)[rows, tokens])
        return logits.float()

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the answers.

        An id counts by one over the square root of its answer's length: long answers (histories,
        prose) weigh more than a one-word yes or no, but not in proportion to their length.
        """
        with self._autocast():
            states = self.hidden(batch)
        rows, tokens = batch["answer_positions"].unbind(1)
        each = answer_losses(
            states[rows, tokens],
            self.causal.lm_head,
            batch["truth_rows"],
            batch["truth_ids"],
            batch["truth_shares"],
        )
        records = batch["answer_records"]
        weights = torch.bincount(records).clamp_min(1)[records].to(each.dtype).rsqrt()
        loss = (each * weights).sum() / weights.sum()
        if self.training:
            self._note(each.detach(), batch["answer_tasks"])
        return {"loss": loss}

    def _autocast(self) -> torch.autocast:
        """Adapters compute in the base's dtype and keep their own digits for the optimizer."""
        device = self.causal.get_input_embeddings().weight.device
        return torch.autocast(
            device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16
        )

    def _note(self, each: Tensor, tasks: Tensor) -> None:
        each, tasks = each.cpu(), tasks.cpu()  # once, not once per task
        for task in set(tasks.tolist()):
            self.task_loss.setdefault(TASKS[task], []).append(float(each[tasks == task].mean()))

    def run(self, batch: Batch) -> Tensor:
        """``answer_logits`` of a collated batch, on the model's device, without gradients."""
        device = next(self.language_model.parameters()).device
        with torch.inference_mode():
            return self.answer_logits(batch.to(device).as_dict())


_NORMS = ["input_layernorm", "post_attention_layernorm"]


def _widen(causal: Any) -> bool:
    """Let each layer take a float32 hidden state: it is rounded to what the layer computes in
    behind the norm, where no dimension is large, and what the layer says is added to it as it is.
    Whether that can be: not where layers are built otherwise.
    """
    dtype = causal.get_input_embeddings().weight.dtype
    layers = getattr(getattr(causal, "model", None), "layers", ())
    named = ([name for name, _ in layer.named_children() if "norm" in name] for layer in layers)
    if dtype == torch.float32 or not layers or any(names != _NORMS for names in named):
        return False
    norms = [getattr(layer, name) for layer in layers for name in _NORMS]
    for norm in (*norms, causal.model.norm):
        norm.register_forward_hook(lambda _, __, out: out.to(dtype))
    causal.model.rotary_emb.register_forward_hook(
        lambda _, __, both: tuple(one.to(dtype) for one in both)
    )
    return True
