"""Follow-up questions about targets whose answers are known on paper."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.data.tables import Catalogue
from innerview.errors import CaseError
from innerview.explainer import Explainer
from innerview.explanation._questions import Titles, read_question
from innerview.explanation.explanation import Explanation
from innerview.explanation.followup import Reply, answer_question
from innerview.targets.protocol import Case

from .conftest import PaperTarget, able

# On ``films``: o0 scores 7 with weights 5, 3, 1, -2; o1 always 4, o2 always 1.5.


def _ask(question: str, case: Case, target: PaperTarget, outcome: str = "o0") -> Reply:
    reply = answer_question(question, case, outcome, target)
    assert reply.question == question
    assert json.loads(json.dumps(reply.to_dict()))["text"] == reply.text
    return reply


def _claims(reply: Reply) -> list[tuple[object, ...]]:
    return [
        (c.claim.type, c.claim.parts, *sorted(c.claim.stated.items()), c.verdict)
        for c in reply.claims
    ]


@pytest.mark.parametrize(
    "question",
    [
        "What if I had not watched Part Number 0?",
        "and without part number 0",
        'What happens if you remove "Part Number 0"?',
        "What if I'd never seen Part Number 0",
        "what if I hadn’t watched Part Number 0",
    ],
)
def test_taking_a_part_away(question: str, films: PaperTarget, case: Case) -> None:
    reply = _ask(question, case, films)
    assert reply.kind == "change" and reply.checked
    assert _claims(reply) == [
        ("COUNTERFACTUAL", ("p0",), ("new_rank", 2), "verified"),
        ("CONTRAST", ("p0",), ("foil", "o1"), "verified"),
    ]
    assert '"Outcome Number 0" is at rank 1' in reply.text and "falls to rank 2" in reply.text
    assert '"Outcome Number 1" comes ahead of it' in reply.text
    assert "[verified]" in str(reply)


def test_adding_a_part_and_putting_it_in_the_place_of_another(films: PaperTarget) -> None:
    case = Case("c", ("p1", "p2", "p3"))  # o0 scores 2 there, behind o1 at 4
    reply = _ask("What if I had also watched Part Number 0?", case, films)
    assert _claims(reply) == [("COUNTERFACTUAL", (), ("added", "p0"), ("new_rank", 1), "verified")]
    assert 'With "Part Number 0" added, it rises to rank 1.' in reply.text
    instead = _ask("what if I had watched Part Number 0 instead of Part Number 2", case, films)
    assert _claims(instead) == [
        ("COUNTERFACTUAL", ("p2",), ("added", "p0"), ("new_rank", 1), "verified")
    ]


def test_what_changes_nothing_is_said_so(films: PaperTarget) -> None:
    case = Case("c", ("p1", "p2"))
    gone = _ask("without Part Number 0", case, films)
    assert '"Part Number 0" is not among the films of this case' in gone.text
    there = _ask("and with Part Number 1?", case, films)
    assert '"Part Number 1" is there already' in there.text
    assert not gone.claims and not there.claims
    emptied = _ask("without Part Number 1 and Part Number 2", case, films)
    assert "Nothing would be left" in emptied.text and not emptied.claims


def test_why_not_another_names_what_it_lacks_the_lead_by(films: PaperTarget, case: Case) -> None:
    reply = _ask("Why not Outcome Number 1?", case, films)
    assert reply.kind == "why not"
    assert _claims(reply) == [("CONTRAST", ("p0",), ("foil", "o1"), "verified")]
    two = _ask("why isn't it Outcome Number 2", case, films)
    assert _claims(two) == [("CONTRAST", ("p0", "p1"), ("foil", "o2"), "verified")]
    far = _ask("why not Outcome Number 9?", case, films)
    assert not far.claims and "No 3 films or fewer" in far.text
    own = _ask("why not Part Number 1?", case, films)
    assert "is one of the films already" in own.text
    itself = _ask("why not Outcome Number 0?", case, films)
    assert "is the answer itself" in itself.text


def test_an_outcome_that_is_ahead_is_said_to_be(films: PaperTarget, case: Case) -> None:
    reply = _ask("compare it with Outcome Number 0", case, films, outcome="o1")
    assert '"Outcome Number 1" is at rank 2, "Outcome Number 0" at rank 1' in reply.text
    (claim,) = reply.claims
    assert (claim.claim.outcome, claim.claim.stated["foil"]) == ("o0", "o1")
    assert claim.verdict == "verified"


def test_nothing_is_claimed_of_a_target_that_cannot_be_replayed(
    films: PaperTarget, case: Case
) -> None:
    reply = _ask("without Part Number 0", case, able(films, deterministic=False))
    assert {c.verdict for c in reply.claims} == {"untestable"}
    assert "First would be" not in reply.text
    used = films.queries.used
    deaf = _ask("without Part Number 0", case, able(films, rescoring=False))
    assert "cannot score a changed case" in deaf.text and not deaf.claims
    assert films.queries.used == used


def test_names_that_nobody_knows_and_questions_of_no_form(films: PaperTarget, case: Case) -> None:
    unknown = _ask("Why not Outcome Numbr 1?", case, films)
    assert unknown.kind == "unknown title" and not unknown.checked
    assert 'Did you mean "Outcome Number 1"' in unknown.text
    half = _ask("what if I had watched Xyzzy instead of Part Number 0?", case, films)
    assert half.kind == "unknown title"
    for text in ("How are you?", "Is it good?", "", "what if it rains?"):
        assert _ask(text, case, films).kind == "free"
    assert films.queries.used == 0


def test_queries_are_those_the_target_counted(films: PaperTarget, case: Case) -> None:
    assert _ask("why not Outcome Number 2", case, films).queries == films.queries.used > 0


def test_an_explanation_answers_for_itself_until_it_is_read_from_a_file(
    films: PaperTarget, case: Case
) -> None:
    explainer = Explainer(films)
    explanation = explainer(case)
    reply = explanation.ask("without Part Number 0")
    assert [c.verdict for c in reply.claims] == ["verified"] * 2
    assert explanation.ask("how are you?").text.startswith("Ask what if")
    again = Explanation.from_dict(json.loads(json.dumps(explanation.to_dict())))
    assert again == explanation
    with pytest.raises(CaseError, match=r"use Explainer\.ask"):
        again.ask("without Part Number 0")
    assert explainer.ask(again, "without Part Number 0") == replace(reply, queries=reply.queries)


def _titles(*titles: str) -> Titles:
    return Titles(Catalogue(ids=tuple(f"i{n}" for n in range(len(titles))), titles=titles))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("why not Toy Story 2?", ["i1"]),
        ("without toy story and Heat", ["i0", "i2"]),
        ("is it any good?", []),  # "It" is a title, and a word
        ('without "it"', ["i3"]),
        ("Heat is good, or Heat", ["i2"]),  # the first word has a capital anyway
        ("why not Final Fantasy?", ["i4"]),
        ("why not Alien?", ["i5"]),
    ],
)
def test_titles_are_found_by_their_words(text: str, found: list[str]) -> None:
    titles = _titles(
        "Toy Story", "Toy Story 2", "Heat", "It", "Final Fantasy [620]", "Alien (1979)",
    )  # fmt: skip
    assert [one for _, one in titles.find(text)] == found


def test_of_things_with_one_title_the_case_s_own_is_meant() -> None:
    catalogue = Catalogue(ids=("a", "b"), titles=("The Same", "The Same"))
    assert Titles(catalogue).find("the same") == [(0, "a")]
    assert Titles(catalogue, ["b"]).find("the same") == [(0, "b")]


@given(st.text(max_size=80))
def test_any_text_at_all_is_read(text: str) -> None:
    titles = _titles("Toy Story", "Heat", "What If")
    asked = read_question(text, titles, titles)
    assert {*asked.removed, *asked.added} <= {"i0", "i1", "i2"}
