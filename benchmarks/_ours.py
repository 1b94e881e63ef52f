"""Our way to train, by its defaults; and how much of the machine it uses."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from _material import Groups
from _process import Result
from _ways import Way
from innerview.surrogate.base import load_base
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Tree, collate, pack_rows, trees_of
from innerview.surrogate.store import RowStore, write_rows
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.train import Progress, TrainSettings, train
from innerview.targets import load_bundle

__all__ = ["flops_of_row", "matrix_rate", "train_ours"]


def train_ours(way: Way) -> Result:
    """Train in one pass over the run's first records; speed, sizes and the loss curve.

    ``matrix_rate_share`` is what ``flops_of_row`` counts, by the time of training, divided by
    ``matrix_rate`` just before and after.
    """
    settings = TrainSettings(checkpoint_activations=way.checkpoint_activations)
    surrogate = Surrogate(
        load_base(way.base), load_bundle(way.run / "target"), lora_rank=settings.lora_rank
    )
    groups = Groups(way.run, 0, way.n_train)
    surrogate.start(groups, features=2048)
    with TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        rows = _stored(surrogate, groups, folder / "rows", settings)
        packing = time.perf_counter() - began
        n = sum(rows.examples)
        settings = replace(
            settings, rows_per_step=max(1, round(way.examples_per_step * len(rows) / n))
        )
        curve = _Curve(surrogate, Groups(way.run, *way.held_out))
        tokens = settings.rows_per_step * settings.max_tokens
        _warm_up(surrogate, rows[: settings.rows_per_step])
        rates = [matrix_rate(surrogate.model, tokens)]
        summary = train(
            surrogate.model, rows, surrogate.vectors, settings,
            pad_id=surrogate.base.tokenizer.eos_token_id, folder=folder, on_progress=curve,
        )  # fmt: skip
        rates.append(matrix_rate(surrogate.model, tokens))
        newest = max(folder.glob("checkpoint-*"))
        saved = sum(f.stat().st_size for f in newest.iterdir())
        read = (rows[i % len(rows)] for i in range(summary.steps * settings.rows_per_step))
        flops = sum(flops_of_row(surrogate.model, row) for row in read)
    trained = sum(p.numel() for p in surrogate.model.parameters() if p.requires_grad)
    return {
        "examples": summary.examples,
        "steps": summary.steps,
        "examples_per_step": summary.examples / summary.steps,
        "rows_per_step": settings.rows_per_step,
        "checkpoint_activations": way.checkpoint_activations,
        "seconds": curve.seconds,
        "packing_seconds": packing,
        "examples_per_s": summary.examples / curve.seconds,
        "useful_tokens_per_s": summary.tokens / curve.seconds,
        "padded_tokens_per_s": summary.tokens / summary.useful_token_frac / curve.seconds,
        "useful_token_share": summary.useful_token_frac,
        "trained_parameters": trained,
        "checkpoint_bytes": saved,
        "loss_curve": curve.points,
        "flops_per_s": flops / curve.seconds,
        "matrix_flops_per_s": max(rates),
        "matrix_rate_share": flops / curve.seconds / max(rates),
    }


def _stored(
    surrogate: Surrogate, groups: Groups, folder: Path, settings: TrainSettings
) -> RowStore:
    """Records to rows on disk, as ``Surrogate.align`` does it."""
    most = settings.max_tokens
    trees = (
        tree
        for group in groups
        for tree in trees_of(group, surrogate.encoder, surrogate.vectors, max_tokens=most)
    )
    write_rows(folder, pack_rows(trees, max_tokens=most), surrogate.vectors, made_from="benchmark")
    return RowStore(folder, surrogate.vectors, made_from="benchmark")


def _autocast(model: SpliceModel) -> Any:
    weight: Tensor = model.causal.get_input_embeddings().weight
    is_half = weight.dtype == torch.bfloat16
    return torch.autocast(weight.device.type, dtype=torch.bfloat16) if is_half else nullcontext()


def _warm_up(surrogate: Surrogate, rows: Sequence[Sequence[Tree]]) -> None:
    """The first pass of a process is slower; the others have one before the clock starts, too."""
    model = surrogate.model
    batch = collate(rows, surrogate.vectors, pad_id=0).as_dict()
    device = next(model.language_model.parameters()).device
    model(**{k: v.to(device) for k, v in batch.items()})["loss"].backward()
    model.zero_grad(set_to_none=True)


class _Curve:
    """Loss of held-out records at every report of the training; its own time is not counted."""

    def __init__(self, surrogate: Surrogate, held_out: Groups) -> None:
        self.surrogate = surrogate
        trees = (
            tree
            for group in held_out
            for tree in trees_of(group, surrogate.encoder, surrogate.vectors)
        )
        self.rows = list(pack_rows(trees, max_tokens=512))
        self.points: list[list[float]] = []
        self.away = self.seconds = 0.0
        self._note(0)
        self.away = 0.0

    def __call__(self, progress: Progress) -> None:
        self.seconds = progress.seconds - self.away
        self._note(round(progress.examples_per_s * progress.seconds))

    @torch.no_grad()
    def _note(self, n_examples: int) -> None:
        began = time.perf_counter()
        model, total, n = self.surrogate.model, 0.0, 0
        device = next(model.language_model.parameters()).device
        for row in self.rows:
            batch = collate([row], self.surrogate.vectors, pad_id=0).as_dict()
            with _autocast(model):
                logits = model.answer_logits({k: v.to(device) for k, v in batch.items()})
            truth = batch["answer_ids"].to(device)
            total += float(torch.nn.functional.cross_entropy(logits, truth, reduction="sum"))
            n += len(truth)
        if n:
            self.points.append([n_examples, total / n])
        self.away += time.perf_counter() - began


def flops_of_row(model: SpliceModel, row: Sequence[Tree]) -> float:
    """Floating-point operations that one packed row needs, forward and back.

    A matrix product of m·k and k·n numbers is 2·m·k·n operations. With t tokens in the row
    (padding is not counted), a answer ids, r the rank of LoRA:

    - each frozen linear layer, in·out: 2·t·in·out forward, and as much on the way back for the
      gradient of its input, except below the lowest LoRA layer, and in that layer's q, k and v,
      whose input needs none; no gradient of frozen weights;
    - LoRA, r·(in + out): 2·t·r·(in + out) forward, as much for the gradients of its weights, and
      as much again for those of its inputs (the r·in part not in the lowest q, k and v);
    - attention, scores and their product with the values: 4·t²·(heads·head width) forward, twice
      that on the way back. A row's t² is counted in full, as the kernel multiplies what the mask
      hides;
    - output matrix, h·V, at the answer ids alone: 2·a·h·V forward, and as much for the gradient.

    Norms, rotary embeddings, softmax and the optimizer are not matrix products and not counted.
    """
    config = model.causal.config
    t = sum(len(tree) for tree in row)
    a = sum(branch.encoded.n_answer for tree in row for branch in tree.branches)
    width: int = config.num_attention_heads * getattr(
        config, "head_dim", config.hidden_size // config.num_attention_heads
    )
    layers: list[tuple[int, str, Any]] = []
    for name, module in model.causal.model.named_modules():
        at = re.match(r"layers\.(\d+)\.(?:\w+\.)*(\w+_proj)$", name)
        if at:
            layers.append((int(at[1]), at[2], module))
    lowest = min(i for i, _, module in layers if hasattr(module, "lora_A"))
    total: float = 4.0 * a * config.hidden_size * config.vocab_size
    for i, kind, module in layers:
        own, n_in, n_out = 2.0 * t, module.in_features, module.out_features
        needs_input = i > lowest or (i == lowest and kind not in ("q_proj", "k_proj", "v_proj"))
        total += own * n_in * n_out * (1 + needs_input)
        if hasattr(module, "lora_A"):
            rank = module.r["default"]
            total += own * rank * (2 * (n_in + n_out) + n_out + n_in * needs_input)
    n: int = config.num_hidden_layers
    return total + 4.0 * t * t * width * (n + 2 * (n - lowest))


def matrix_rate(model: SpliceModel, tokens: int, *, tries: int = 8) -> float:
    """Operations per second of the machine's own matrix product, best of several tries.

    The shapes are the feed-forward layer's with a whole batch of tokens, the dtype is that of
    the frozen weights, and the threads are those that trained.
    """
    config = model.causal.config
    weight = model.causal.get_input_embeddings().weight
    kind = {"dtype": weight.dtype, "device": weight.device}
    x = torch.randn(tokens, config.hidden_size, **kind)
    w = torch.randn(config.intermediate_size, config.hidden_size, **kind)
    work = 2.0 * tokens * w.numel()
    times = max(1, int(2e10 / work))
    best = 0.0
    for _ in range(tries):
        began = time.perf_counter()
        for _ in range(times):
            torch.nn.functional.linear(x, w)
        if weight.is_cuda:
            torch.cuda.synchronize()
        best = max(best, work * times / (time.perf_counter() - began))
    return best
