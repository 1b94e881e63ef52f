"""Words for claims, from templates: deterministic prose, and the compact listing for a prompt.

Knows claims and titles, never a target. Titles stand in straight double quotes, verbatim, and
numbers as they were measured, so that ``check_prose`` can hold any prose to the same claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

from innerview.explanation.claims import CheckedClaim, Claim, said_by
from innerview.explanation.prose import ProseCheck, TitleIndex, check_prose
from innerview.explanation.wording import ANSWERS, STATEMENTS, WAYS, Split, plural

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
    "statement",
    "wordings",
]

_PLACES = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip

# Which claims prose should spend its sentences on, most wanted first. The others answer questions.
_WANTED = ("NECESSARY", "UNDECIDED", "SUFFICIENT", "ATTRIBUTE")
_IN_PROSE = ("EVIDENCE", *_WANTED)


def choose(claims: Sequence[CheckedClaim], *, limit: int = 4) -> list[CheckedClaim]:
    """The verified claims that prose states, in the order given: one EVIDENCE, then the other
    types, then what is left, up to ``limit``."""
    verified = [c for c in claims if c.verdict == "verified" and c.claim.type in _IN_PROSE]
    first = [c for c in verified if c.claim.type == "EVIDENCE"][:1]
    wanted = [next((c for c in verified if c.claim.type == t), None) for t in _WANTED]
    ordered = first + [c for c in wanted if c is not None]
    ordered += [c for c in verified if not any(c is other for other in ordered)]
    kept = ordered[:limit]
    return [c for c in verified if any(c is other for other in kept)]


def render(
    claims: Sequence[CheckedClaim],
    *,
    outcome: str,
    rank: int,
    titles: Mapping[str, str],
    noun: str = "item",
    variant: int = 0,
    split: Split = "train",
    limit: int = 4,
) -> str:
    """Prose of 2 to ``limit`` + 1 sentences: the outcome with its rank, then verified claims.

    Args:
        claims: as checked; refuted and untestable ones are left out.
        outcome: id of the outcome.
        rank: its rank in the whole case.
        titles: of the outcome and of every part a claim names.
        noun: what one part is called.
        variant: which paraphrases; the same number gives the same prose.
        split: which paraphrases to draw from.
        limit: most claims to state.

    Raises:
        KeyError: a title is missing.
    """
    opening = _pick("OUTCOME", split, _mix(variant, "outcome")).format(
        p=_quoted([outcome], titles), rank=rank, ordinal=_ordinal(rank)
    )
    chosen = choose(claims, limit=limit)
    sentences = [opening]
    for place, checked in enumerate(chosen):
        sentences.append(
            render_claim(
                checked,
                titles,
                variant=_mix(variant, str(place)),
                split=split,
                noun=noun,
                brief=_told_next(checked, chosen),
            )
        )
    if not chosen:
        sentences.append(f"What it owes to any single {noun} could not be verified.")
    return " ".join(sentences)


def wordings(
    claims: Sequence[CheckedClaim],
    *,
    outcome: str,
    rank: int,
    titles: Mapping[str, str],
    noun: str = "item",
    limit: int = 4,
) -> list[tuple[str, ...]]:
    """For every sentence of ``render`` in turn, all the ways to put it (those of training).

    Raises:
        KeyError: a title is missing.
    """
    opening = [
        way.format(p=_quoted([outcome], titles), rank=rank, ordinal=_ordinal(rank))
        for way in WAYS["OUTCOME"].train
    ]
    chosen = choose(claims, limit=limit)
    ways = [tuple(opening)]
    for checked in chosen:
        brief = _told_next(checked, chosen)
        n = len(WAYS["EVIDENCE brief" if brief else _key(checked.claim)].train)
        ways.append(
            tuple(
                render_claim(checked, titles, variant=v, noun=noun, brief=brief) for v in range(n)
            )
        )
    return ways


def render_claim(
    checked: CheckedClaim,
    titles: Mapping[str, str],
    *,
    variant: int = 0,
    split: Split = "train",
    noun: str = "item",
    brief: bool = False,
) -> str:
    """One sentence for one claim, with what was measured.

    A claim that is not verified is put as a bare statement: its numbers speak against it.

    Args:
        checked: the claim and its measured effect.
        titles: of everything it names.
        variant: which paraphrase, modulo their number.
        split: which paraphrases to draw from.
        noun: what one part is called.
        brief: leave the effect of a strongest part to another sentence.
    """
    if checked.verdict != "verified":
        return statement(checked.claim, titles, noun=noun)
    key = _key(checked.claim)
    if brief and key == "EVIDENCE":
        key = "EVIDENCE brief"
    measured: dict[str, object] = {}
    if "rank_after" in checked.measured:
        measured = {"after": checked.measured["rank_after"], "move": _move(checked)}
    way = ANSWERS[key] if key in ANSWERS else _pick(key, split, variant)
    return way.format(**_fields(checked.claim, titles, noun), **measured)


def statement(claim: Claim, titles: Mapping[str, str], *, noun: str = "item") -> str:
    """What a claim says, as one sentence without any measurement."""
    return STATEMENTS[_key(claim)].format(**_fields(claim, titles, noun))


def describe(checked: CheckedClaim, titles: Mapping[str, str], *, noun: str = "item") -> str:
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


def receipt(checked: CheckedClaim, titles: Mapping[str, str], *, noun: str = "item") -> str:
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
    noun: str = "item",
    limit: int = 4,
) -> str:
    """The outcome and the claims that ``render`` states, one line each: what prose is made of."""
    lines = [f"{_quoted([outcome], titles)}: rank {rank}"]
    lines += [describe(c, titles, noun=noun) for c in choose(claims, limit=limit)]
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


def _told_next(checked: CheckedClaim, chosen: Sequence[CheckedClaim]) -> bool:
    """Whether a NECESSARY claim on the same part tells the effect of its removal anyway."""
    return checked.claim.type == "EVIDENCE" and any(
        c.claim.type == "NECESSARY" and c.claim.parts == checked.claim.parts for c in chosen
    )


def _quoted(parts: Sequence[str], titles: Mapping[str, str]) -> str:
    """``"A", "B" and "C"``."""
    names = [f'"{titles[part]}"' for part in parts]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, …, 11th, …, 21st."""
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def _pick(key: str, split: Split, variant: int) -> str:
    ways = getattr(WAYS[key], split)
    return str(ways[variant % len(ways)])


def _mix(variant: int, salt: str) -> int:
    """Another number for each sentence, so that one variant does not fix all of them alike."""
    return crc32(f"{variant} {salt}".encode())
