from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from innerview.alignment.records import Record
from innerview.surrogate import decode as module
from innerview.surrogate.decode import (
    Constraint,
    Free,
    OneOf,
    Sentences,
    _alike,
    decode,
)
from innerview.surrogate.packing import collate, trees_of
from innerview.surrogate.prompts import Encoded
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.trie import Trie

END = 99
token_lists = st.lists(
    st.lists(st.integers(0, 4), min_size=1, max_size=3), min_size=1, max_size=6, unique_by=tuple
)


def _trie(entries: Mapping[str, Sequence[int]]) -> Trie:
    return Trie.build(list(entries), entries.values())


def _all_answers(constraint: Constraint, limit: int = 5000) -> list[tuple[int, ...]]:
    found, open_ = [], [()]
    while open_ and len(found) < limit:
        tokens = open_.pop()
        allowed = constraint.allowed(tokens)
        assert allowed is not None
        if not allowed:
            found.append(tokens)
        open_ += [(*tokens, t) for t in set(allowed)]
    return found


@given(token_lists)
def test_one_of_says_every_title_and_nothing_else(entries: list[list[int]]) -> None:
    trie = _trie({str(i): tokens for i, tokens in enumerate(entries)})
    constraint = OneOf(trie, END)
    answers = _all_answers(constraint)
    assert sorted(answers) == sorted((*e, END) for e in entries)
    assert {constraint.value(a) for a in answers} == {str(i) for i in range(len(entries))}


@given(token_lists, st.integers(0, 5))
def test_excluded_ids_are_never_said(entries: list[list[int]], gone: int) -> None:
    trie = _trie({str(i): tokens for i, tokens in enumerate(entries)})
    constraint = OneOf(trie, END, frozenset({str(gone)}))
    values = {constraint.value(a) for a in _all_answers(constraint)} - {""}
    assert values == {str(i) for i in range(len(entries))} - {str(gone)}


def test_equal_titles_keep_their_own_ids() -> None:
    trie = _trie({"a": [1, 2], "b": [1, 2]})
    assert OneOf(trie, END, frozenset({"a"})).value((1, 2, END)) == "b"


@given(st.lists(token_lists, min_size=1, max_size=3))
def test_sentences_are_said_one_wording_of_each_in_order(sentences: list[list[list[int]]]) -> None:
    # Sentences end in a full stop, which nothing else in them is.
    ways = [[(*way, 7) for way in sentence] for sentence in sentences]
    tries = [_trie({str(i): way for i, way in enumerate(sentence)}) for sentence in ways]
    answers = _all_answers(Sentences(tries, END), limit=400)
    expected = {(*sum(choice, ()), END) for choice in itertools.product(*ways)}
    assert set(answers) <= expected
    assert len(answers) == min(400, len(expected)) or len(answers) >= 400


def _retrieval(groups: list[list[Record]]) -> list[Record]:
    return [r for g in groups for r in g if r.task == "retrieval"]


def test_wide_beams_find_the_likeliest_outcomes_of_the_whole_catalogue(
    surrogate: Surrogate, groups: list[list[Record]]
) -> None:
    for record in _retrieval(groups)[:3]:
        prompt, constraint = (
            surrogate.respondent._prompt(record),
            surrogate.respondent._constraint(record),
        )
        (beams,) = decode(surrogate.model, [prompt], [constraint], n_beams=12)
        found = [beam.value for beam in beams]
        scores: dict[str, float] = {}
        for row, outcome in enumerate(surrogate.target.outcomes.ids):
            if outcome in record.parts[: record.visible]:
                continue
            answer = f" {surrogate.target.outcomes.titles[row]}"
            asked = Record(
                record.task, record.form, record.case_id, record.parts, record.visible,
                record.question, answer, record.label,
            )  # fmt: skip
            trees = list(trees_of([asked], surrogate.encoder, surrogate.vectors))
            batch = collate([trees], surrogate.vectors, pad_id=0)
            log_probs = torch.log_softmax(surrogate.model.run(batch), -1)
            scores[outcome] = float(log_probs[range(len(log_probs)), batch.answer_ids].sum())
        assert found == sorted(scores, key=lambda o: -scores[o])
        for beam in beams:
            assert beam.score == pytest.approx(scores[beam.value], abs=1e-4)


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of the longest row in every pass, in order; the first two read the prompt."""
    seen: list[int] = []
    real = module._Cache._append

    def watched(self: module._Cache, pieces: list[Encoded], *rest: Any) -> torch.Tensor:
        seen.append(max(len(piece.ids) for piece in pieces))
        return real(self, pieces, *rest)

    monkeypatch.setattr(module._Cache, "_append", watched)
    return seen


def test_what_is_forced_is_read_in_one_pass(
    surrogate: Surrogate, groups: list[list[Record]], widths: list[int]
) -> None:
    prompt = surrogate.respondent._prompt(_retrieval(groups)[0])
    titles = {"a": [11, 12, 13, 14], "b": [11, 12, 13, 15, 16, 17]}
    decode(surrogate.model, [prompt], [OneOf(_trie(titles), end=2)], n_beams=2)
    # The first three tokens are shared, the fourth settles the title, and the end is never read.
    assert widths[2:] == [3, 3]


def test_an_ending_is_read_only_while_there_is_hope_for_it(
    surrogate: Surrogate, groups: list[list[Record]], widths: list[int]
) -> None:
    prompt = surrogate.respondent._prompt(_retrieval(groups)[0])
    piece = module._PIECE
    titles = {"short": [11], "other": [12, 13], "long": [12, 14, *[15] * (3 * piece - 1)]}
    constraint = OneOf(_trie(titles), end=2)
    two, all_three = (decode(surrogate.model, [prompt], [constraint], n_beams=n)[0] for n in (2, 3))
    assert {beam.value for beam in two} == {"short", "other"}
    assert [(b.value, pytest.approx(b.score, abs=1e-4)) for b in all_three[:2]] == [
        (b.value, b.score) for b in two
    ]
    assert widths[2:] == [1, 1, piece, *widths[:2], 1, 1, piece, piece, piece]


def test_answers_do_not_depend_on_the_batch(
    surrogate: Surrogate, groups: list[list[Record]]
) -> None:
    records = [r for g in groups for r in g if r.task not in ("chat", "prose", "item_attribute")]
    assert {r.task for r in records} >= {"retrieval", "ranking", "interest", "history"}
    alone = surrogate.answer(records, batch_size=1)
    together = surrogate.answer(records, batch_size=32)
    for record, one, other in zip(records, alone, together, strict=True):
        if record.task == "interest":
            assert one == pytest.approx(other, abs=1e-5)
        else:
            assert one == other


@pytest.mark.parametrize("n_beams", [1, 3])
def test_every_kind_of_constraint_decodes_the_same_alone_and_together(
    surrogate: Surrogate, groups: list[list[Record]], n_beams: int
) -> None:
    asked = [r for g in groups for r in g if r.task in ("retrieval", "history", "prose")][:33]
    ways = [["It ranks first.", "It comes first."], ["Without it, it falls.", "It holds."]]
    constraints: list[Constraint] = []
    for at, record in enumerate(asked):
        kinds = (
            surrogate.respondent._constraint(record),
            surrogate.respondent._sentences(ways),
            Free(surrogate.respondent._end),
        )
        constraints.append(kinds[at % 3])
    assert {type(c) for c in constraints} == {OneOf, Sentences, Free}
    prompts = [surrogate.respondent._prompt(record) for record in asked]
    alone, together = (
        decode(
            surrogate.model, prompts, constraints,
            n_beams=n_beams, batch_size=size, max_new_tokens=24,
        )
        for size in (1, 32)
    )  # fmt: skip
    for one, other in zip(alone, together, strict=True):
        assert [(b.tokens, b.value, b.complete) for b in one] == [
            (b.tokens, b.value, b.complete) for b in other
        ]
        assert [b.score for b in one] == pytest.approx([b.score for b in other], abs=1e-4)


def test_long_questions_are_not_read_with_short_ones() -> None:
    # As explanations ask them: titles, judgements, and lists of what is to be written.
    assert _alike([12, 100, 13, 23, 94, 11, 123]) == [[5, 0, 2, 3], [4, 1, 6]]
    assert _alike([]) == []
    assert _alike([7, 7]) == [[0, 1]]


def test_answers_name_what_exists(surrogate: Surrogate, groups: list[list[Record]]) -> None:
    records = [r for g in groups for r in g]
    ids = set(surrogate.target.outcomes.ids)
    for record, value in zip(records, surrogate.answer(records, max_new_tokens=24), strict=True):
        if record.task == "retrieval":
            assert len(value) == 5
            assert set(value) <= ids - set(record.parts[: record.visible])
        elif record.task == "ranking":
            assert sorted(value) == sorted(record.label["shown"])
        elif record.task == "attribution":
            assert value in record.parts
        elif record.task == "history":
            assert len(set(value)) == len(value) <= record.visible
        elif record.task == "interest":
            assert 0 <= value <= 1
