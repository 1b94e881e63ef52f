"""Decoding that can only say what exists: tries of titles that end in ids.

A constraint says which tokens may come next after what was decoded so far; beam search and
greedy decoding obey it. The context of a case is encoded once and shared by its questions.

Axes: N prompts, C distinct contexts among them, K beams, V vocabulary.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from innerview.surrogate.cache import empty_cache, rows_of
from innerview.surrogate.model import SpliceModel
from innerview.surrogate.packing import Tree
from innerview.surrogate.prompts import Encoded
from innerview.surrogate.trie import Trie

__all__ = [
    "Beam",
    "Constraint",
    "Free",
    "OneOf",
    "Sentences",
    "decode",
]

_FORCED_AT_ONCE = 128
"""Positions whose logits are held together, so that long forced stretches need little memory."""
_ENDINGS_AT_ONCE = 24
"""Beams that are read to their end together, beside the others; their cache is a copy."""
_PIECE = 8
"""Tokens of an ending that are read before its beam is weighed against the answers found."""
_MUCH_LONGER = 16
"""Tokens that a question may have beyond twice those of another that it is read with."""


class Constraint(Protocol):
    """Which tokens may follow; ``None`` means all of them."""

    def allowed(self, tokens: Sequence[int]) -> list[int] | None:
        """Tokens that may follow ``tokens``; empty when the answer is complete."""
        ...

    def value(self, tokens: Sequence[int]) -> Any:
        """What a complete answer means."""
        ...


@dataclass(frozen=True)
class OneOf:
    """One title, then the end; means its id. Excluded ids are never the answer."""

    trie: Trie
    end: int
    excluded: frozenset[str] = frozenset()

    @cached_property
    def _taken(self) -> list[int]:
        return self.trie.places(self.excluded)

    def allowed(self, tokens: Sequence[int]) -> list[int]:
        """Next tokens in the trie, and the end where a title may stop."""
        if tokens and tokens[-1] == self.end:
            return []
        node = self.trie.walk(tokens)
        if node is None:
            return []
        free = self.trie.open(node, self._taken)
        return [*free, self.end] if self._ids_at(node) else free

    def value(self, tokens: Sequence[int]) -> str:
        """The id."""
        node = self.trie.walk([t for t in tokens if t != self.end])
        return next(iter(self._ids_at(node)), "") if node is not None else ""

    def _ids_at(self, node: int) -> list[str]:
        return [i for i in self.trie.ending(node) if i not in self.excluded]


@dataclass(frozen=True)
class Sentences:
    """One of several sentences after another, then the end; means the token ids."""

    tries: Sequence[Trie]
    end: int

    def allowed(self, tokens: Sequence[int]) -> list[int]:
        """Next tokens of the sentence under way, and where it may stop those of the next."""
        if tokens and tokens[-1] == self.end:
            return []
        at = node = 0
        for token in tokens:
            if token not in self.tries[at].children(node):
                at, node = at + 1, 0
            node = self.tries[at].children(node)[token]
        free = list(self.tries[at].children(node))
        if self.tries[at].ending(node):
            last = at + 1 == len(self.tries)
            free += [self.end] if last else list(self.tries[at + 1].children(0))
        return free

    def value(self, tokens: Sequence[int]) -> list[int]:
        """The token ids without the end."""
        return [t for t in tokens if t != self.end]


@dataclass(frozen=True)
class Free:
    """Anything up to the end; means the token ids."""

    end: int

    def allowed(self, tokens: Sequence[int]) -> list[int] | None:
        """Everything until the end."""
        return [] if tokens and tokens[-1] == self.end else None

    def value(self, tokens: Sequence[int]) -> list[int]:
        """The token ids without the end."""
        return [t for t in tokens if t != self.end]


@dataclass(slots=True)
class Beam:
    """One hypothesis: its tokens, their summed log-probability, and its value once complete."""

    tokens: tuple[int, ...] = ()
    score: float = 0.0
    value: Any = None
    complete: bool = False


@dataclass(frozen=True, slots=True)
class _Move:
    """What one beam reads next: the token chosen for it and, behind it, those that must follow.

    Attributes:
        group: whose beam it is.
        beam: with the choice made; what is forced is not in its score before it is read.
        parent: place among all live beams of the beam it grew from.
        feed: tokens to read.
        forced: what must follow each of the first of them; one shorter than ``feed``, or as long
            where the last one completes the answer and need not be read.
    """

    group: _Group
    beam: Beam
    parent: int
    feed: tuple[int, ...]
    forced: tuple[int, ...]

    @property
    def hopeful(self) -> bool:
        """Whether the beam may still be among the answers; its score can only fall."""
        return self.beam.score > self.group.worst


@dataclass(slots=True)
class _Group:
    """The beams of one prompt: those that go on, and those that are complete."""

    constraint: Constraint
    n_beams: int
    live: list[Beam]
    done: list[Beam] = field(default_factory=list)

    def advance(self, log_probs: Tensor, first_row: int) -> list[_Move]:
        """Extend every live beam by one choice and all that it forces.

        A title is settled after a token or two; reading the rest of it at once, instead of token
        by token, takes a third of the passes.

        Args:
            log_probs: (live beams, V).
            first_row: place of the first of them among the live beams of all groups.

        Returns:
            One move for each beam that is to be read further. ``live`` is empty afterwards.
        """
        moves: list[_Move] = []
        for score, at, token in self._options(log_probs):
            if len(moves) == self.n_beams:
                break
            beam = Beam((*self.live[at].tokens, token), score)
            follow = self._follow(beam)
            if beam.complete:
                self.finish(beam)
                continue
            forced: list[int] = []
            while len(follow) == 1 and not beam.complete:
                forced.append(follow[0])
                beam.tokens = (*beam.tokens, follow[0])
                follow = self._follow(beam)
            feed = (token, *(forced[:-1] if beam.complete else forced))
            moves.append(_Move(self, beam, first_row + at, feed, tuple(forced)))
        self.live = []
        return [move for move in moves if move.hopeful]

    def finish(self, beam: Beam) -> None:
        """Take a complete beam among the answers, if it is good enough."""
        self.done = sorted([*self.done, beam], key=lambda one: -one.score)[: self.n_beams]

    @property
    def worst(self) -> float:
        """Score of the worst answer that will come back, once there are enough."""
        return self.done[-1].score if len(self.done) == self.n_beams else -math.inf

    def _follow(self, beam: Beam) -> list[int]:
        """Tokens that may follow, none where anything may; an answer that ends gets its value."""
        allowed = self.constraint.allowed(beam.tokens)
        if allowed is None:
            return []
        if not allowed:
            beam.complete, beam.value = True, self.constraint.value(beam.tokens)
        return sorted(set(allowed))

    def _options(self, log_probs: Tensor) -> list[tuple[float, int, int]]:
        """(score, beam, token) of every allowed extension, best first, ties by beam and token."""
        options: list[tuple[float, int, int]] = []
        for at, beam in enumerate(self.live):
            allowed = self.constraint.allowed(beam.tokens)
            if allowed is None:
                best = log_probs[at].topk(2 * self.n_beams)
                scores, tokens = best.values.tolist(), best.indices.tolist()
            else:
                tokens = sorted(set(allowed))
                scores = log_probs[at, tokens].tolist()
            options += [(beam.score + s, at, t) for s, t in zip(scores, tokens, strict=True)]
        return sorted(options, key=lambda o: (-o[0], o[1], o[2]))


def decode(
    model: SpliceModel,
    prompts: Sequence[Tree],
    constraints: Sequence[Constraint],
    *,
    n_beams: int | Sequence[int] = 1,
    max_new_tokens: int = 64,
    batch_size: int = 96,
) -> list[list[Beam]]:
    """Best completions of each prompt under its constraint, best first.

    Every prompt is a tree with one branch and no answer. Scores are log-probabilities over the
    whole vocabulary; the constraint only forbids, it does not renormalize. The answers do not
    depend on ``batch_size``, up to rounding.

    Args:
        model: the surrogate's network.
        prompts: in any order; those with equal contexts share one encoding of it.
        constraints: one per prompt.
        n_beams: for all prompts, or one per prompt; also how many completions come back.
        max_new_tokens: after these a beam is given back as it is.
        batch_size: most beams decoded together, unless one prompt has more.
    """
    beams = [n_beams] * len(prompts) if isinstance(n_beams, int) else list(n_beams)
    out: list[list[Beam]] = [[] for _ in prompts]
    batches = [
        batch
        for alike in _alike([len(prompt.branches[0].encoded.ids) for prompt in prompts])
        for batch in _batches(
            sorted(alike, key=lambda i: (len(prompts[i].context.ids), *_key(prompts[i]))),
            beams, batch_size,
        )
    ]  # fmt: skip
    for chosen in batches:
        groups = [_Group(constraints[i], beams[i], [Beam()]) for i in chosen]
        _decode_batch(model, [prompts[i] for i in chosen], groups, max_new_tokens)
        for i, group in zip(chosen, groups, strict=True):
            found = sorted(group.done or group.live, key=lambda beam: -beam.score)
            out[i] = found[: beams[i]]
    return out


def _alike(lengths: Sequence[int]) -> list[list[int]]:
    """Places of questions of like length together: padded to the longest of all, a few that list
    what is to be written would cost the short ones most of their time."""
    found: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not found or lengths[i] > 2 * lengths[found[-1][0]] + _MUCH_LONGER:
            found.append([])
        found[-1].append(i)
    return found


def _batches(order: Sequence[int], beams: Sequence[int], most: int) -> list[list[int]]:
    """Prompts cut into batches of at most so many beams, in order; each has at least one."""
    batches: list[list[int]] = []
    width = 0
    for i in order:
        if not batches or width + beams[i] > most:
            batches.append([])
            width = 0
        batches[-1].append(i)
        width += beams[i]
    return batches


def _key(prompt: Tree) -> tuple[tuple[int, ...], tuple[tuple[int, str, str], ...]]:
    """What makes two contexts the same: their ids, and what is in their slots."""
    slots = prompt.context.slots
    return prompt.context.ids, tuple((s.position, s.kind, s.ref) for s in slots)


@torch.inference_mode()
def _decode_batch(
    model: SpliceModel, prompts: Sequence[Tree], groups: Sequence[_Group], max_new_tokens: int
) -> None:
    cache = _Cache(model, prompts)
    for _ in range(max_new_tokens):
        moves: list[_Move] = []
        row = 0
        for group in groups:
            n = len(group.live)
            moves += group.advance(cache.log_probs[row : row + n], row)
            row += n
        # Endings first, and of these the short ones: the answers that they are shut out many of
        # the rest, which need not be read then.
        endings = [move for move in moves if move.beam.complete]
        endings.sort(key=lambda move: len(move.feed))
        for at in range(0, len(endings), _ENDINGS_AT_ONCE):
            cache.read_endings([m for m in endings[at : at + _ENDINGS_AT_ONCE] if m.hopeful])
        moves = [move for move in moves if not move.beam.complete and move.hopeful]
        if not moves:
            break
        cache.step(moves)
        going_on = [at for at, move in enumerate(moves) if move.hopeful]
        if not going_on:
            break
        for at in going_on:
            moves[at].group.live.append(moves[at].beam)
        cache.keep(going_on)


class _Cache:
    """Key-value cache of a batch: contexts once, then their questions, then the beams.

    Every stretch is padded on its left, so the newest token of each row is the last.
    """

    def __init__(self, model: SpliceModel, prompts: Sequence[Tree]) -> None:
        self.model = model
        self.device = next(model.language_model.parameters()).device
        self.cache = empty_cache()
        self.attend = torch.zeros(0, 0, dtype=torch.int64, device=self.device)
        self.next_position = torch.zeros(0, dtype=torch.int64, device=self.device)
        rows: dict[Any, int] = {}
        for prompt in prompts:
            rows.setdefault(_key(prompt), len(rows))
        first = {row: prompt for prompt in reversed(prompts) for row in (rows[_key(prompt)],)}
        contexts = [first[row].context for row in range(len(rows))]
        start = torch.zeros(len(contexts), dtype=torch.int64)
        self._append(contexts, [-1] * len(contexts), start)
        self._select([rows[_key(prompt)] for prompt in prompts])
        branches = [prompt.branches[0] for prompt in prompts]
        visible = torch.tensor([b.visible for b in branches], device=self.device)
        # What a question must not look back at: the context behind its first parts.
        hidden = self.attend.cumsum(1) > visible[:, None]
        self.attend = self.attend.masked_fill(hidden, 0)
        states = self._append(
            [b.encoded for b in branches], [b.case_row for b in branches], visible
        )
        self._last = states[:, -1]
        self.keep(range(len(prompts)))

    def step(self, moves: Sequence[_Move]) -> None:
        """Follow some rows, each by its move, and add to the beams' scores what was forced."""
        self._select([self._going_on[move.parent] for move in moves])
        feeds = [move.feed for move in moves]
        states = self._append([Encoded(f) for f in feeds], [-1] * len(moves), self.next_position)
        self._charge(states, moves, feeds, [move.forced for move in moves])
        self._last = states[:, -1]

    def read_endings(self, moves: Sequence[_Move]) -> None:
        """Read answers to their ends, on a copy of their rows, as long as there is hope for them;
        those that come through are their groups' answers."""
        if not moves:
            return
        side = self._copy([self._going_on[move.parent] for move in moves])
        at = 0
        while moves:
            feeds = [move.feed[at : at + _PIECE] for move in moves]
            forced = [move.forced[at : at + _PIECE] for move in moves]
            states = side._append(
                [Encoded(f) for f in feeds], [-1] * len(moves), side.next_position
            )
            self._charge(states, moves, feeds, forced)
            at += _PIECE
            for move in moves:
                if len(move.feed) <= at:
                    move.group.finish(move.beam)
            left = [i for i, m in enumerate(moves) if len(m.feed) > at and m.hopeful]
            moves = [moves[i] for i in left]
            if moves:
                side._select(left)

    def _charge(
        self,
        states: Tensor,
        moves: Sequence[_Move],
        feeds: Sequence[Sequence[int]],
        forced: Sequence[Sequence[int]],
    ) -> None:
        """Add to each beam's score the log-probability of what was forced behind what was read.

        Args:
            states: (N, T, h), of each row's feed at its right end.
            moves, feeds, forced: N of each.
        """
        width = states.shape[1]
        at = [
            (row, width - len(feed) + i, token)
            for row, (feed, own) in enumerate(zip(feeds, forced, strict=True))
            for i, token in enumerate(own)
        ]
        costs = torch.zeros(len(moves), device=self.device)
        for start in range(0, len(at), _FORCED_AT_ONCE):
            rows, columns, tokens = torch.tensor(
                at[start : start + _FORCED_AT_ONCE], device=self.device
            ).unbind(1)
            logits = self.model.causal.lm_head(states[rows, columns]).float()
            chosen = logits.gather(1, tokens[:, None])[:, 0]
            costs.index_add_(0, rows, chosen - torch.logsumexp(logits, dim=-1))
        for move, cost in zip(moves, costs.tolist(), strict=True):
            move.beam.score += cost

    def _copy(self, rows: Sequence[int]) -> _Cache:
        """Some rows as a cache of their own; this one stays as it is."""
        side = copy.copy(self)
        chosen = torch.tensor(rows, device=self.device)
        side.cache = rows_of(self.cache, rows)
        side.attend = self.attend[chosen]
        side.next_position = self.next_position[chosen]
        return side

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some rows; their log-probabilities are computed only now."""
        self._going_on = list(rows)
        self.log_probs = self._log_probs(self._last[torch.tensor(rows, device=self.device)])

    def _select(self, rows: Sequence[int]) -> None:
        if list(rows) == list(range(self.attend.shape[0])):
            return
        chosen = torch.tensor(rows, device=self.device)
        self.cache.batch_select_indices(chosen)
        self.attend = self.attend[chosen]
        self.next_position = self.next_position[chosen]

    def _append(self, pieces: Sequence[Encoded], case_rows: Sequence[int], start: Tensor) -> Tensor:
        """(N, T, h) last states of one left-padded piece appended to every row.

        Positions go on from ``start`` (N,).
        """
        width = max(len(p.ids) for p in pieces)
        ids = torch.zeros(len(pieces), width, dtype=torch.int64)
        own = torch.zeros_like(ids)
        slots: list[tuple[int, int, int, int]] = []
        for row, (piece, case_row) in enumerate(zip(pieces, case_rows, strict=True)):
            pad = width - len(piece.ids)
            ids[row, pad:] = torch.tensor(piece.ids)
            own[row, pad:] = 1
            for slot in piece.slots:
                assert self.model.vectors is not None
                kind, at = self.model.vectors.locate(slot.kind, slot.ref, case_row)
                slots.append((row, pad + slot.position, kind, at))
        table = torch.tensor(slots, dtype=torch.int64).reshape(-1, 4).to(self.device)
        own = own.to(self.device)
        positions = (own.cumsum(1) - 1).clamp_min(0) + start.to(self.device)[:, None]
        past = self.attend if self.attend.numel() else own[:, :0]
        self.attend = torch.cat([past, own], dim=1)
        embeddings = self.model.embed(ids.to(self.device), table[:, :2], table[:, 2], table[:, 3])
        states: Tensor = self.model.causal.model(
            inputs_embeds=embeddings,
            attention_mask=self.attend,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.next_position = positions[:, -1] + 1
        return states

    def _log_probs(self, states: Tensor) -> Tensor:
        """(N, h) to (N, V)."""
        return torch.log_softmax(self.model.causal.lm_head(states).float(), dim=-1).cpu()
