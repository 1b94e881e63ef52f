"""Solved examples before a question."""

from __future__ import annotations

import pytest

from innerview.alignment.records import Record, Task
from innerview.errors import RecordError
from innerview.evaluation.answers import paired_answers
from innerview.evaluation.in_context import IN_CONTEXT_TASKS, solved_examples
from innerview.surrogate.prompts import PromptEncoder
from innerview.surrogate.surrogate import Surrogate
from innerview.testing import ScriptedTarget

from .tiny import FAMILIES, Family, tiny_tokenizer


@pytest.fixture
def train(groups: list[list[Record]]) -> list[Record]:
    return [r for g in groups for r in g]


@pytest.mark.parametrize("family", FAMILIES)
def test_examples_are_turns_as_the_template_makes_them(
    family: Family, target: ScriptedTarget, train: list[Record]
) -> None:
    tokenizer = tiny_tokenizer(family)
    encoder = PromptEncoder(tokenizer, target.parts)
    shown = solved_examples(train)
    plain = encoder.opening("interest")
    encoder.show(shown)
    question = next(r for r in train if r.task == "interest" and r.form == "behavior")

    def said(record: Record) -> tuple[str, str]:
        history = "".join(f" {target.parts.title(p)};" for p in record.parts[: record.visible])
        asked = "".join(p.text for p in record.question)  # type: ignore[union-attr]
        lead = "".join(p.text for p in record.lead)  # type: ignore[union-attr]
        return f"History:{history}\n{asked}", lead + record.answer

    turns = [said(r) for r in (*shown["interest"], question)]
    messages = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    system = "You speak for a recommender."
    if family == "gemma":
        messages[0]["content"] = f"{system}\n\n{messages[0]['content']}"
    else:
        messages.insert(0, {"role": "system", "content": system})
    bos = tokenizer.bos_token
    wanted = tokenizer.apply_chat_template(messages, tokenize=False).removeprefix(bos)
    context, ends = encoder.context(question.parts, "behavior", "interest")
    ids = (*context.ids[: ends[question.visible]], *encoder.branch(question).ids)
    assert wanted.startswith(tokenizer.decode(ids).removeprefix(bos))
    assert encoder.opening("history") == encoder.opening() == plain


def test_an_example_with_slots_is_refused(surrogate: Surrogate, train: list[Record]) -> None:
    with_slots = [r for r in train if r.form == "hybrid" and r.task == "interest"][:2]
    with pytest.raises(RecordError, match="a hybrid example has slots"):
        surrogate.encoder.show({"interest": with_slots})


def test_examples_change_the_answers_of_their_task_and_no_others(
    surrogate: Surrogate, train: list[Record]
) -> None:
    asked = [r for r in train if r.form == "behavior" and r.task in IN_CONTEXT_TASKS][:24]
    about_items = [r for r in train if r.task == "item_title"][:3]
    plain = surrogate.answer(asked)
    titles = surrogate.answer(about_items)
    surrogate.encoder.show(solved_examples(train))
    shown = surrogate.answer(asked)
    assert surrogate.answer(about_items) == titles
    assert len(paired_answers(asked, shown)) == len(asked)
    tasks: set[Task] = {r.task for r, a, b in zip(asked, plain, shown, strict=True) if a != b}
    assert {"retrieval", "interest"} <= tasks
    for record, value in zip(asked, shown, strict=True):
        if record.task == "ranking":
            assert sorted(value) == sorted(record.label["shown"])
        if record.task == "attribution":
            assert value in record.parts[: record.visible]
