"""The ways to train, as values: light, so that who starts the processes need not load torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from _process import Result, machine

__all__ = ["Attention", "Way", "train_way"]

Attention = Literal["sdpa", "eager"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train, and how much.

    Attributes:
        mode: ``reference`` is RecExplainer's released code (microsoft/RecAI, RecExplainer/): rows
            padded to 1,024 tokens; embedding and output matrix trained in full beside LoRA of
            rank 16 on q, k, v and o; everything trained in the base's dtype; vectors added to
            their slot's embedding by two small networks that are trained too; 1e-4, linear.
            ``common`` is what one would write today: rows padded to the longest of their batch
            and grouped by length; LoRA of rank 16 on all linear layers, in float32 under
            autocast; vectors spliced by the same frozen projectors as ours; 2e-4, linear.
            ``ours`` is ``innerview.surrogate.train`` by its defaults, on packed rows.
        run: folder with ``target/`` and ``records/``.
        base: name or path of the base language model.
        n_train: the first so many records are trained on, once.
        held_out: the first and last of the records that the loss curve is of.
        examples_per_step: ours takes as many rows as come nearest.
        micro_batch: rows computed together (not ours); gradients are summed up over a step.
        attention: of transformers (not ours).
        checkpoint_activations: recompute what is inside the layers (ours alone).
    """

    mode: Literal["reference", "common", "ours"]
    run: Path
    base: str
    n_train: int
    held_out: tuple[int, int]
    examples_per_step: int
    micro_batch: int = 4
    attention: Attention = "sdpa"
    checkpoint_activations: bool = False


def train_way(way: Way) -> Result:
    """Train; speed, sizes and the loss curve, and the machine it was done on."""
    if way.mode == "ours":
        from _ours import train_ours as train
    else:
        from _rivals import train_rival as train
    return {**train(way), "machine": machine()}
