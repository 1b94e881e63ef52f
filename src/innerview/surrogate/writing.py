"""Writing a memory: walks prompts through the layers of a language model and fits on the way.

Places are chosen first, directions of the hidden state that the base model hardly uses; then, layer
by layer, titles are recalled, handed on, gathered into cases and compared with them
(``memory.py`` says what for). Every fit is made on the surrogate's own hidden states as the layers
below have left them, in one pass.

Axes: B rows, T tokens, N fitted positions, m inner width of a feed-forward layer, h width,
c numbers written per position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import torch
from torch import Tensor

from innerview.alignment.records import FORMS
from innerview.surrogate.heads import Heads, repeats
from innerview.surrogate.memory import (
    Edit,
    Memory,
    Places,
    apply_edits,
    base_linear,
    first_mention,
    last_mention,
    n_places,
    reserve,
)
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Batch
from innerview.surrogate.recall import fit_recall
from innerview.surrogate.streams import Fit, Stream

__all__ = ["write_memory"]

_STRENGTH = 0.35
"""Length of what is written, as a share of the hidden state's."""
_FITS_STRENGTH = 3.0
"""Standard deviation of how well something fits, beside that of other written numbers."""
_STEERED, _STEER = 12, 3.0
"""Batches that the steering direction is averaged over; nats of one standard deviation."""
_RIDGE = 0.02
"""Penalty, as a share of the features' mean square, where features are many."""
_FALL = 0.02
"""What a part loses by each token that it is farther back, in nats, where the newest count more."""
_SLOT_ERROR, _UNSEEN = 0.015, 1e-5
"""Share of a case's variance that its slot is held to leave open: beside it, the better parts tell
a case, the more of it is read off them, so that titles are heard as well; and how much attention
is left beside a slot that shall keep them from being seen."""
_TOLD_WEIGHT = 20
"""How often a case that a slot tells counts beside one that only its parts tell: what is told can
be read nearly exactly, and what is guessed must not spoil it (docs/experiments.md)."""
_FAST, _PEAK = 10, 16.0
"""Rotary frequencies, fastest first, that tell the token before from all others; nats that each
adds to its score."""
_STEP, _STEEPNESS, _SETTLED = (0.35, 0.55), 20.0, 5.0
"""Where it is settled that a token ends a part: from a reading of none to one of all; how steep;
and how much more that counts than the reading."""
_LIKELY = 12.0
"""Nats by which the first token outscores others where no last part is looked for."""
_SCARCE, _FAINT = 5, 0.2
"""How much more the ends of titles count at which a slot stands, beside other ends; and the least
that anything told from the rest is taken to measure."""
_EVEN_BATCHES = 60
"""Batches in which a direction is found along which all tokens measure the same."""
_WEAK = 0.05
"""A norm's weight below this share of their mean counts as switched off."""
_QUIET_DEPTH, _QUIET_BATCHES = 0.7, 12
"""Share of the layers, and number of batches, in which directions are hardly used."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a gathering head looks for: the ends of parts, or where a question opens, to which the
    last part has been handed.

    Attributes:
        nats: how strongly it prefers them to other tokens; for the newest of them, if ``falling``.
        last: it looks for the opening.
        falling: parts farther back get less.
        usual: how many of what is looked for share its attention in a usual prompt.
    """

    nats: float
    last: bool = False
    falling: bool = False
    usual: float = 20.0


_BLIND = (_Look(3.5), _Look(15.0, last=True, usual=1.0), _Look(8.0, falling=True, usual=5.0))
"""Of heads that see parts alone."""
_BESIDE = (_Look(3.5), _Look(7.0), _Look(8.0, falling=True, usual=5.0))
"""Of those that see a case's slot as well; where there is none, they are there to tell many parts
from few. Every part ends twice, by title and by slot."""


@torch.no_grad()
def write_memory(model: SpliceModel, batches: Sequence[Batch], *, yes: int, no: int) -> Memory:
    """Fit and apply the edits of a model whose projectors are in place.

    Args:
        model: its base weights are changed in place.
        batches: packed training prompts; every tenth is left out of the fits and measures them.
        yes: id that opens the answer yes.
        no: id that opens the answer no.

    Returns:
        The edits, to be saved and applied again, and the variance explained in the left-out
        batches: of ``mention``, ``end``, ``parts`` (cases off their parts alone), ``case`` and
        ``fits``. Nothing, where the base model is
        not built as the edits need, or the prompts lack mentions, cases or yes-or-no questions.
    """
    n_layers = len(model.causal.model.layers)
    first, last = first_mention(n_layers), last_mention(n_layers)
    if not _can_hold(model, last):
        return Memory()
    writer = _Writer(model, batches, yes, no)
    if not writer.has_all_kinds():
        return Memory()
    for at in range(last + 4):
        if at == first:
            writer.recall(at)
            continue
        if at == last + 1:
            writer.hand_on(at)
            writer.settle(at)
        if at == last + 2:
            writer.gather(at)
        if at == last + 3:
            writer.compare(at)
        writer.layer(at, write=first < at <= last)
    return replace(
        writer.memory,
        places=writer.memory.places.cpu(), weights=writer.memory.weights.cpu(),
    )  # fmt: skip


def _can_hold(model: SpliceModel, last: int) -> bool:
    """Whether a model is built as the edits need: rotary attention without biases or norms of its
    own, gated feed-forward layers, layers and width to spare."""
    causal = model.causal
    layers, config = causal.model.layers, causal.config
    if model.projectors is None or len(layers) < last + 6:
        return False
    if not model.wide and model.dtype != torch.float32:
        return False  # what is written would drown in what is rounded off
    attention, mlp = layers[0].self_attn, layers[0].mlp
    return bool(
        getattr(config, "hidden_act", "") == "silu"
        and config.num_key_value_heads >= max(_blind(config) + 1, _handing(config))
        and all(hasattr(mlp, part) for part in ("gate_proj", "up_proj", "down_proj"))
        and not any(hasattr(attention, part) for part in ("q_norm", "k_norm"))
        and getattr(base_linear(attention.q_proj), "bias", None) is None
        and hasattr(causal.model, "rotary_emb")
        and n_places(model.projectors.settings["numbers"]) <= config.hidden_size // 2
    )


class _Writer:
    """Walks a set of batches through the layers, writing on the way."""

    def __init__(self, model: SpliceModel, batches: Sequence[Batch], yes: int, no: int) -> None:
        assert model.projectors is not None and model.vectors is not None
        self.causal, self.layers = model.causal, model.causal.model.layers
        self.yes, self.no = yes, no
        self.c = model.projectors.settings["numbers"]
        places = self._quiet([Stream(model, batch, yes) for batch in batches[:_QUIET_BATCHES]])
        self.memory = Memory(places=places)
        reserve(model, places)
        self.at = Places.of(places, self.c)
        self.slot_unit = model.projectors.straight_unit
        self.streams = [Stream(model, batch, yes) for batch in batches]
        self.unit = 0.0
        standard = model.projectors.of_kind
        spots = [s.spots(model.vectors, standard) for s in self.streams]
        told = [own.told for own in spots]
        self.mentions = Fit(told, [own.numbers for own in spots])
        self.ends = Fit(told, [own.ends for own in spots])
        self.titles = [own.titles for own in spots]
        self.cases = Fit([own.cases for own in spots], [own.known for own in spots])

    def has_all_kinds(self) -> bool:
        """Whether there is anything of every kind to fit to."""
        asked = sum(len(s.judged()[0]) for s in self.streams[1:])
        return min(*(sum(map(len, f.spots[1:])) for f in (self.mentions, self.cases)), asked) > 0

    def _quiet(self, streams: Sequence[Stream]) -> Tensor:
        """(n, h) orthonormal directions of the hidden state that the base model hardly uses."""
        layers = self.layers[: round(_QUIET_DEPTH * len(self.layers))]
        total = torch.zeros(())
        for stream in streams:
            for layer in (None, *layers):
                if layer is not None:
                    stream.run(layer, layer)
                unit = torch.nn.functional.normalize(stream.hidden.float().flatten(0, 1), dim=-1)
                total = total + unit.T @ unit
        # Read through a norm that all but switches a dimension off, it would be mostly noise.
        norms = (n for x in layers for n in (x.input_layernorm, x.post_attention_layernorm))
        weak = torch.stack([n.weight.float().abs() / n.weight.float().abs().mean() for n in norms])
        total = total + torch.diag((weak[2:].amin(0) < _WEAK).float() * total.diagonal().sum())
        n = n_places(self.c)
        quiet: Tensor = torch.linalg.eigh(total).eigenvectors[:, :n].T.contiguous()
        return quiet

    def recall(self, at: int) -> None:
        """Run one layer; beside its feed-forward part, recall what was mentioned."""
        layer = self.layers[at]
        given = [s.run(layer, layer.mlp) for s in self.streams]
        self.unit = self._unit()
        self.memory.unit = torch.tensor([self.unit])
        fitted = self.mentions.fitted()
        titles = torch.cat([self.titles[i] for i in fitted])
        if not len(titles):
            return
        mentions, others, numbers = [], [], []
        for i in fitted:
            n = len(self.titles[i])
            told = given[i][self.mentions.spots[i].unbind(1)].float()
            mentions.append(told[:n])
            numbers.append(self.mentions.wanted[i][:n])
            others.append(told[n:][self.ends.wanted[i][n:, 0] == 0])
        recall = fit_recall(torch.cat(mentions), titles, torch.cat(numbers), torch.cat(others))
        out = self.at.mention * self.unit
        for stream, own in zip(self.streams, given, strict=True):
            stream.hidden = stream.hidden + (recall(own) @ out).to(stream.hidden)
        self.memory.recall = recall.cpu()
        recall.attach(layer, out)

    def layer(self, at: int, *, write: bool) -> None:
        """Run one layer; write which tokens end a part behind its feed-forward part."""
        layer = self.layers[at]
        name = f"model.layers.{at}.mlp.down_proj"
        inner = [s.run(layer, self.causal.get_submodule(name)) for s in self.streams]
        if not write:
            return
        hidden = [s.hidden for s in self.streams]
        self.mentions.measure(hidden, self.at.mention.T / self.unit)
        self.memory.explained["mention"] = self.mentions.explained()
        self.ends.measure(hidden, self.at.end.T / self.unit)
        into, out = self.ends.solve(inner, ridge=_RIDGE), (self.at.end * self.unit).T
        self._add(name, out, into.T)
        for stream, own in zip(self.streams, inner, strict=True):
            stream.hidden = stream.hidden + (own.float() @ into @ out.T).to(stream.hidden)
        self.memory.explained["end"] = self.ends.explained()

    def _unit(self) -> float:
        """Length of one standard deviation of a written number."""
        lengths = torch.cat([s.hidden.float().norm(dim=-1).flatten() for s in self.streams])
        return float(_STRENGTH * lengths.median() / self.c**0.5)

    def hand_on(self, at: int) -> None:
        """Let a layer's first head hand what a token mentions to the token behind, and another the
        last part to where a question opens, behind the separator."""
        norm = self.layers[at].input_layernorm
        seen = [norm(s.hidden) for s in self.streams]
        heads = Heads(self.causal, at, n_keys=_handing(self.causal.config))
        flat = _constant(seen)
        opening = self._telling(seen, [s.opens() for s in self.streams])
        first = self._telling(seen, [s.firsts() for s in self.streams])
        theta = self.causal.model.rotary_emb.inv_freq.float()[: min(_FAST, heads.size // 2 - 2)]
        half, slow = heads.size // 2, heads.size // 2 - 1
        amplitude = (_PEAK * heads.size**0.5) ** 0.5
        # Taken off, so that no token but the one looked for scores above zero: ``flat`` is not 1
        # everywhere, and what it scales must not outgrow the peak.
        base = float(theta.cos().sum()) ** 0.5
        before, last = heads.q[: 2 * heads.size].view(2, heads.size, -1)
        for query, asks, back in ((before, flat, 1), (last, opening, 2)):
            query[slow] = asks * amplitude * base
            for i, angle in enumerate(theta.tolist()):
                # Turned some tokens further, the query matches the key of the token so far before.
                query[i] = asks * (amplitude * math.cos(back * angle))
                query[half + i] = -asks * (amplitude * math.sin(back * angle))
        # Where there is nothing to find, the first token is attended to, at which nothing is
        # written.
        last[slow - 1] = flat * (_LIKELY * heads.size**0.5)
        key = torch.zeros_like(before)
        key[: len(theta)] = flat * amplitude
        key[slow] = -flat * amplitude * base
        key[slow - 1] = first
        value = torch.zeros_like(key)
        value[: self.c] = self._reading(
            norm, self.at.mention, self.unit, self.mentions.places()
        ) + self._reading(norm, self.at.slot, self.slot_unit, [s.slots(1, 2) for s in self.streams])
        heads.share(key, [value] * heads.n_keys)
        heads.o[:, : heads.width] = 0
        for start in (0, heads.size):
            heads.o[:, start : start + self.c] = self.unit * self.at.before.T
        self._apply(heads, ("q_proj", "k_proj", "v_proj", "o_proj"))

    def settle(self, at: int) -> None:
        """Let a layer settle which tokens end a part, by a step.

        What says so varies from title to title, and attention takes that to the exponent: a few
        parts would outshout the rest.
        """
        layer, mlp = self.layers[at], f"model.layers.{at}.mlp."
        before = [s.hidden for s in self.streams]
        norm = layer.post_attention_layernorm
        seen = [norm(s.run(layer, norm)) for s in self.streams]
        for stream, hidden in zip(self.streams, before, strict=True):
            stream.hidden = hidden
        read = self._ends_read(seen)
        flat = _constant(seen)
        # silu is nearly zero below and nearly its input above: two make a ramp, and then a level.
        foot, top = _STEP
        gates = torch.stack([read - foot * flat, read - top * flat]) * (_STEEPNESS / (top - foot))
        ups = torch.stack([flat, flat])
        down = self.at.end[0] * (self.unit * _SETTLED / _STEEPNESS)
        self._rewrite(mlp, gates, ups, torch.stack([down, -down], dim=1))

    def _even(self, seen: Sequence[Tensor]) -> Tensor:
        """(h,) what measures nearly 1 at every token: how much attention is left beside a slot
        depends on it exponentially."""
        step = -(-len(seen) // _EVEN_BATCHES)
        spots = [s.batch.real.nonzero() for s in self.streams[::step]]
        wanted = [own.new_ones(len(own), 1, dtype=torch.float32) for own in spots]
        return Fit(spots, wanted).solve(seen[::step], ridge=1e-4)[:, 0]

    def _ends_read(self, seen: Sequence[Tensor]) -> Tensor:
        """(h,) what tells the ends of parts, from all other tokens, those inside titles too."""
        ends = self.ends.places()
        at_slots = [s.at_slots(own) for s, own in zip(self.streams, ends, strict=True)]
        return self._telling(seen, ends, scarce=at_slots, but_first=True)

    def _telling(
        self,
        seen: Sequence[Tensor],
        spots: Sequence[Tensor],
        *,
        scarce: Sequence[Tensor] | None = None,
        but_first: bool = False,
    ) -> Tensor:
        """(h,) what tells some tokens, by 1 on average, from all others.

        Args:
            seen: (B, T, h) per batch, what it is read off.
            spots: (N, 2) per batch, the tokens.
            scarce: (N, 2) per batch, those among them that count more: they are few, and a norm
                shows little of what is written there.
            but_first: whether the first token of a prompt may be told anything.
        """
        asked, wanted = [], []
        for at, (stream, chosen) in enumerate(zip(self.streams, spots, strict=True)):
            flags = torch.zeros_like(stream.batch.input_ids, dtype=torch.float32)
            flags[chosen.unbind(1)] = 1
            real = stream.batch.real
            if but_first:
                real = real & (stream.batch.position_ids > 0)
            counted = [real.nonzero()]
            if scarce is not None:
                counted += [scarce[at]] * (_SCARCE - 1)
            asked.append(torch.cat(counted))
            wanted.append(flags[asked[-1].unbind(1)][:, None])
        told = Fit(asked, wanted).solve(seen, ridge=1e-3)[:, 0]
        there = [x[own.unbind(1)].float() @ told for x, own in zip(seen, spots, strict=True)]
        measured = torch.cat(there)
        return told / measured.mean().clamp_min(_FAINT) if len(measured) else told

    def gather(self, at: int) -> None:
        """Turn a layer's first heads into ones that average what was handed to the ends of parts,
        all alike or the newest more, and one that takes what came last, and read the case off it.

        Where a slot tells the case, these look at nothing else, and see nothing there. The last few
        heads see what it holds, and beside it, with a share of their attention, what the parts
        tell of a case.
        """
        norm = self.layers[at].input_layernorm
        seen = [norm(s.hidden) for s in self.streams]
        n_blind = _blind(self.causal.config)
        heads = Heads(self.causal, at, n_keys=n_blind + 1)
        flat = self._even(seen)
        # Turned least by the rotary embedding: the same at any distance.
        ends, opens, slot = (heads.size // 2 - back for back in (1, 2, 3))
        falls, fall = self._falling(heads)
        slots = [s.slots(0) for s in self.streams]
        n_first = n_blind * heads.repeats
        looks = [*islice(cycle(_BLIND), n_first), *islice(cycle(_BESIDE), heads.n - n_first)]
        for head, look in enumerate(looks):
            query = heads.query(head)
            query[opens if look.last else ends] = flat * (look.nats * heads.size**0.5)
            if look.falling:
                query[heads.size // 2 + falls] = flat * (fall * heads.size**0.5)

        def look_at_slots(heads_that_look: range, share: float) -> None:
            # So much more, that what is looked for is left a share beside the slot.
            for head in heads_that_look:
                nats = looks[head].nats - math.log(share / looks[head].usual)
                heads.query(head)[slot] = flat * (nats * heads.size**0.5)

        look_at_slots(range(heads.n), _UNSEEN)
        key = torch.zeros_like(heads.k[: heads.size])
        key[ends] = key[falls] = self._ends_read(seen)
        key[opens] = self._telling(seen, [s.opens() for s in self.streams])
        key[slot] = self._reading(norm, self.at.own, self.slot_unit, slots)[0]
        before = self._reading(norm, self.at.before, self.unit, self.ends.places())
        value = torch.zeros_like(key)
        value[: self.c] = before
        heads.share(key, [value] * (n_blind + 1))
        beside = range(n_first, heads.n)
        told, explained = self._told_by_parts(at, heads, beside)
        self.memory.explained["parts"] = explained
        look_at_slots(beside, _SLOT_ERROR / (_SLOT_ERROR + 1 - explained))
        also = torch.zeros_like(key)
        also[: self.c] = told @ before + self._reading(norm, self.at.case, self.slot_unit, slots)
        heads.share(key, [*[value] * n_blind, also])
        self._apply(heads, ("q_proj", "k_proj", "v_proj"))
        pooled = self._pooled(at, heads)
        weighed = self._weighed_cases()
        for fit in (weighed, self.cases):
            fit.measure([s.hidden for s in self.streams], self.at.case.T / self.unit)
        into = weighed.solve(pooled, ridge=1e-3, faint=1e-2)
        self.cases.add(pooled, into)
        heads.o[:, : heads.width] = (into @ (self.at.case * self.unit)).T
        self._apply(heads, ("o_proj",))
        self.memory.explained["case"] = self.cases.explained()

    def _weighed_cases(self) -> Fit:
        """Cases, those that a slot tells so often as they count."""
        spots, wanted = [], []
        for stream, own, known in zip(
            self.streams, self.cases.spots, self.cases.wanted, strict=True
        ):
            told = stream.sees(own, stream.slots(0))
            times = torch.where(told, _TOLD_WEIGHT, 1)
            spots.append(own.repeat_interleave(times, 0))
            wanted.append(known.repeat_interleave(times, 0))
        return Fit(spots, wanted)

    def _falling(self, heads: Heads) -> tuple[int, float]:
        """The rotary pair that turns by a quarter over the longest prompt, and how much a query
        must have along it, a quarter ahead of the keys, to lose ``_FALL`` with each token."""
        farthest = max(int(s.batch.position_ids.max()) for s in self.streams)
        # The last three turn least, and are taken.
        theta = self.causal.model.rotary_emb.inv_freq.float()[: heads.size // 2 - 3]
        pair = int((theta * farthest / (math.pi / 2)).log().abs().argmin())
        return pair, _FALL / float(theta[pair])

    def _pooled(self, at: int, heads: Heads) -> list[Tensor]:
        """(B, T, heads x size) per batch, what a layer's rewritten heads hand on."""
        output = self.causal.get_submodule(f"{heads.name}.o_proj")
        return [s.attended(self.layers[at], output)[..., : heads.width] for s in self.streams]

    def _told_by_parts(self, at: int, heads: Heads, own: range) -> tuple[Tensor, float]:
        """(c, c) map from a mean of what parts mean to the case that they make, where no slot tells
        it, and the share of variance that it explains there: that of some heads that explains most,
        which are applied for as long as it takes. Nothing, where a slot tells every case."""
        names = [f"{heads.name}.{part}" for part in ("q_proj", "k_proj", "v_proj")]
        layers = [base_linear(self.causal.get_submodule(name)) for name in names]
        kept = [layer.weight.clone() for layer in layers]
        for name, layer in zip(names, layers, strict=True):
            layer.weight.copy_(heads.weight(name.rpartition(".")[2]))
        pooled = self._pooled(at, heads)
        for layer, weight in zip(layers, kept, strict=True):
            layer.weight.copy_(weight)
        spots, wanted = [], []
        for stream, places, known in zip(
            self.streams, self.cases.spots, self.cases.wanted, strict=True
        ):
            untold = ~stream.sees(places, stream.slots(0))
            spots.append(places[untold])
            wanted.append(known[untold])
        if not any(len(spots[i]) for i in self.cases.fitted()):
            return pooled[0].new_zeros(self.c, self.c, dtype=torch.float32), 0.0
        told = []
        for head in own:
            fit = Fit(spots, wanted)
            means = [x[..., head * heads.size :][..., : self.c] for x in pooled]
            told.append((fit.solve(means, ridge=1e-3).T, max(0.0, fit.explained())))
        return max(told, key=lambda one: one[1])

    def compare(self, at: int) -> None:
        """Let a layer say how well the thing just mentioned fits the case.

        A gated feed-forward layer multiplies: silu(a) b - silu(-a) b = a b. So two of its hidden
        units give one product of a number of the case and one of the mention, and a linear map of
        the products, fitted to the target's answers to yes-or-no questions, says how well they fit.
        """
        layer, mlp = self.layers[at], f"model.layers.{at}.mlp."
        before = [s.hidden for s in self.streams]
        norm = layer.post_attention_layernorm
        caught = [s.run(layer, norm) for s in self.streams]
        judged = [s.judged() for s in self.streams]
        spots = [own[0] for own in judged]
        for stream, hidden in zip(self.streams, caught, strict=True):
            stream.hidden = hidden
        case, mention = (
            self._reading(norm, places, self.unit, spots).T
            for places in (self.at.case, self.at.before)
        )
        for stream, hidden in zip(self.streams, before, strict=True):
            stream.hidden = hidden
        seen = [norm(x) for x in caught]
        flat = _constant(seen)
        inner = [_products(x.float(), case, mention, flat) for x in seen]
        fit = Fit(spots, [own[1] for own in judged])
        into = fit.solve(inner, ridge=1e-3)[:, 0]
        self.memory.explained["fits"] = fit.explained()
        weights = into / torch.cat(fit.written).std()
        c = self.c
        alike, linear = torch.split(weights[: 2 * c], c)
        self.memory.weights = torch.cat(
            [torch.diag(alike).flatten(), linear, weights.new_zeros(3 * c + 1)]
        ).repeat(len(FORMS), 1)
        # Pairs of a factor and another, the last one for all that is linear.
        rest = mention @ weights[c : 2 * c] + case @ weights[2 * c : 3 * c] + flat * weights[-1]
        factors = torch.cat([case.T, flat[None]])
        others = torch.cat([mention.T * weights[:c, None], rest[None]])
        direction = self.at.fits[0] * (self.unit * _FITS_STRENGTH) + self._steering(at + 1)
        sign = flat.new_tensor([1.0, -1.0]).repeat_interleave(len(factors))
        self._rewrite(
            mlp,
            torch.cat([factors, -factors]),
            torch.cat([others, others]),
            direction[:, None] * sign,
        )

    def _rewrite(self, mlp: str, gates: Tensor, ups: Tensor, downs: Tensor) -> None:
        """Give the n hidden units of a feed-forward layer that say least another purpose.

        Args:
            mlp: the layer's name, with a dot behind it.
            gates: (n, h) what opens each of them.
            ups: (n, h) what each passes on.
            downs: (h, n) where to.
        """
        gate, up, down = (
            base_linear(self.causal.get_submodule(mlp + part)).weight.float()
            for part in ("gate_proj", "up_proj", "down_proj")
        )
        used = down.norm(dim=0).argsort()[: len(gates)]
        for part, old, new, dim in (
            ("gate_proj", gate, gates, 0), ("up_proj", up, ups, 0), ("down_proj", down, downs, 1)
        ):  # fmt: skip
            delta = torch.zeros_like(old)
            delta.index_add_(dim, used, new - old.index_select(dim, used))
            self._replace(mlp + part, delta, dim=dim)

    def _steering(self, at: int) -> Tensor:
        """(h,) what, added before a layer, moves the base model from no to yes by about one nat.

        Written along it, a judgement is spoken even before any training.
        """
        model, n = self.causal.model, 0
        total = torch.zeros((), device=self.streams[0].hidden.device)
        for stream in self.streams[:_STEERED]:
            spots, _ = stream.judged()
            before = stream.hidden
            with torch.enable_grad():
                start = before.detach().clone().requires_grad_()
                stream.hidden = start
                for layer in self.layers[at:]:
                    stream.run(layer, layer)
                states = model.norm(stream.hidden[spots[:, 0], spots[:, 1]])
                head = self.causal.lm_head.weight
                odds = states.float() @ (head[self.yes] - head[self.no]).float()
                (slopes,) = torch.autograd.grad(odds.sum(), start)
            stream.hidden = before
            total = total + slopes[spots[:, 0], spots[:, 1]].float().sum(0)
            n += len(spots)
        slope = total / max(1, n)
        slope = slope - (slope @ self.memory.places.T) @ self.memory.places
        length = float(slope.norm())
        wanted = min(_STEER / max(length, 1e-9), 0.5 / _STRENGTH * self.unit * self.c**0.5)
        self.memory.explained["steering"] = round(wanted * length, 4)
        steering: Tensor = slope / max(length, 1e-9) * wanted
        return steering

    def _reading(self, norm: Any, places: Tensor, unit: float, spots: Sequence[Tensor]) -> Tensor:
        """(n, h) map from what a norm hands on to the numbers at some places, of a given unit.

        A norm divides by the root mean square of the hidden state; what that is on average is taken
        from some positions.
        """
        there = torch.cat(
            [
                s.hidden[own[:, 0], own[:, 1]].float()
                for s, own in zip(self.streams, spots, strict=True)
            ]
        )
        scale = float(there.square().mean(1).sqrt().mean()) if len(there) else 1.0
        weight: Tensor = norm.weight.float()
        return places / weight * (scale / unit)

    def _apply(self, heads: Heads, parts: Sequence[str]) -> None:
        for part in parts:
            name = f"{heads.name}.{part}"
            old = base_linear(self.causal.get_submodule(name)).weight.float()
            self._replace(name, heads.weight(part) - old, dim=1 if part == "o_proj" else 0)

    def _replace(self, name: str, delta: Tensor, *, dim: int) -> None:
        """Add a delta of which only some rows (dim 0) or columns (dim 1) are not zero."""
        kept = delta.abs().sum(1 - dim).nonzero()[:, 0]
        chosen = torch.eye(delta.shape[dim], device=delta.device)[kept]
        own = delta.index_select(dim, kept)
        self._add(name, *((chosen.T, own) if dim == 0 else (own, chosen)))

    def _add(self, name: str, out: Tensor, into: Tensor) -> None:
        """Apply an edit and keep it, rounded as it will be saved."""
        edit = Edit(name, *(t.to("cpu", torch.bfloat16).contiguous() for t in (out, into)))
        self.memory.edits.append(edit)
        apply_edits(self.causal, [edit])


def _products(x: Tensor, case: Tensor, mention: Tensor, flat: Tensor) -> Tensor:
    """(B, T, 3c + 1) products of case and mention, the mention, the case, and one."""
    u, v, one = x @ case, x @ mention, (x @ flat)[..., None]
    return torch.cat([u * v, v * one, u * one, one * one], dim=-1)


def _constant(seen: Sequence[Tensor]) -> Tensor:
    """(h,) a direction along which what a layer is given measures about 1 at every token."""
    flat = torch.stack([x.float().mean((0, 1)) for x in seen]).mean(0)
    return flat / flat.square().sum()


def _handing(config: Any) -> int:
    """How many keys, with the heads that share them, hand on what was mentioned."""
    return -(-2 // repeats(config))


def _blind(config: Any) -> int:
    """How many keys, with the heads that share them, gather cases off their parts alone; one more
    does so off slots as well."""
    return max(1, len(_BLIND) // repeats(config))
