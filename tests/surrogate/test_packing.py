from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from innerview.alignment.records import FORMS, Form, Record
from innerview.errors import SlotMismatchError
from innerview.surrogate.packing import Tree, collate, pack_in_order, pack_rows, trees_of
from innerview.surrogate.projector import splice
from innerview.surrogate.prompts import Encoded
from innerview.surrogate.surrogate import Surrogate
from innerview.testing import ScriptedTarget

from .tiny import tiny_base


def _log_probs(surrogate: Surrogate, rows: list[list[Tree]]) -> torch.Tensor:
    batch = collate(rows, surrogate.vectors, pad_id=0)
    logits = surrogate.model.answer_logits(batch.as_dict())
    return torch.log_softmax(logits, -1)[torch.arange(len(logits)), batch.answer_ids]


def _gradients(surrogate: Surrogate, rows: list[list[Tree]]) -> list[torch.Tensor]:
    surrogate.model.zero_grad()
    (-_log_probs(surrogate, rows).sum()).backward()
    return [
        p.grad.clone()
        for p in surrogate.model.parameters()
        if p.requires_grad and p.grad is not None
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["llama", "qwen"])
def test_packed_questions_are_answered_as_if_each_stood_alone(
    target: ScriptedTarget, groups: list[list[Record]], form: Form, kind: Any
) -> None:
    surrogate = Surrogate(tiny_base(kind=kind), target, lora_rank=4)
    surrogate.start(groups, features=16)
    with torch.no_grad():
        for name, parameter in surrogate.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.05)
    chosen = [r for g in groups for r in g if r.form == form][:14]
    packed_trees = list(trees_of(chosen, surrogate.encoder, surrogate.vectors, max_tokens=900))
    packed = list(pack_rows(packed_trees, max_tokens=1800))
    assert any(len(tree.branches) > 1 for tree in packed_trees)
    assert any(len(row) > 1 for row in packed)
    alone = [[t] for r in chosen for t in trees_of([r], surrogate.encoder, surrogate.vectors)]
    a, b = _log_probs(surrogate, packed), _log_probs(surrogate, alone)
    # First-fit may move trees between rows, so compare as sorted values.
    torch.testing.assert_close(a.sort().values, b.sort().values, atol=1e-5, rtol=1e-5)
    for one, other in zip(_gradients(surrogate, packed), _gradients(surrogate, alone), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_judgements_of_one_case_share_their_question(
    surrogate: Surrogate, groups: list[list[Record]]
) -> None:
    records = [r for r in groups[0] if r.task == "interest"]
    (tree,) = trees_of(records, surrogate.encoder, surrogate.vectors, max_tokens=5000)
    first, *others = tree.branches
    assert first.shared == 0
    assert {b.shared for b in others} == {first.encoded.n_stem}
    # Laid out once, and yet each record's answer is predicted.
    batch = collate([[tree]], surrogate.vectors, pad_id=0)
    assert int(batch.answer_records.max()) == len(records) - 1
    assert batch.input_ids.shape[1] == len(tree)
    positions = {tuple(p) for p in batch.answer_positions.tolist()}
    assert len(positions) == len(batch.answer_ids)


def test_a_question_sees_only_the_first_visible_parts(
    surrogate: Surrogate, groups: list[list[Record]]
) -> None:
    record = next(
        r for g in groups for r in g if r.task == "retrieval" and r.visible < len(r.parts)
    )
    changed = Record(
        record.task, record.form, record.case_id,
        (*record.parts[: record.visible], *reversed(record.parts[record.visible :])),
        record.visible, record.question, record.answer, record.label,
    )  # fmt: skip
    one, other = (
        _log_probs(surrogate, [list(trees_of([r], surrogate.encoder, surrogate.vectors))])
        for r in (record, changed)
    )
    assert torch.equal(one, other)


def _tree(n: int) -> Tree:
    return Tree(Encoded(tuple(range(n))), ())


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(50, 120))
def test_rows_hold_every_tree_once_and_never_too_much(sizes: list[int], limit: int) -> None:
    trees = [_tree(n) for n in sizes]
    rows = list(pack_rows(trees, max_tokens=limit, open_rows=4))
    assert sorted(id(t) for row in rows for t in row) == sorted(id(t) for t in trees)
    assert all(sum(len(t) for t in row) <= limit for row in rows)


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(40, 90))
def test_rows_in_order_are_full_before_the_next_begins(sizes: list[int], limit: int) -> None:
    trees = [_tree(n) for n in sizes]
    rows = list(pack_in_order(trees, max_tokens=limit))
    assert [tree for row in rows for tree in row] == trees
    for row, following in itertools.pairwise(rows):
        assert sum(map(len, row)) <= limit < sum(map(len, row)) + len(following[0])


def test_splice_overwrites_the_slots_and_nothing_else() -> None:
    embeddings = torch.randn(2, 4, 3)
    slots = torch.tensor([[0, 1], [1, 3]])
    vectors = torch.randn(2, 3)
    out = splice(embeddings, slots, vectors)
    assert torch.equal(out[0, 1], vectors[0])
    assert torch.equal(out[1, 3], vectors[1])
    untouched = torch.ones(2, 4, dtype=torch.bool)
    untouched[0, 1] = untouched[1, 3] = False
    assert torch.equal(out[untouched], embeddings[untouched])


@pytest.mark.parametrize(
    ("slots", "vectors", "message"),
    [
        (torch.tensor([[0, 1]]), torch.zeros(2, 3), "1 slots for 2 vectors"),
        (torch.tensor([[0, 9]]), torch.zeros(1, 3), "outside"),
        (torch.tensor([[0, 1]]), torch.zeros(1, 5), "width 5"),
    ],
)
def test_splice_refuses_what_does_not_fit(
    slots: torch.Tensor, vectors: torch.Tensor, message: str
) -> None:
    with pytest.raises(SlotMismatchError, match=message):
        splice(torch.zeros(1, 4, 3), slots, vectors)
