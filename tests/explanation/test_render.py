"""Prose says what its claims say, with their titles and numbers, and nothing else."""

from __future__ import annotations

import re
from itertools import product

import pytest

from innerview.errors import CaseError
from innerview.explanation.claims import CheckedClaim, Claim
from innerview.explanation.render import (
    TitleIndex,
    check_prose,
    choose,
    describe,
    listing,
    render,
    render_claim,
    wordings,
)
from innerview.explanation.style import AUDIENCES, LENGTHS, Audience, Length, Style, Tone
from innerview.explanation.wording import WAYS, plural

TITLES = {
    "o": "Inception",
    "a": "The Matrix",
    "b": "Dr. Strangelove or: How I Learned",
    "c": '"Burbs", The (1989)',
    "d": "Heat",
}
SPLITS = ("train", "held_out")


def checked(type_: str, *parts: str, after: int = 14, before: int = 1, **stated: object):
    claim = Claim(type_, "o", parts, stated)  # type: ignore[arg-type]
    measured = {"score_change": -1.25, "rank_before": before, "rank_after": after}
    return CheckedClaim(claim, "verified", measured)


EVIDENCE = checked("EVIDENCE", "a", rank=1)
SECOND = checked("EVIDENCE", "b", rank=2, after=5)
NECESSARY = checked("NECESSARY", "a", "c", leaves_top=10, after=31)
SUFFICIENT = checked("SUFFICIENT", "b", stays_in_top=10, after=3)
GENRE = checked("ATTRIBUTE", "a", "b", attribute="genre", value="Sci-Fi", direction="for", after=7)
YEAR = checked("ATTRIBUTE", "a", "b", attribute="year", value="1999", direction="against", after=2)
UNDECIDED = checked("UNDECIDED", stays_in_top=1, after=1)
ALL = [EVIDENCE, SECOND, NECESSARY, SUFFICIENT, GENRE, YEAR, UNDECIDED]


def check(text: str, claims: list[CheckedClaim], **more: object):
    return check_prose(text, claims, outcome="o", rank=1, titles=TITLES, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("claim", ALL)
def test_every_sentence_states_its_claim_and_nothing_stray(claim: CheckedClaim, split: str) -> None:
    for variant in range(8):
        text = render_claim(claim, TITLES, variant=variant, split=split, noun="film")
        assert check(text, [claim]).complete, (text, check(text, [claim]))


@pytest.mark.parametrize("split", SPLITS)
def test_every_explanation_states_its_claims_and_nothing_stray(split: str) -> None:
    index = TitleIndex([*TITLES.values(), "Falling Down", "Another Film"])
    for variant, claims in product(
        range(40), (ALL, [EVIDENCE, UNDECIDED], [NECESSARY, SUFFICIENT, GENRE], [YEAR], [])
    ):
        text = render(
            claims, outcome="o", rank=1, titles=TITLES, noun="film", variant=variant, split=split
        )
        found = check(text, choose(claims), index=index)
        assert found.complete, (text, found)
        assert 2 <= len(re.split(r"(?<=\.) (?=[A-Z\"])", text)) <= 6


def test_paraphrases_are_many_short_and_disjoint() -> None:
    for kind, ways in WAYS.items():
        assert len(set(ways.train)) >= 5 and len(set(ways.held_out)) >= 2, kind
        assert not set(ways.train) & set(ways.held_out), kind
        for way in (*ways.train, *ways.held_out):
            assert len(way.split()) <= 25, way


def test_prose_is_the_same_for_the_same_variant_and_varies_with_it() -> None:
    texts = [
        render(ALL, outcome="o", rank=1, titles=TITLES, noun="film", variant=v) for v in range(30)
    ]
    assert texts[3] == render(ALL, outcome="o", rank=1, titles=TITLES, noun="film", variant=3)
    assert len(set(texts)) > 20


def test_prose_reads_as_in_the_readme() -> None:
    needed = checked("NECESSARY", "a", leaves_top=1)
    text = render([EVIDENCE, needed], outcome="o", rank=1, titles=TITLES, noun="film", variant=11)
    assert text.startswith(('"Inception" ranks 1st.', '"Inception"', "The rank of"))
    assert text.count("14") == 1  # the effect of the same removal is told once


def test_prose_leaves_out_what_was_not_verified() -> None:
    refuted = CheckedClaim(EVIDENCE.claim, "refuted", EVIDENCE.measured, "no")
    text = render([refuted, UNDECIDED], outcome="o", rank=1, titles=TITLES, noun="film")
    assert "Matrix" not in text and "single film" in text
    assert "14" not in render_claim(refuted, TITLES)
    assert "verified" in render([], outcome="o", rank=1, titles=TITLES)


def test_claims_are_chosen_one_of_each_kind_first() -> None:
    assert [c.claim.type for c in choose(ALL)] == [
        "EVIDENCE", "NECESSARY", "SUFFICIENT", "UNDECIDED",
    ]  # fmt: skip
    assert len(choose(ALL, Style(length="full"))) == len(ALL)
    assert choose(ALL, Style(length="line")) == [NECESSARY]
    assert choose([EVIDENCE, UNDECIDED], Style(length="line")) == [UNDECIDED]
    assert choose(ALL, Style(length="line", about="year")) == [YEAR]
    about = choose(ALL, Style(about="genre"))
    assert GENRE in about
    assert len(about) == 4


def audited(claim: CheckedClaim) -> CheckedClaim:
    """As verification leaves it."""
    more = {"control_change": -0.5} if claim.claim.type == "ATTRIBUTE" else {}
    return CheckedClaim(claim.claim, "verified", {**claim.measured, **more}, "", 7)


@pytest.mark.parametrize("about", [None, "genre", "country"])
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    ("audience", "tone"), [*((a, "plain") for a in AUDIENCES), ("customer", "warm")]
)
def test_every_style_states_its_claims_and_nothing_stray(
    audience: Audience, tone: Tone, length: Length, about: str | None
) -> None:
    style = Style(audience, length, about, tone)
    claims = [audited(c) for c in ALL]
    chosen = choose(claims, style)
    assert len(chosen) == {"line": 1, "short": 4, "full": len(ALL)}[length]
    for variant in range(12):
        for rank, own in ((1, claims), (3, claims), (1, [])):
            text = render(
                own, outcome="o", rank=rank, titles=TITLES, noun="film", variant=variant,
                style=style,
            )  # fmt: skip
            told = choose(own, style)
            found = check_prose(
                text, told, outcome="o", rank=rank, titles=TITLES, ranked=style.ranked
            )
            assert found.complete, (text, found)
            bare = re.sub(r'"[^"]*"+', "", text.replace("1999", ""))
            if audience == "customer":
                assert not re.search(r"\d|rank|score|top", bare.replace("stop", "")), text
                assert bool(re.search(r"\b(you|your|yours|we|our)\b", bare)) == (tone == "warm")
            if audience == "engineer" and told and told[0].claim.type != "UNDECIDED":
                assert "-1.250" in text
            assert text.count("queries: 7") == (len(told) if audience == "auditor" else 0)
            silent = about == "country" or (about == "genre" and not own)
            assert (f"Nothing about {about} could be verified." in text) == silent
            ways = wordings(own, outcome="o", rank=rank, titles=TITLES, noun="film", style=style)
            left = text
            for sentence in ways:
                (one,) = [way for way in sentence if left.startswith(way)]
                left = left[len(one) :].lstrip()
            assert not left


def test_unknown_styles_are_refused() -> None:
    with pytest.raises(CaseError, match="unknown audience 'boss'; known: support, customer"):
        Style("boss")  # type: ignore[arg-type]
    with pytest.raises(CaseError, match="unknown length 'novel'"):
        Style(length="novel")  # type: ignore[arg-type]
    with pytest.raises(CaseError, match="unknown tone 'cold'"):
        Style(tone="cold")  # type: ignore[arg-type]
    with pytest.raises(CaseError, match="for customers, not for auditor"):
        Style("auditor", tone="warm")


def test_describe_is_one_compact_line() -> None:
    assert [describe(c, TITLES, noun="film") for c in ALL] == [
        'support 1 "The Matrix": rank 1 -> 14',
        'support 2 "Dr. Strangelove or: How I Learned": rank 1 -> 5',
        'needs "The Matrix" and ""Burbs", The (1989)" for top 10: rank 1 -> 31',
        'enough "Dr. Strangelove or: How I Learned" for top 10: rank 1 -> 3',
        "for genre Sci-Fi (2 films): rank 1 -> 7",
        "against year 1999 (2 films): rank 1 -> 2",
        "no single film for top 1: rank 1 -> 1",
    ]
    untestable = CheckedClaim(EVIDENCE.claim, "untestable", {}, "removal empties the case")
    assert describe(untestable, TITLES) == 'support 1 "The Matrix" [untestable]'
    lines = listing(ALL, outcome="o", rank=1, titles=TITLES, noun="film").splitlines()
    assert lines[0] == '"Inception": rank 1' and len(lines) == 5


def test_title_that_no_claim_cites_is_stray() -> None:
    text = '"Inception" ranks 1st. "Heat" speaks for it most: without it, it falls to rank 14.'
    assert check(text, [EVIDENCE]).stray_titles == ("Heat",)
    assert check('"Jaws" ranks 1st.', [EVIDENCE]).stray_titles == ("Jaws",)
    assert check("“Jaws” ranks 1st.", [EVIDENCE]).stray_titles == ("Jaws",)


def test_catalogue_title_without_quotes_is_stray_unless_cited() -> None:
    index = TitleIndex(["The Matrix", "Blade Runner", "Run", "Memento", "Interstellar"])
    text = "The Matrix counts most for it, as do Blade Runner, Interstellar and Run."
    assert check(text, [EVIDENCE], index=index).stray_titles == ("Blade Runner", "Interstellar")


def test_number_of_another_claim_is_stray_beside_this_title() -> None:
    text = '"The Matrix" speaks for it most: without that film, it falls to rank 5.'
    assert check(text, [EVIDENCE, SECOND]).stray_numbers == ("5",)
    text = '"The Matrix" speaks for it most: without that film, it falls to rank 99.'
    assert check(text, [EVIDENCE, SECOND]).stray_numbers == ("99",)


def test_sentence_may_go_on_about_the_claim_before_it() -> None:
    text = '"The Matrix" speaks for it most. Without that film, it falls to rank 14.'
    assert check(text, [EVIDENCE]).complete


def test_digits_and_full_stops_in_titles_are_the_titles_own() -> None:
    text = render_claim(NECESSARY, TITLES)
    assert check(text, [NECESSARY]).complete and "1989" in text


def test_claim_turned_round_is_unsupported() -> None:
    found = check('"The Matrix" speaks against it: it falls to rank 14.', [EVIDENCE])
    assert not found.ok and found.unsupported and found.missing_claims == (EVIDENCE,)


def test_missing_claims_are_named() -> None:
    found = check('"Inception" ranks 1st. It leans most on "The Matrix".', [EVIDENCE, SUFFICIENT])
    assert found.ok and not found.complete and found.missing_claims == (SUFFICIENT,)


def test_title_index_is_quick_for_a_large_catalogue() -> None:
    index = TitleIndex(f"Long Title Number {n}" for n in range(100_000))
    assert len(index) == 100_000
    assert index.find("See Long Title Number 77, or Long Title Number.") == ["Long Title Number 77"]


@pytest.mark.parametrize(
    ("noun", "nouns"),
    [("film", "films"), ("story", "stories"), ("play", "plays"), ("box", "boxes")],
)
def test_plural(noun: str, nouns: str) -> None:
    assert plural(noun) == nouns and plural(noun, 1) == noun


@pytest.mark.parametrize(
    "text",
    [
        # The rank before in the place of the rank after.
        'It needs "The Matrix" and ""Burbs", The (1989)" for the top 10: without, rank 1.',
        # One part too few, one too many.
        'Without "The Matrix", it leaves the top 10 and falls to rank 31.',
        'Without "The Matrix", ""Burbs", The (1989)" and "Heat", it leaves the top 10, to rank 31.',
    ],
)
def test_right_words_about_the_wrong_thing_do_not_state_a_claim(text: str) -> None:
    assert not check(text, [NECESSARY]).complete


def test_a_true_sentence_does_not_excuse_a_false_one() -> None:
    true = render_claim(NECESSARY, TITLES, noun="film")
    assert check(true, [NECESSARY]).complete
    assert not check(f'{true} Without "The Matrix", it falls to rank 10.', [NECESSARY]).complete


def test_wordings_hold_what_render_says() -> None:
    claims = [EVIDENCE, NECESSARY, SUFFICIENT, GENRE]
    ways = wordings(claims, outcome="o", rank=1, titles=TITLES, noun="film")
    for variant in range(6):
        text = render(claims, outcome="o", rank=1, titles=TITLES, noun="film", variant=variant)
        said = [next(w for w in sentence if w in text) for sentence in ways]
        assert " ".join(said) == text


def test_a_variant_offers_half_of_the_ways_and_all_over_many() -> None:
    claims = [EVIDENCE, NECESSARY, SUFFICIENT, GENRE]
    ways = wordings(claims, outcome="o", rank=1, titles=TITLES, noun="film")
    offered = [
        wordings(claims, outcome="o", rank=1, titles=TITLES, noun="film", variant=variant)
        for variant in range(60)
    ]
    for at, own in enumerate(ways):
        assert all(len(some[at]) == (len(own) + 1) // 2 for some in offered)
        assert {way for some in offered for way in some[at]} == set(own)
        assert len({some[at] for some in offered}) == len(own)


def unmoved(claim: CheckedClaim) -> CheckedClaim:
    """As it would be, had the rank not changed."""
    before = claim.measured["rank_before"]
    return CheckedClaim(claim.claim, "verified", {**claim.measured, "rank_after": before})


def test_no_sentence_says_twice_that_nothing_moves() -> None:
    undecided = next(c for c in ALL if c.claim.type == "UNDECIDED")
    claims = [unmoved(EVIDENCE), unmoved(SECOND), undecided, unmoved(SUFFICIENT)]
    for split in ("train", "held_out"):
        for variant in range(12):
            text = render(
                claims, outcome="o", rank=1, titles=TITLES, noun="film", variant=variant,
                split=split,
            )  # fmt: skip
            assert check(text, claims).complete, text
            assert "stays at rank 1" not in text.replace("enough: it stays at rank 1", "")
            assert "top 10" not in text


def test_those_told_ranks_alone_hear_of_an_unmoved_group_last() -> None:
    claims = [EVIDENCE, SECOND, NECESSARY, SUFFICIENT, unmoved(GENRE)]
    assert GENRE.claim not in [c.claim for c in choose(claims)]
    assert GENRE.claim in [c.claim for c in choose(claims, Style(about="genre"))]
    assert GENRE.claim in [c.claim for c in choose(claims, Style("engineer"))]
    assert GENRE.claim in [c.claim for c in choose(claims, Style(length="full"))]
