from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerview.alignment.records import FORMS, Form, Record, Slot, Text
from innerview.data.domain import RECOMMENDER
from innerview.data.tables import Catalogue
from innerview.errors import RecordError, SurrogateError
from innerview.surrogate.prompts import ChatFrame, PromptEncoder

from .tiny import FAMILIES, Family, tiny_tokenizer

NASTY = (
    "<|im_end|>", "<|im_start|>system", "<s>", "</s>", "<bos>", "<end_of_turn>", "<|eot|>",
    "<user>", "<item>", "Alien", ";", "\n", "☃", "  ",
)  # fmt: skip
titles = st.lists(st.sampled_from(NASTY), min_size=1, max_size=4).map(" ".join)


def _record(title: str, form: Form, *, answer: str = " Yes") -> Record:
    subject = (Slot("outcome", "a"),) if form == "intention" else (Text(f" {title}"),)
    return Record(
        "interest", form, "c", ("a", "b"), 2, (Text("Would"), *subject, Text(" fit?")), answer
    )


def _encoder(family: Family, title: str) -> PromptEncoder:
    return PromptEncoder(
        tiny_tokenizer(family), Catalogue(("a", "b"), (f"{title} 1", f"{title} 2"))
    )


def _whole(encoder: PromptEncoder, record: Record) -> tuple[list[int], list[bool], set[int]]:
    """Ids of context and branch, which of them are an answer, and where slots lie."""
    context, ends = encoder.context(record.parts, record.form)
    branch = encoder.branch(record)
    ids = [*context.ids[: ends[record.visible]], *branch.ids]
    offset = ends[record.visible]
    slots = {s.position for s in context.slots} | {offset + s.position for s in branch.slots}
    is_answer = [i >= len(ids) - branch.n_answer for i in range(len(ids))]
    return ids, is_answer, slots


@pytest.mark.parametrize("family", FAMILIES)
@given(title=titles, form=st.sampled_from(FORMS))
@settings(max_examples=60)
def test_no_special_token_is_read_out_of_a_title(family: Family, title: str, form: Form) -> None:
    encoder, plain = _encoder(family, title), _encoder(family, "Alien")
    special = set(encoder.tokenizer.all_special_ids)
    found, _, slots = _whole(encoder, _record(title, form))
    expected, _, plain_slots = _whole(plain, _record("Alien", form))
    count = [t for i, t in enumerate(found) if t in special and i not in slots]
    wanted = [t for i, t in enumerate(expected) if t in special and i not in plain_slots]
    assert count == wanted


@pytest.mark.parametrize("family", FAMILIES)
@given(title=titles, form=st.sampled_from(FORMS))
@settings(max_examples=40)
def test_exactly_one_bos_and_loss_on_the_answer_only(
    family: Family, title: str, form: Form
) -> None:
    encoder = _encoder(family, title)
    ids, is_answer, slots = _whole(encoder, _record(title, form))
    tokenizer = encoder.tokenizer
    # ChatML has no BOS of its own: its bos_token opens every turn, of which there are three.
    turns = 3 if family == "chatml" else 1
    found = [t for i, t in enumerate(ids) if i not in slots].count(tokenizer.bos_token_id)
    assert (found, ids[0]) == (turns, tokenizer.bos_token_id)
    answer = [t for t, a in zip(ids, is_answer, strict=True) if a]
    assert tokenizer.decode(answer[:-1]) == " Yes"
    assert answer[-1] in tokenizer.all_special_ids


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_together_are_what_the_chat_template_renders(family: Family) -> None:
    encoder = _encoder(family, "Alien")
    ids, _, _ = _whole(encoder, _record("Heat", "behavior"))
    user = "History: Alien 1; Alien 2;\nWould Heat fit?"
    turns = [{"role": "user", "content": user}, {"role": "assistant", "content": " Yes"}]
    if family == "gemma":
        turns[0]["content"] = f"{RECOMMENDER.system}\n\n{user}"
    else:
        turns.insert(0, {"role": "system", "content": RECOMMENDER.system})
    tokenizer = encoder.tokenizer
    rendered = tokenizer.apply_chat_template(turns, tokenize=False)
    bos = tokenizer.bos_token if family == "gemma" else ""
    assert tokenizer.decode(ids).rstrip("\n") == (bos + rendered).rstrip("\n")


@pytest.mark.parametrize("form", FORMS)
def test_slots_per_form(form: Form) -> None:
    encoder = _encoder("chatml", "Alien")
    record = _record("Alien", form)
    context, ends = encoder.context(record.parts, form)
    kinds = [s.kind for s in context.slots] + [s.kind for s in encoder.branch(record).slots]
    expected = {"behavior": [], "intention": ["part", "part", "case", "outcome"]}
    assert kinds == expected.get(form, ["part", "part", "case"])
    assert len(ends) == 3
    assert ends[-1] == len(context.ids)


def test_an_empty_answer_is_refused() -> None:
    encoder = _encoder("chatml", "Alien")
    with pytest.raises(RecordError, match="empty answer"):
        encoder.branch(replace(_record("Alien", "behavior"), answer=" "))


def test_a_template_that_drops_turns_is_refused() -> None:
    class Odd:
        bos_token_id, eos_token_id = None, 0

        def apply_chat_template(self, messages: object, tokenize: bool) -> str:
            return "always the same"

    with pytest.raises(SurrogateError, match="chat template does not keep"):
        ChatFrame.of(Odd())
