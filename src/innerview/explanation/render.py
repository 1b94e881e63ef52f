"""Words for claims, from templates: deterministic prose, and the compact listing for a prompt.

Knows claims and titles, never a target. Titles stand in straight double quotes, verbatim, and
numbers as they were measured, so that ``check_prose`` can hold any prose to the same claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

from innerview.data.domain import RECOMMENDER
from innerview.explanation.audiences import ways_for
from innerview.explanation.claims import CheckedClaim, Claim, said_by
from innerview.explanation.prose import ProseCheck, TitleIndex, check_prose, signed
from innerview.explanation.style import Audience, Style, Tone
from innerview.explanation.wording import ANSWERS, STATEMENTS, Split, Ways, plural

__all__ = [
    "ProseCheck",
    "Split",
    "TitleIndex",
    "check_prose",
    "choose",
    "describe",
    "listing",
    "receipt",
    "render",
    "render_claim",
    "render_stated",
    "statement",
    "wordings",
]

_PLACES = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip

# Which claims prose should spend its sentences on, most wanted first. The others answer questions.
_WANTED = ("NECESSARY", "UNDECIDED", "SUFFICIENT", "ATTRIBUTE")
_IN_PROSE = ("EVIDENCE", *_WANTED)
_SHORT = Style()
_FIRST_CHOICES = 10
"""Ranks that a customer is told are among the first choices."""


def choose(claims: Sequence[CheckedClaim], style: Style = _SHORT) -> list[CheckedClaim]:
    """The verified claims that prose states, in the order given: what the style is about, one
    EVIDENCE, then the other types, then what is left, as many as its length allows. A line has the
    most telling one. Groups that move no rank come last for those who are told ranks alone."""
    verified = [c for c in claims if c.verdict == "verified" and c.claim.type in _IN_PROSE]
    ranks_alone = style.audience == "support"
    mute = [c for c in verified if ranks_alone and c.claim.type == "ATTRIBUTE" and _unmoved(c)]
    telling = [c for c in verified if not any(c is other for other in mute)]
    kinds = _IN_PROSE if style.length != "line" else (*_WANTED[:2], "EVIDENCE", *_WANTED[2:])
    wanted = [next((c for c in telling if c.claim.type == kind), None) for kind in kinds]
    ordered = [c for c in verified if _is_about(c, style)]
    for one in (*wanted, *telling, *mute):
        if one is not None and not any(one is other for other in ordered):
            ordered.append(one)
    kept = ordered[: style.n_claims]
    return [c for c in verified if any(c is other for other in kept)]


def _unmoved(checked: CheckedClaim) -> bool:
    """Whether the rank was measured, and is as it was."""
    measured = checked.measured
    return "rank_after" in measured and measured["rank_after"] == measured.get("rank_before")


def _is_about(checked: CheckedClaim, style: Style) -> bool:
    return style.about is not None and checked.claim.stated.get("attribute") == style.about


def render(
    claims: Sequence[CheckedClaim],
    *,
    outcome: str,
    rank: int,
    titles: Mapping[str, str],
    noun: str = RECOMMENDER.outcome,
    outcome_noun: str | None = None,
    variant: int = 0,
    split: Split = "train",
    style: Style = _SHORT,
) -> str:
    """Prose of two sentences or more: the outcome with its rank, then verified claims.

    Args:
        claims: as checked; refuted and untestable ones are left out.
        outcome: id of the outcome.
        rank: its rank in the whole case.
        titles: of the outcome and of every part a claim names.
        noun: what one part is called.
        outcome_noun: what one outcome is called; the same by default.
        variant: which paraphrases; the same number gives the same prose.
        split: which paraphrases to draw from.
        style: for whom, how long, what about.

    Raises:
        KeyError: a title is missing.
    """
    ways = _openings(style, split, outcome=outcome, rank=rank, titles=titles)
    chosen = choose(claims, style)
    sentences = [ways[_mix(variant, "outcome") % len(ways)]]
    for place, checked in enumerate(chosen):
        sentences.append(
            render_claim(
                checked,
                titles,
                variant=_mix(variant, str(place)),
                split=split,
                noun=noun,
                outcome_noun=outcome_noun,
                brief=_told_next(checked, chosen, style),
                audience=style.audience,
                tone=style.tone,
            )
        )
    return " ".join([*sentences, *_silences(chosen, style, noun)])


def render_stated(
    claims: Sequence[CheckedClaim],
    *,
    outcome: str,
    rank: int,
    titles: Mapping[str, str],
    noun: str = RECOMMENDER.outcome,
    variant: int = 0,
) -> str:
    """Prose of claims as they are claimed, whatever became of them: those that ``render`` would
    choose if all were verified, as bare statements without anything measured.

    Args:
        claims: verdicts do not count.
        outcome: id of the outcome.
        rank: its rank in the whole case.
        titles: of the outcome and of every part a claim names.
        noun: what one part is called.
        variant: which opening.

    Raises:
        KeyError: a title is missing.
    """
    ways = _openings(_SHORT, "train", outcome=outcome, rank=rank, titles=titles)
    chosen = choose([CheckedClaim(one.claim, "verified", {}) for one in claims])
    said = [statement(one.claim, titles, noun=noun) for one in chosen]
    return " ".join([ways[_mix(variant, "outcome") % len(ways)], *said])


def _openings(
    style: Style, split: Split, *, outcome: str, rank: int, titles: Mapping[str, str]
) -> list[str]:
    """All the ways to name the outcome with its rank."""
    known = ways_for(style.audience, style.tone)
    kind = _for_top("OUTCOME", rank, known)
    fields = {"p": _quoted([outcome], titles), "rank": rank, "ordinal": _ordinal(rank)}
    return [way.format(**fields) for way in _ways(known, kind, split)]


def _silences(chosen: Sequence[CheckedClaim], style: Style, noun: str) -> list[str]:
    """What was looked for and not found."""
    said = []
    if not chosen:
        said.append(f"What it owes to any single {noun} could not be verified.")
    if style.about is not None and not any(_is_about(c, style) for c in chosen):
        said.append(f"Nothing about {style.about} could be verified.")
    return said


def wordings(
    claims: Sequence[CheckedClaim],
    *,
    outcome: str,
    rank: int,
    titles: Mapping[str, str],
    noun: str = RECOMMENDER.outcome,
    outcome_noun: str | None = None,
    style: Style = _SHORT,
    variant: int | None = None,
) -> list[tuple[str, ...]]:
    """For every sentence of ``render`` in turn, the ways to put it (those of training).

    With a ``variant``, half of them, drawn by it: whoever chooses among all has favourites.

    Raises:
        KeyError: a title is missing.
    """
    chosen = choose(claims, style)
    ways = [tuple(_openings(style, "train", outcome=outcome, rank=rank, titles=titles))]
    for checked in chosen:
        brief = _told_next(checked, chosen, style)
        known = ways_for(style.audience, style.tone)
        told = _ways(known, _kind(checked, known, brief=brief), "train")
        ways.append(
            tuple(
                render_claim(
                    checked, titles, variant=v, noun=noun, outcome_noun=outcome_noun, brief=brief,
                    audience=style.audience, tone=style.tone,
                )
                for v in range(len(told))
            )
        )  # fmt: skip
    if variant is not None:
        ways = [_half(own, _mix(variant, f"half {at}")) for at, own in enumerate(ways)]
    return ways + [(said,) for said in _silences(chosen, style, noun)]


def _half(ways: Sequence[str], number: int) -> tuple[str, ...]:
    """Half of some ways, rounded up, from one of them on."""
    first = number % len(ways)
    return tuple([*ways[first:], *ways[:first]][: (len(ways) + 1) // 2])


def render_claim(
    checked: CheckedClaim,
    titles: Mapping[str, str],
    *,
    variant: int = 0,
    split: Split = "train",
    noun: str = RECOMMENDER.outcome,
    outcome_noun: str | None = None,
    brief: bool = False,
    audience: Audience = "support",
    tone: Tone = "plain",
) -> str:
    """One sentence for one claim, with what was measured.

    A claim that is not verified is put as a bare statement: its numbers speak against it.

    Args:
        checked: the claim and its measured effect.
        titles: of everything it names.
        variant: which paraphrase, modulo their number.
        split: which paraphrases to draw from.
        noun: what one part is called.
        outcome_noun: what one outcome is called; the same by default.
        brief: leave the effect of a strongest part to another sentence.
        audience: for whom.
        tone: in which.
    """
    if checked.verdict != "verified":
        return statement(checked.claim, titles, noun=noun)
    known = ways_for(audience, tone)
    key = _kind(checked, known, brief=brief)
    ways = [ANSWERS[key]] if key in ANSWERS else _ways(known, key, split)
    way = ways[variant % len(ways)]
    fields = _fields(checked.claim, titles, noun) | _measured(checked)
    return way.format(**fields, outcome_noun=outcome_noun or noun)


def _kind(checked: CheckedClaim, known: Mapping[str, Ways], *, brief: bool) -> str:
    """Which of the known kinds of sentence a claim needs."""
    key = _key(checked.claim)
    if brief and f"{key} brief" in known:
        return f"{key} brief"
    if f"{key} unmoved" in known and _unmoved(checked):
        return f"{key} unmoved"
    stated = checked.claim.stated
    top = stated.get("leaves_top", stated.get("stays_in_top"))
    return _for_top(key, top, known) if isinstance(top, int) else key


def _for_top(key: str, top: int, known: Mapping[str, Ways]) -> str:
    """Where no rank is told, first place, a place among the first, and any other are told apart."""
    special = "first" if top == 1 else "wide" if top > _FIRST_CHOICES else ""
    return f"{key} {special}" if f"{key} {special}" in known else key


def _measured(checked: CheckedClaim) -> dict[str, object]:
    """What a template may ask about the claim's replay."""
    found: dict[str, object] = {"type": checked.claim.type, "queries": checked.queries}
    measured = checked.measured
    if "rank_after" in measured:
        found |= {"before": measured["rank_before"], "after": measured["rank_after"]}
        found["move"] = _move(checked)
    for field, name in (("change", "score_change"), ("control", "control_change")):
        if name in measured:
            found[field] = signed(float(measured[name]))
    return found


def statement(claim: Claim, titles: Mapping[str, str], *, noun: str = RECOMMENDER.outcome) -> str:
    """What a claim says, as one sentence without any measurement."""
    return STATEMENTS[_key(claim)].format(**_fields(claim, titles, noun))


def describe(
    checked: CheckedClaim, titles: Mapping[str, str], *, noun: str = RECOMMENDER.outcome
) -> str:
    """One line for a prompt, e.g. ``needs "Alien" for top 1: rank 1 -> 14``."""
    claim = checked.claim
    stated, quoted = claim.stated, _quoted(claim.parts, titles)
    line = {
        "EVIDENCE": lambda: f"support {stated['rank']} {quoted}",
        "NECESSARY": lambda: f"needs {quoted} for top {stated['leaves_top']}",
        "SUFFICIENT": lambda: f"enough {quoted} for top {stated['stays_in_top']}",
        "ATTRIBUTE": lambda: (
            f"{stated['direction']} {stated['attribute']} {stated['value']} "
            f"({len(claim.parts)} {plural(noun, len(claim.parts))})"
        ),
        "CONTRAST": lambda: f"ahead of {_quoted([str(stated['foil'])], titles)} by {quoted}",
        "COUNTERFACTUAL": lambda: " ".join(
            [*([f"without {quoted}"] if claim.parts else []),
             *([f"with {_quoted([str(stated['added'])], titles)}"] if "added" in stated else [])]
        ),
        "SIMILAR": lambda: f"like {quoted}, number {stated['rank']}",
        "UNDECIDED": lambda: f"no single {noun} for top {stated['stays_in_top']}",
    }[claim.type]()  # fmt: skip
    if "similarity" in checked.measured:
        line += f": cosine {checked.measured['similarity']:.2f}"
    if "rank_after" in checked.measured:
        line += f": rank {checked.measured['rank_before']} -> {checked.measured['rank_after']}"
    return line if checked.verdict == "verified" else f"{line} [{checked.verdict}]"


def receipt(
    checked: CheckedClaim, titles: Mapping[str, str], *, noun: str = RECOMMENDER.outcome
) -> str:
    """One line for a reader: the verdict, who says it, what, and the number against it."""
    line = describe(checked, titles, noun=noun).removesuffix(f" [{checked.verdict}]")
    who = said_by(checked.claim.source)
    why = f" ({checked.reason})" if checked.reason else ""
    return f"{f'[{checked.verdict}]':<13}{f'{who}: ' if who else ''}{line}{why}"


def listing(
    claims: Sequence[CheckedClaim],
    *,
    outcome: str,
    rank: int,
    titles: Mapping[str, str],
    noun: str = RECOMMENDER.outcome,
) -> str:
    """The outcome and the claims that ``render`` states, one line each: what prose is made of."""
    lines = [f"{_quoted([outcome], titles)}: rank {rank}"]
    lines += [describe(c, titles, noun=noun) for c in choose(claims)]
    return "\n".join(lines)


def _key(claim: Claim) -> str:
    """Which kind of sentence a claim needs."""
    if claim.type == "ATTRIBUTE":
        return f"ATTRIBUTE {claim.stated['direction']}"
    if claim.type in ("EVIDENCE", "SIMILAR") and claim.stated["rank"] != 1:
        return f"{claim.type} next"
    if claim.type == "COUNTERFACTUAL":
        added = "added" in claim.stated
        return f"{claim.type} {('both' if claim.parts else 'added') if added else 'removed'}"
    return claim.type


def _fields(claim: Claim, titles: Mapping[str, str], noun: str) -> dict[str, object]:
    """Everything a template may ask about the claim itself."""
    n = len(claim.parts)
    top = claim.stated.get("leaves_top", claim.stated.get("stays_in_top"))
    named = "first place" if top == 1 else f"the top {top}"
    place = claim.stated.get("rank")
    known = isinstance(place, int) and place <= len(_PLACES)
    others = {
        name: _quoted([str(claim.stated[name])], titles)
        for name in ("foil", "added")
        if name in claim.stated
    }
    return {
        **others,
        "new_rank": claim.stated.get("new_rank"),
        "p": _quoted(claim.parts, titles),
        "that": f"that {noun}" if n == 1 else f"those {plural(noun)}",
        "noun": noun,
        "nouns": plural(noun, n),
        "top": named,
        "in_top": f"in {named}",
        "place": _PLACES[int(place) - 1] if known and place else _ordinal(int(place or 1)),
        "n": n,
        "attribute": claim.stated.get("attribute"),
        "value": claim.stated.get("value"),
    }


def _move(checked: CheckedClaim) -> str:
    """How the rank moves, as a verb with its goal."""
    before, after = checked.measured["rank_before"], checked.measured["rank_after"]
    assert not isinstance(before, str) and not isinstance(after, str)
    if after == before:
        return f"stays at rank {after}"
    return f"{'falls' if after > before else 'rises'} to rank {after}"


def _told_next(checked: CheckedClaim, chosen: Sequence[CheckedClaim], style: Style) -> bool:
    """Whether another claim tells what a part's removal does: NECESSARY on the same part; or, to
    those who are told ranks alone, what costs the place or that nothing does, where this part does
    not."""
    if checked.claim.type != "EVIDENCE":
        return False
    about_place = [c.claim for c in chosen if c.claim.type in ("NECESSARY", "UNDECIDED")]
    if style.audience == "support" and _unmoved(checked):
        return bool(about_place)
    return any(claim.parts == checked.claim.parts for claim in about_place)


def _quoted(parts: Sequence[str], titles: Mapping[str, str]) -> str:
    """``"A", "B" and "C"``."""
    names = [f'"{titles[part]}"' for part in parts]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, …, 11th, …, 21st."""
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def _ways(known: Mapping[str, Ways], kind: str, split: Split) -> tuple[str, ...]:
    """All ways to put it; an audience that nothing is learned for has the same in both splits."""
    own = known[kind]
    return own.train if split == "train" else own.held_out or own.train


def _mix(variant: int, salt: str) -> int:
    """Another number for each sentence, so that one variant does not fix all of them alike."""
    return crc32(f"{variant} {salt}".encode())
