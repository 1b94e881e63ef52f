"""Packing records into rows: the case once, every question on a branch of its own.

A *tree* is one context with the branches that look back at it. A branch attends to the first
ids of its context and to itself, and its positions go on from there, so each question is
computed exactly as if it stood alone behind its case. Branches that open with the same question
about the same parts share that *stem* as well and differ in what comes after it. Several trees
share a row and do not see each other. Exact only with ``use_cache=False``.

Axes: B rows, T tokens of the longest row, S slots, A answer ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor

from innerview.alignment.records import TASKS, Record
from innerview.surrogate.attention import N_PIECES, dense_mask, is_real
from innerview.surrogate.prompts import Encoded, PromptEncoder, SlotRef
from innerview.surrogate.vectors import KINDS, VectorTable

__all__ = ["Batch", "Branch", "Tree", "collate", "pack_in_order", "pack_rows", "trees_of"]


@dataclass(frozen=True, slots=True)
class Branch:
    """One question: its ids, how many context ids it sees, and what it is for."""

    encoded: Encoded
    visible: int
    task: int
    case_row: int
    """Row of its case vector in the vector table; -1 if it has none."""
    shared: int = 0
    """How many of its first ids are the stem of the branch before it, and not laid out again."""

    def __len__(self) -> int:
        return len(self.encoded.ids) - self.shared


@dataclass(frozen=True, slots=True)
class Tree:
    """One context and the branches on it."""

    context: Encoded
    branches: tuple[Branch, ...]

    def __len__(self) -> int:
        return len(self.context.ids) + sum(len(b) for b in self.branches)


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything one forward pass needs; the names are the model's arguments.

    Attributes:
        input_ids: (B, T) int64.
        position_ids: (B, T) int64, going on from the context on every branch.
        attention_spans: (B, T, 5) int64, what each token sees (``attention.py``).
        slot_positions: (S, 2) int64, row and token.
        slot_kinds: (S,) int64, index into ``VectorTable`` kinds.
        slot_rows: (S,) int64, row of the vector in its kind's table.
        answer_positions: (A, 2) int64: the row and token whose logits predict an answer id.
        answer_ids: (A,) int64.
        answer_tasks: (A,) int64, index into TASKS.
        answer_records: (A,) int64, the number of the branch within the batch.
        truth_rows: (M,) int64, the answer position that a truth belongs to.
        truth_ids: (M,) int64, an id that may stand there.
        truth_shares: (M,) float32, its share; those of one answer position sum to 1.
        anchor_positions: (N, 2) int64, row and token where the surrogate was told of something.
        anchor_kinds: (N,) int64, of what: index into ``VectorTable`` kinds.
        anchor_rows: (N,) int64, row of its vector in its kind's table.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_spans: Tensor
    slot_positions: Tensor
    slot_kinds: Tensor
    slot_rows: Tensor
    answer_positions: Tensor
    answer_ids: Tensor
    answer_tasks: Tensor
    answer_records: Tensor
    truth_rows: Tensor
    truth_ids: Tensor
    truth_shares: Tensor
    anchor_positions: Tensor
    anchor_kinds: Tensor
    anchor_rows: Tensor

    @property
    def attention_mask(self) -> Tensor:
        """(B, 1, T, T) bool, True where row attends to column."""
        return dense_mask(self.attention_spans)

    @property
    def real(self) -> Tensor:
        """(B, T) bool, False at padding."""
        return is_real(self.attention_spans)

    @property
    def first_answers(self) -> Tensor:
        """(A,) bool, which answer ids are the first of their record."""
        return self.answer_records.diff(prepend=self.answer_records.new_tensor([-1])) != 0

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(**{name: tensor.to(device) for name, tensor in self.as_dict().items()})

    def as_dict(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def trees_of(
    records: Iterable[Record],
    encoder: PromptEncoder,
    vectors: VectorTable,
    *,
    max_tokens: int = 512,
    with_answer: bool = True,
    with_case: bool = True,
) -> Iterator[Tree]:
    """Group neighbouring records of one context into trees of at most ``max_tokens``.

    Args:
        records: neighbours of one context share its encoding.
        encoder: of prompts.
        vectors: what slots hold.
        max_tokens: of a tree.
        with_answer: to train on, or to read likelihoods off; without, something is to be answered.
        with_case: the case's vector is looked up even where no slot holds it: in training, every
            form is held to know it.
    """
    for _, group in groupby(records, key=lambda r: (r.context_key, encoder.opening(r.task))):
        members = list(group)
        context, ends = encoder.context(members[0].parts, members[0].form, members[0].task)
        branches: list[Branch] = []
        room = max_tokens - len(context.ids)
        for record in members:
            encoded = encoder.branch(record, with_answer=with_answer)
            needs_case = any(s.kind == "case" for s in encoded.slots) or (
                with_case and vectors.enabled and record.visible > 0
            )
            row = vectors.case_row(record.parts[: record.visible]) if needs_case else -1
            branch = Branch(encoded, ends[record.visible], TASKS.index(record.task), row)
            if branches:
                branch = replace(branch, shared=_common_stem(branches[-1], branch))
                if len(branch) > room:
                    yield Tree(context, tuple(branches))
                    branches, room = [], max_tokens - len(context.ids)
                    branch = replace(branch, shared=0)
            room -= len(branch)
            branches.append(branch)
        if branches:
            yield Tree(context, tuple(branches))


def _common_stem(one: Branch, other: Branch) -> int:
    """Length of the stem that two branches share; 0 if they differ in anything before its end."""
    n = one.encoded.n_stem
    a, b = ((x.encoded.ids[:n], _before(x, n), x.visible, x.case_row) for x in (one, other))
    return n if n == other.encoded.n_stem and a == b else 0


def _before(branch: Branch, n: int) -> tuple[SlotRef, ...]:
    marks = (*branch.encoded.slots, *branch.encoded.anchors)
    return tuple(mark for mark in marks if mark.position < n)


def pack_rows(
    trees: Iterable[Tree], *, max_tokens: int, open_rows: int = 64
) -> Iterator[list[Tree]]:
    """Best-fit packing into rows of at most ``max_tokens``, keeping the stream's order nearly.

    A tree goes into the row that it leaves least room in, of those that are open; if it fits into
    none, it opens one, and where that is one too many the fullest is done. So the last rows are the
    emptiest; they come by how full they are, as a batch is as wide as its longest row.
    """
    rows: list[tuple[int, list[Tree]]] = []
    for tree in trees:
        size = len(tree)
        fitting = [at for at, (used, _) in enumerate(rows) if used + size <= max_tokens]
        if fitting:
            at = max(fitting, key=lambda i: rows[i][0])
            used, row = rows[at]
            rows[at] = (used + size, [*row, tree])
            continue
        rows.append((size, [tree]))
        if len(rows) > open_rows:
            fullest = max(range(len(rows)), key=lambda i: rows[i][0])
            yield rows.pop(fullest)[1]
    rows.sort(key=lambda it: it[0], reverse=True)
    yield from (row for _, row in rows)


def pack_in_order(trees: Iterable[Tree], *, max_tokens: int) -> Iterator[list[Tree]]:
    """Rows of at most ``max_tokens`` that hold the trees exactly in order."""
    row: list[Tree] = []
    used = 0
    for tree in trees:
        if row and used + len(tree) > max_tokens:
            yield row
            row, used = [], 0
        row.append(tree)
        used += len(tree)
    if row:
        yield row


class _Rows:
    """Collects the lists behind a batch; one method per thing that is appended."""

    def __init__(self, vectors: VectorTable) -> None:
        self.vectors = vectors
        self.slots: list[tuple[int, int, int, int]] = []
        self.answers: list[tuple[int, int, int, int, int]] = []
        self.truths: list[tuple[int, int, float]] = []
        self.anchors: list[tuple[int, int, int, int]] = []
        self.n_branches = 0

    def add_context(self, row: int, start: int, context: Encoded) -> None:
        for slot in context.slots:
            self.slots.append((row, start + slot.position, *self._locate(slot, -1)))
        self._add_anchors(row, context.anchors, [start + a.position for a in context.anchors])

    def add_branch(self, row: int, start: int, places: Sequence[int], branch: Branch) -> None:
        """Note a branch whose ids lie at ``places``; its context begins at ``start``."""
        own, new = branch.encoded, branch.shared
        for slot in own.slots:
            if slot.position >= new:
                at = self._locate(slot, branch.case_row)
                self.slots.append((row, places[slot.position], *at))
        anchors = [a for a in own.anchors if a.position >= new]
        self._add_anchors(row, anchors, [places[a.position] for a in anchors])
        if branch.case_row >= 0 and not new:
            # The case must be known where the question opens, and where the answer begins.
            for position in (places[0], places[own.n_stem - 1]):
                self.anchors.append((row, position, KINDS.index("case"), branch.case_row))
        n = len(own.ids)
        shares = own.shares or tuple(((i, 1.0),) for i in own.ids[n - own.n_answer :])
        for i, truths in zip(range(n - own.n_answer, n), shares, strict=True):
            self.truths += [(len(self.answers), token, share) for token, share in truths]
            self.answers.append((row, places[i - 1], own.ids[i], branch.task, self.n_branches))
        self.n_branches += 1

    def _locate(self, slot: SlotRef, case_row: int) -> tuple[int, int]:
        return self.vectors.locate(slot.kind, slot.ref, case_row)

    def _add_anchors(self, row: int, anchors: Sequence[SlotRef], places: Sequence[int]) -> None:
        for anchor, place in zip(anchors, places, strict=True):
            if self.vectors.enabled:
                self.anchors.append((row, place, *self._locate(anchor, -1)))


def collate(
    rows: Sequence[Sequence[Tree]], vectors: VectorTable, *, pad_id: int, multiple: int = 1
) -> Batch:
    """Lay packed rows out as tensors; rows are padded to the longest of them.

    Padding attends to itself alone and nothing attends to padding.

    Args:
        rows: packed.
        vectors: what slots hold.
        pad_id: any token id.
        multiple: of how many tokens a row is, so that not every batch has a width of its own.
    """
    longest = max(sum(len(t) for t in row) for row in rows)
    width = -(-longest // multiple) * multiple
    shape = (len(rows), width)
    input_ids = torch.full(shape, pad_id, dtype=torch.int64)
    position_ids = torch.zeros(shape, dtype=torch.int64)
    spans = torch.zeros(*shape, N_PIECES, dtype=torch.int64)
    spans[..., 0] = width
    kept = _Rows(vectors)
    for r, row in enumerate(rows):
        offset = 0
        for tree in row:
            start, n = offset, len(tree.context.ids)
            input_ids[r, start : start + n] = torch.tensor(tree.context.ids)
            position_ids[r, start : start + n] = torch.arange(n)
            spans[r, start : start + n, 0] = start
            kept.add_context(r, start, tree.context)
            offset += n
            stem: list[int] = []  # places of the branch before, whose first ids may be shared
            for branch in tree.branches:
                ids = branch.encoded.ids
                old, new = branch.shared, len(branch)
                places = [*stem[:old], *range(offset, offset + new)]
                end = offset + new
                input_ids[r, offset:end] = torch.tensor(ids[old:])
                position_ids[r, offset:end] = torch.arange(new) + branch.visible + old
                # A stem is laid out in one stretch, with the first branch that has it.
                shared = (stem[0], stem[0] + old) if old else (0, 0)
                spans[r, offset:end] = torch.tensor(
                    [offset, start, start + branch.visible, *shared]
                )
                kept.add_branch(r, start, places, branch)
                offset, stem = end, places
    slots = torch.tensor(kept.slots, dtype=torch.int64).reshape(-1, 4)
    answers = torch.tensor(kept.answers, dtype=torch.int64).reshape(-1, 5)
    anchors = torch.tensor(kept.anchors, dtype=torch.int64).reshape(-1, 4)
    return Batch(
        input_ids=input_ids,
        position_ids=position_ids,
        attention_spans=spans,
        slot_positions=slots[:, :2],
        slot_kinds=slots[:, 2],
        slot_rows=slots[:, 3],
        answer_positions=answers[:, :2],
        answer_ids=answers[:, 2],
        answer_tasks=answers[:, 3],
        answer_records=answers[:, 4],
        truth_rows=torch.tensor([t[0] for t in kept.truths], dtype=torch.int64),
        truth_ids=torch.tensor([t[1] for t in kept.truths], dtype=torch.int64),
        truth_shares=torch.tensor([t[2] for t in kept.truths], dtype=torch.float32),
        anchor_positions=anchors[:, :2],
        anchor_kinds=anchors[:, 2],
        anchor_rows=anchors[:, 3],
    )
