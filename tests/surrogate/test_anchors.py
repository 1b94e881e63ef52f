from __future__ import annotations

import pytest
import torch

from innerview.alignment.records import FORMS, Form, Record
from innerview.surrogate.packing import collate, pack_rows, trees_of
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.vectors import KINDS


@pytest.mark.parametrize("form", FORMS)
def test_anchors_lie_where_a_title_or_slot_ends(
    surrogate: Surrogate, groups: list[list[Record]], form: Form
) -> None:
    encoder = surrogate.encoder
    record = next(r for g in groups for r in g if r.form == form and r.task == "interest")
    context, ends = encoder.context(record.parts, form)
    # Where a title stands before a slot, both are told.
    each = 2 if form == "hybrid" else 1
    assert [a.ref for a in context.anchors[each - 1 :: each]] == list(record.parts)
    separator = len(encoder.text(";"))
    last = [a.position for a in context.anchors[each - 1 :: each]]
    assert last == [e - 1 - separator for e in ends[1:]]
    anchors = encoder.branch(record).anchors
    assert [(a.kind, a.ref) for a in anchors] == [("outcome", record.label["outcome"])] * each


def test_a_batch_says_what_is_to_be_known_where(
    surrogate: Surrogate, groups: list[list[Record]]
) -> None:
    trees = trees_of([r for g in groups for r in g], surrogate.encoder, surrogate.vectors)
    rows = list(pack_rows(trees, max_tokens=900))
    batch = collate(rows, surrogate.vectors, pad_id=0)
    assert set(batch.anchor_kinds.tolist()) == set(range(len(KINDS)))
    assert len(batch.anchor_positions.unique(dim=0)) <= len(batch.anchor_positions)
    sizes = [sum(len(t) for t in row) for row in rows]
    assert all(token < sizes[row] for row, token in batch.anchor_positions.tolist())
    sums = torch.zeros(len(batch.answer_ids)).index_add(0, batch.truth_rows, batch.truth_shares)
    torch.testing.assert_close(sums, torch.ones(len(sums)))
    assert bool((batch.truth_rows.diff() >= 0).all())


def test_alternatives_share_the_truth_only_while_they_begin_alike(
    surrogate: Surrogate, groups: list[list[Record]]
) -> None:
    encoder = surrogate.encoder
    record = next(r for g in groups for r in g if r.task == "retrieval")
    assert 0 < sum(share for _, share in record.alternatives) < 1
    encoded = encoder.branch(record)
    answer = encoded.ids[-encoded.n_answer :]
    assert len(encoded.shares) == len(answer)
    for at, (own, truths) in enumerate(zip(answer, encoded.shares, strict=True)):
        begins_alike = [
            ids
            for text, _ in record.alternatives
            if (ids := encoder.answer_ids(text))[:at] == answer[:at] and len(ids) > at
        ]
        assert {token for token, _ in truths} == {own, *(ids[at] for ids in begins_alike)}
        assert sum(share for _, share in truths) == pytest.approx(1.0)
