"""Batches on their way through the layers of a language model, and fits to what is seen there.

Axes: B rows, T tokens, N positions, m features, h width, c numbers per position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from innerview.alignment.records import TASKS
from innerview.surrogate.attention import additive_mask, dense_mask
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Batch
from innerview.surrogate.projector import Projector
from innerview.surrogate.vectors import KINDS, VectorTable

__all__ = ["Fit", "Spots", "Stream"]

Standard = Callable[[int], Projector]
"""The projector of a kind; it knows the kind's standard units."""

_LEAD = 12
"""Tokens before the end of a mention that are left out of the fits: they may belong to it."""
_SLOT_WEIGHT = 3
"""How often a slot counts in the fits, as a place where no text is to be understood."""
_LEFT_OUT = 10
"""Every so many batches, one measures the fits and is not fitted to."""

_PIECE = 2048
"""Positions whose features are summed at once."""


@dataclass(frozen=True, slots=True)
class Spots:
    """Positions of a batch, and what is to be understood there.

    Attributes:
        told: (N, 2) where titles have been read, then where parts have ended, then others.
        numbers: (N, c) of the titles that were read; zeros elsewhere.
        ends: (N, 1) whether a part has ended, 1 or 0.
        titles: (M,) int64, which titles were read, at the first M places.
        cases: (K, 2) where a case has been read.
        known: (K, c) its numbers.
    """

    told: Tensor
    numbers: Tensor
    ends: Tensor
    titles: Tensor
    cases: Tensor
    known: Tensor


class Stream:
    """One batch on its way through the layers."""

    def __init__(self, model: SpliceModel, batch: Batch, yes: int) -> None:
        self.batch, self.yes = batch.to(next(model.language_model.parameters()).device), yes
        batch = self.batch
        self.hidden = model.embed(
            batch.input_ids, batch.slot_positions, batch.slot_kinds, batch.slot_rows
        )
        self.dtype = model.dtype
        self.rotary = model.causal.model.rotary_emb(self.hidden, position_ids=batch.position_ids)

    def _arguments(self) -> dict[str, Any]:
        return {
            "attention_mask": additive_mask(self.batch.attention_spans, self.dtype),
            "position_embeddings": self.rotary,
            "position_ids": self.batch.position_ids,
        }

    def run(self, layer: nn.Module, watched: nn.Module) -> Tensor:
        """Advance through a layer; returns the input of one of its modules (B, T, ·)."""
        caught: list[Tensor] = []
        hook = watched.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            found = layer(self.hidden, **self._arguments())
        finally:
            hook.remove()
        self.hidden = found[0] if isinstance(found, tuple) else found
        return caught[0]

    def attended(self, layer: nn.Module, output: nn.Module) -> Tensor:
        """(B, T, heads x size) what a layer's attention would hand to its output map."""
        before = self.hidden
        caught = self.run(layer, output)
        self.hidden = before
        return caught

    def spots(self, vectors: VectorTable, standard: Standard) -> Spots:
        """Where something is to be understood, and what."""
        batch = self.batch
        places, kinds = batch.anchor_positions, batch.anchor_kinds
        known = _standardized(vectors, kinds, batch.anchor_rows, standard)
        case, part = kinds == 0, kinds == KINDS.index("part")
        held = self._marked(batch.slot_positions)
        # What a slot holds is known; only text has to be understood.
        text = ~case & ~held[places[:, 0], places[:, 1]]
        behind = places + places.new_tensor([0, 1])
        inside = behind[:, 1] < held.shape[1]
        slot_behind = torch.zeros_like(inside)
        slot_behind[inside.clone()] = held[behind[inside][:, 0], behind[inside][:, 1]]
        # A part that is named twice, by title and slot, ends twice.
        named_twice = behind[slot_behind & part]
        held[named_twice[:, 0], named_twice[:, 1]] = False
        ends = [behind[inside & part], *[named_twice] * (_SLOT_WEIGHT - 1)]
        others = behind[inside & ~slot_behind & (kinds == KINDS.index("outcome"))]
        empty = [self._empty(), *[held.nonzero()] * _SLOT_WEIGHT]
        spots = torch.cat([places[text], *ends, others, *empty])
        n, n_ends = int(text.sum()), sum(map(len, ends))
        numbers = known.new_zeros(len(spots), known.shape[1])
        numbers[:n] = known[text]
        ended = known.new_zeros(len(spots), 1)
        ended[n : n + n_ends] = 1
        # A thing that may be part and outcome has one title.
        shared = standard(KINDS.index("part")) is standard(KINDS.index("outcome"))
        titles = batch.anchor_rows * len(KINDS) + (0 if shared else kinds)
        return Spots(spots, numbers, ended, titles[text], places[case], known[case])

    def slots(self, *kinds: int) -> Tensor:
        """(N, 2) positions of the slots of some kinds."""
        wanted = self.batch.slot_kinds.new_tensor(kinds)
        return self.batch.slot_positions[torch.isin(self.batch.slot_kinds, wanted)]

    def at_slots(self, spots: Tensor) -> Tensor:
        """Those of some positions (N, 2) at which a slot stands."""
        return spots[self._marked(self.batch.slot_positions)[spots.unbind(1)]]

    def sees(self, spots: Tensor, others: Tensor) -> Tensor:
        """(N,) whether tokens at some positions (N, 2) may attend to any of some others (M, 2)."""
        rows, columns = spots.unbind(1)
        seen = dense_mask(self.batch.attention_spans)[rows, 0, columns]
        return (seen & self._marked(others)[rows]).any(1)

    def _marked(self, spots: Tensor) -> Tensor:
        """(B, T) bool, True at some positions (N, 2)."""
        marked = torch.zeros_like(self.batch.input_ids, dtype=torch.bool)
        marked[spots.unbind(1)] = True
        return marked

    def opens(self) -> Tensor:
        """(N, 2) where a question about a case opens: right behind the last part it sees."""
        cases = self.batch.anchor_positions[self.batch.anchor_kinds == 0]
        return cases[cases[:, 1] == self.batch.attention_spans[cases[:, 0], cases[:, 1], 0]]

    def firsts(self) -> Tensor:
        """(N, 2) the first token of each prompt."""
        return (self.batch.real & (self.batch.position_ids == 0)).nonzero()

    def judged(self) -> tuple[Tensor, Tensor]:
        """Positions (N, 2) right before a yes or no, and (N, 1) which it is, as 1 or -1."""
        batch = self.batch
        asked = batch.answer_tasks == TASKS.index("interest")
        first = asked & batch.first_answers
        yes = (batch.answer_ids[first] == self.yes).float() * 2 - 1
        return batch.answer_positions[first], yes[:, None]

    def _empty(self) -> Tensor:
        """(N, 2) tokens at which, and soon behind which, nothing is mentioned."""
        busy = torch.zeros_like(self.batch.input_ids, dtype=torch.bool)
        told = self.batch.anchor_positions[self.batch.anchor_kinds != 0]
        spots = torch.cat([told, self.batch.slot_positions])
        for back in range(-1, _LEAD):
            busy[spots[:, 0], (spots[:, 1] - back).clamp(0, busy.shape[1] - 1)] = True
        busy[self.batch.answer_positions[:, 0], self.batch.answer_positions[:, 1]] = True
        # At a first token, which sees nothing but itself, nothing can be understood.
        inside = self.batch.real & (self.batch.position_ids > 0)
        empty: Tensor = (~busy & inside).nonzero()[::3]
        return empty


class Fit:
    """What should be written at some positions of each batch, and what already is."""

    def __init__(self, spots: Sequence[Tensor], wanted: Sequence[Tensor]) -> None:
        self.spots, self.wanted = list(spots), list(wanted)
        self.written = [torch.zeros_like(w) for w in wanted]

    def places(self) -> list[Tensor]:
        """Where something is wanted, per batch."""
        return [
            spots[wanted.abs().sum(1) > 0]
            for spots, wanted in zip(self.spots, self.wanted, strict=True)
        ]

    def measure(self, hidden: Sequence[Tensor], reading: Tensor) -> None:
        """Take what is written from hidden states (B, T, h), by a map (h, c)."""
        for i, (states, spots) in enumerate(zip(hidden, self.spots, strict=True)):
            self.written[i] = states[spots[:, 0], spots[:, 1]].float() @ reading

    def solve(self, inner: Sequence[Tensor], *, ridge: float, faint: float = 1e-3) -> Tensor:
        """(m, c) ridge solution for what is still missing.

        Args:
            inner: (B, T, m) per batch, what it is read off.
            ridge: penalty, as a share of the features' mean square.
            faint: size, as a share of the features' mean size, below which a feature is held back.
        """
        gram, moments, n = torch.zeros(()), torch.zeros(()), 0
        for x, missing in self._pieces(inner):
            if not n:
                gram = x.new_zeros(x.shape[1], x.shape[1])
            gram.addmm_(x.T, x)
            moments = moments + x.T @ missing
            n += len(x)
        scale = (gram.diagonal() / n).sqrt()
        scale = scale + faint * scale.mean()
        gram.div_(scale[:, None]).div_(scale)
        gram.diagonal().add_(ridge * n)
        into: Tensor = torch.linalg.solve(gram, moments / scale[:, None]) / scale[:, None]
        self.add(inner, into)
        return into

    def add(self, inner: Sequence[Tensor], into: Tensor) -> None:
        """Note what a map (m, c) writes besides, read off (B, T, m) per batch."""
        for i, spots in enumerate(self.spots):
            self.written[i] += inner[i][spots.unbind(1)].float() @ into

    def fitted(self) -> list[int]:
        """The batches that are fitted to."""
        return [i for i in range(len(self.spots)) if i % _LEFT_OUT]

    def _pieces(self, inner: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """What is given at the fitted positions and what is missing there, some thousand at a
        time."""
        given: list[Tensor] = []
        missing: list[Tensor] = []
        fitted = self.fitted()
        for i in fitted:
            given.append(inner[i][self.spots[i].unbind(1)].float())
            missing.append(self.wanted[i] - self.written[i])
            if sum(map(len, given)) >= _PIECE or i == fitted[-1]:
                yield torch.cat(given), torch.cat(missing)
                given, missing = [], []

    def explained(self) -> float:
        """Share of the variance in the left-out batches; positions where nothing belongs do not
        count."""
        left = [i for i in range(len(self.wanted)) if not i % _LEFT_OUT]
        wanted = torch.cat([self.wanted[i] for i in left])
        written = torch.cat([self.written[i] for i in left])
        real = wanted.abs().sum(1) > 0
        if not bool(real.any()):
            return 0.0
        error = (wanted[real] - written[real]).square().sum()
        return round(float(1 - error / wanted[real].square().sum()), 4)


def _standardized(vectors: VectorTable, kinds: Tensor, rows: Tensor, standard: Standard) -> Tensor:
    """(N, c) vectors in standard units, each by its kind."""
    basis = standard(0).basis
    raw = vectors.gather(kinds.cpu(), rows.cpu()).to(basis)
    out = basis.new_zeros(len(raw), basis.shape[1])
    for kind in range(len(KINDS)):
        chosen = kinds == kind
        if bool(chosen.any()):
            out[chosen] = standard(kind).numbers(raw[chosen])
    return out
