"""What the target knows, written into the surrogate's weights in closed form, before training.

A language model has never heard of the target's vectors, and gradient steps on answers teach it
thousands of titles only slowly. But the vectors are known, and can be written in closed form: where
a title has been read, its vector is looked up (``recall.py``); a slot carries its own. A few of the
lower layers write which tokens end a part (by least squares on their hidden units, as MEMIT does,
Meng et al., arXiv 2210.07229). A head of the next layer hands what was mentioned to the token
behind, another hands the last part to where a question opens; heads of the layer above average what
the parts' ends were handed, or take the last, or look at the case's slot if there is one, and the
case's vector is read off them; the layer above that compares the case with what was just mentioned.
Titles and slots then mean the same, in one place that every task can use, and training has to learn
to speak about it.

All this is written in places, directions of the hidden state, that nothing else reaches: what is
written stays as it is to the last layer. It is fitted on the surrogate's own hidden states, layer
by layer, in one forward pass. What is written are keys, and additions of low rank to frozen
weights.

Axes: B rows, T tokens, N fitted positions, m inner width of a feed-forward layer, h width,
c numbers written per position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from innerview.alignment.records import FORMS
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Batch
from innerview.surrogate.recall import RECALLED, Recall
from innerview.surrogate.streams import Stream
from innerview.surrogate.vectors import KINDS

__all__ = [
    "Edit",
    "Memory",
    "Places",
    "apply_edits",
    "apply_memory",
    "base_linear",
    "first_mention",
    "last_mention",
    "memory_from_tensors",
    "memory_to_tensors",
    "n_numbers",
    "n_places",
    "n_weights",
    "read_cases",
    "read_mentions",
    "reserve",
]

_MENTIONS = (0.1, 0.27)
"""Share of the layers at which titles are recalled, and up to which it is written what ends."""


@dataclass(frozen=True, slots=True)
class Edit:
    """An addition to one linear layer's weight: ``out @ into``.

    Attributes:
        name: of the layer within the transformers model.
        out: (n_out, r) bfloat16.
        into: (r, n_in) bfloat16.
    """

    name: str
    out: Tensor
    into: Tensor


@dataclass(slots=True)
class Memory:
    """What was written, and where.

    Attributes:
        edits: in the order in which they were made; none where nothing was written.
        explained: how much of the vectors' variance is explained where nothing was fitted.
        places: (n, h) float32, the directions of the hidden state that are written to.
        weights: (F, c² + 4c + 1) float32, per form, how well a case and a mention fit: of the
            products of each number of the case (outer) and each of the mention, of the mention, of
            how both grow with the mention, of the mention by itself, of the case and of one;
            learned anew for what is read (``understanding.py``).
        unit: (1,) float32, length of one standard deviation of a written number.
        recall: of titles, beside the feed-forward part of the first layer that writes; None where
            nothing was written, or no titles were told.
    """

    edits: list[Edit] = field(default_factory=list)
    explained: dict[str, float] = field(default_factory=dict)
    places: Tensor = field(default_factory=lambda: torch.zeros(0, 0))
    weights: Tensor = field(default_factory=lambda: torch.zeros(len(FORMS), 0))
    unit: Tensor = field(default_factory=lambda: torch.ones(1))
    recall: Recall | None = None


def n_places(c: int) -> int:
    """How many directions of the hidden state are written to, for c numbers per vector."""
    return 4 * c + 3


def n_numbers(places: int) -> int:
    """How many numbers per vector so many directions have room for."""
    return max(0, places - 3) // 4


def n_weights(c: int) -> int:
    """How many weights tell from c numbers of a case and c of a mention how well they fit."""
    return c * c + 4 * c + 1


@dataclass(frozen=True, slots=True)
class Places:
    """Where in the hidden state things are written, as (n, h) orthonormal directions.

    Attributes:
        mention: what this token ends the mention of, as read from text.
        slot: what a slot of a part or outcome holds.
        case: the case.
        before: what the token before this one mentions, as text or slot.
        end: that this token ends a part.
        own: that this token is a case's slot.
        fits: how well what was mentioned fits the case.
    """

    mention: Tensor
    slot: Tensor
    case: Tensor
    before: Tensor
    end: Tensor
    own: Tensor
    fits: Tensor

    @classmethod
    def of(cls, places: Tensor, c: int) -> Places:
        """Cut (4c + 3, h) directions into their purposes."""
        return cls(*torch.split(places, [c, c, c, c, 1, 1, 1]))


@torch.no_grad()
def reserve(model: SpliceModel, places: Tensor) -> None:
    """Keep some directions of the hidden state for what is written: nothing else reaches them.

    The base's own layers no longer write there, token embeddings lose what they have there, and
    projected slots carry their vectors there, undisturbed.
    """
    for layer in model.causal.model.layers:
        for linear in (layer.self_attn.o_proj, layer.mlp.down_proj):
            weight = base_linear(linear).weight
            own = weight.float()
            weight.copy_((own - places.T @ (places @ own)).to(weight))
    model.reserved = places
    if model.projectors is not None:
        at = Places.of(places, model.projectors.settings["numbers"])
        model.projectors.case.carry_on(at.case, at.own[0], places)
        for projector in dict.fromkeys((model.projectors.part, model.projectors.outcome)):
            projector.carry_on(at.slot, torch.zeros_like(at.own[0]), places)


_NUMBERS = ("places", "weights", "unit")


def memory_to_tensors(memory: Memory) -> dict[str, Tensor]:
    """What was written as named tensors, edits in the order in which they were made; none where
    nothing was written."""
    if not memory.edits:
        return {}
    edits = {
        f"{at:03d}.{edit.name}.{side}": tensor
        for at, edit in enumerate(memory.edits)
        for side, tensor in (("out", edit.out), ("into", edit.into))
    }
    beside = {}
    if memory.recall is not None:
        beside = {f"recall.{name}": tensor for name, tensor in memory.recall.saved().items()}
    return edits | beside | {name: getattr(memory, name).contiguous() for name in _NUMBERS}


def memory_from_tensors(tensors: Mapping[str, Tensor]) -> Memory:
    """The inverse of ``memory_to_tensors``.

    Raises:
        KeyError: an edit has only one side, or something is missing.
        RuntimeError: numbers of different vectors.
    """
    if not tensors:
        return Memory()
    n, shape = len(tensors["places"]), tuple(tensors["weights"].shape)
    if shape != (len(FORMS), n_weights(n_numbers(n))) or n != n_places(n_numbers(n)):
        raise RuntimeError(f"{n} places do not go with weights of shape {shape}")
    own = (name for name in tensors if name not in _NUMBERS and not name.startswith("recall."))
    stems = sorted({name.rpartition(".")[0] for name in own})
    edits = [
        Edit(stem.partition(".")[2], tensors[f"{stem}.out"], tensors[f"{stem}.into"])
        for stem in stems
    ]
    recall = None
    if any(name.startswith("recall.") for name in tensors):
        recall = Recall(*(tensors[f"recall.{name}"] for name in RECALLED))
    places, weights, unit = (tensors[name] for name in _NUMBERS)
    return Memory(edits, {}, places, weights, unit, recall)


@torch.no_grad()
def apply_memory(model: SpliceModel, memory: Memory) -> None:
    """Write what was written once into a model's frozen weights again, in place."""
    if memory.edits:
        reserve(model, memory.places.to(next(model.language_model.parameters()).device))
        apply_edits(model.causal, memory.edits)
    if memory.recall is not None:
        layer = model.causal.model.layers[first_mention(len(model.causal.model.layers))]
        at = Places.of(memory.places, n_numbers(len(memory.places)))
        memory.recall.attach(layer, at.mention * memory.unit)


@torch.no_grad()
def apply_edits(causal: nn.Module, edits: Sequence[Edit]) -> None:
    """Add edits to the weights that they name, in place."""
    for edit in edits:
        weight = base_linear(causal.get_submodule(edit.name)).weight
        out, into = (side.to(weight.device).float() for side in (edit.out, edit.into))
        weight.add_((out @ into).to(weight))


def base_linear(module: Any) -> Any:
    """The linear layer itself, if PEFT has wrapped it."""
    return getattr(module, "base_layer", module)


@torch.inference_mode()
def read_cases(model: SpliceModel, memory: Memory, batch: Batch, spots: Tensor) -> Tensor:
    """(N, c) the case that a surrogate has understood at some positions (N, 2), in standard units.

    Read where the memory has been written and training has changed nothing yet; the layers above
    are not run.
    """
    at = Places.of(memory.places, n_numbers(len(memory.places)))
    last = last_mention(len(model.causal.model.layers)) + 2
    return _states(model, batch, spots, upto=last) @ at.case.T / memory.unit


@torch.inference_mode()
def read_mentions(model: SpliceModel, memory: Memory, batch: Batch, spots: Tensor) -> Tensor:
    """(N, c) what was mentioned last before some positions (N, 2), as a surrogate has understood
    it, in standard units.

    Read where the mention ends, as soon as titles are recalled: a norm stands between there and
    where it is handed on, and changes lengths by some percent, which are much of what tells the
    best outcome from the next.
    """
    assert model.projectors is not None
    at = Places.of(memory.places, n_numbers(len(memory.places)))
    ends = _last_mentions(batch, spots)
    states = _states(model, batch, ends, upto=first_mention(len(model.causal.model.layers)))
    return states @ (at.mention / memory.unit + at.slot / model.projectors.straight_unit).T


def _states(model: SpliceModel, batch: Batch, spots: Tensor, *, upto: int) -> Tensor:
    """(N, h) float32, the hidden states behind a layer."""
    stream = Stream(model, batch, 0)
    for layer in model.causal.model.layers[: upto + 1]:
        stream.run(layer, layer)
    return stream.hidden[spots[:, 0], spots[:, 1]].float().cpu()


def _last_mentions(batch: Batch, spots: Tensor) -> Tensor:
    """(N, 2) where the last mention of a part or outcome before each of some positions ends."""
    told = batch.anchor_positions[batch.anchor_kinds != KINDS.index("case")]
    column = torch.full_like(batch.input_ids, -1)
    column[told.unbind(1)] = told[:, 1]
    return torch.stack([spots[:, 0], column.cummax(1).values[spots.unbind(1)]], dim=1)


def first_mention(n_layers: int) -> int:
    """The layer beside which titles are recalled."""
    return round(_MENTIONS[0] * n_layers)


def last_mention(n_layers: int) -> int:
    """The last layer that writes which tokens end a part."""
    return round(_MENTIONS[1] * n_layers)
