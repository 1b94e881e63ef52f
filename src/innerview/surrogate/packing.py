"""Packing records into rows: the case once, every question on a branch of its own.

A *tree* is one context with the branches that look back at it. A branch attends to the first
ids of its context and to itself, and its positions go on from there, so each question is
computed exactly as if it stood alone behind its case. Several trees share a row and do not see
each other. Exact only with ``use_cache=False``.

Axes: B rows, T tokens of the longest row, S slots, A answer ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from innerview.alignment.records import TASKS, Record
from innerview.surrogate.prompts import Encoded, PromptEncoder, SlotRef
from innerview.surrogate.vectors import VectorTable

__all__ = ["Batch", "Branch", "Tree", "collate", "pack_rows", "trees_of"]


@dataclass(frozen=True, slots=True)
class Branch:
    """One question: its ids, how many context ids it sees, and what it is for."""

    encoded: Encoded
    visible: int
    task: int
    case_row: int
    """Row of its case vector in the vector table; -1 if it has none."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One context and the branches on it."""

    context: Encoded
    branches: tuple[Branch, ...]

    def __len__(self) -> int:
        return len(self.context.ids) + sum(len(b.encoded.ids) for b in self.branches)


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything one forward pass needs; the names are the model's arguments.

    Attributes:
        input_ids: (B, T) int64.
        position_ids: (B, T) int64, going on from the context on every branch.
        attention_mask: (B, 1, T, T) bool, True where row attends to column.
        slot_positions: (S, 2) int64, row and token.
        slot_kinds: (S,) int64, index into ``VectorTable`` kinds.
        slot_rows: (S,) int64, row of the vector in its kind's table.
        answer_positions: (A, 2) int64: the row and token whose logits predict an answer id.
        answer_ids: (A,) int64.
        answer_tasks: (A,) int64, index into TASKS.
        answer_records: (A,) int64, the number of the branch within the batch.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor
    slot_positions: Tensor
    slot_kinds: Tensor
    slot_rows: Tensor
    answer_positions: Tensor
    answer_ids: Tensor
    answer_tasks: Tensor
    answer_records: Tensor

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
) -> Iterator[Tree]:
    """Group neighbouring records of one context into trees of at most ``max_tokens``."""
    for _, group in groupby(records, key=lambda r: r.context_key):
        members = list(group)
        context, ends = encoder.context(members[0].parts, members[0].form)
        branches: list[Branch] = []
        room = max_tokens - len(context.ids)
        for record in members:
            encoded = encoder.branch(record, with_answer=with_answer)
            if branches and len(encoded.ids) > room:
                yield Tree(context, tuple(branches))
                branches, room = [], max_tokens - len(context.ids)
            room -= len(encoded.ids)
            needs_case = any(s.kind == "case" for s in encoded.slots)
            row = vectors.case_row(record.parts[: record.visible]) if needs_case else -1
            branches.append(Branch(encoded, ends[record.visible], TASKS.index(record.task), row))
        if branches:
            yield Tree(context, tuple(branches))


def pack_rows(
    trees: Iterable[Tree], *, max_tokens: int, open_rows: int = 16
) -> Iterator[list[Tree]]:
    """First-fit packing into rows of at most ``max_tokens``, keeping the stream's order nearly."""
    rows: list[tuple[int, list[Tree]]] = []
    for tree in trees:
        size = len(tree)
        for at, (used, row) in enumerate(rows):
            if used + size <= max_tokens:
                rows[at] = (used + size, [*row, tree])
                break
        else:
            rows.append((size, [tree]))
            if len(rows) > open_rows:
                fullest = max(range(len(rows)), key=lambda i: rows[i][0])
                yield rows.pop(fullest)[1]
    yield from (row for _, row in rows)


class _Rows:
    """Collects the lists behind a batch; one method per thing that is appended."""

    def __init__(self, vectors: VectorTable) -> None:
        self.vectors = vectors
        self.slots: list[tuple[int, int, int, int]] = []
        self.answers: list[tuple[int, int, int, int, int]] = []
        self.n_branches = 0

    def add_slots(self, row: int, offset: int, slots: Sequence[SlotRef], case_row: int) -> None:
        for slot in slots:
            kind, at = self.vectors.locate(slot.kind, slot.ref, case_row)
            self.slots.append((row, offset + slot.position, kind, at))

    def add_answer(self, row: int, offset: int, branch: Branch) -> None:
        ids = branch.encoded.ids
        for i in range(len(ids) - branch.encoded.n_answer, len(ids)):
            self.answers.append((row, offset + i - 1, ids[i], branch.task, self.n_branches))
        self.n_branches += 1


def collate(rows: Sequence[Sequence[Tree]], vectors: VectorTable, *, pad_id: int) -> Batch:
    """Lay packed rows out as tensors; rows are padded to the longest of them.

    Padding attends to itself alone and nothing attends to padding.
    """
    width = max(sum(len(t) for t in row) for row in rows)
    shape = (len(rows), width)
    input_ids = torch.full(shape, pad_id, dtype=torch.int64)
    position_ids = torch.zeros(shape, dtype=torch.int64)
    mask = torch.eye(width, dtype=torch.bool).repeat(len(rows), 1, 1)
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    kept = _Rows(vectors)
    for r, row in enumerate(rows):
        offset = 0
        for tree in row:
            start, n = offset, len(tree.context.ids)
            input_ids[r, start : start + n] = torch.tensor(tree.context.ids)
            position_ids[r, start : start + n] = torch.arange(n)
            mask[r, start : start + n, start : start + n] = causal[:n, :n]
            kept.add_slots(r, start, tree.context.slots, -1)
            offset += n
            for branch in tree.branches:
                m = len(branch.encoded.ids)
                end = offset + m
                input_ids[r, offset:end] = torch.tensor(branch.encoded.ids)
                position_ids[r, offset:end] = torch.arange(branch.visible, branch.visible + m)
                mask[r, offset:end, start : start + branch.visible] = True
                mask[r, offset:end, offset:end] = causal[:m, :m]
                kept.add_slots(r, offset, branch.encoded.slots, branch.case_row)
                kept.add_answer(r, offset, branch)
                offset = end
    slots = torch.tensor(kept.slots, dtype=torch.int64).reshape(-1, 4)
    answers = torch.tensor(kept.answers, dtype=torch.int64).reshape(-1, 5)
    return Batch(
        input_ids=input_ids,
        position_ids=position_ids,
        attention_mask=mask[:, None],
        slot_positions=slots[:, :2],
        slot_kinds=slots[:, 2],
        slot_rows=slots[:, 3],
        answer_positions=answers[:, :2],
        answer_ids=answers[:, 2],
        answer_tasks=answers[:, 3],
        answer_records=answers[:, 4],
    )
