"""Answers to follow-up questions: asked of the target, stated as claims, and replayed.

"What if I had not watched X?", "and with Y?", "why not Z?", "compare it with Z". Knows the target
protocol only. Questions of other forms get no answer here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from innerview.data.domain import RECOMMENDER
from innerview.explanation._ask import Answer, Question, ask, first_outcomes
from innerview.explanation._questions import Asked, Kind, Titles, read_question
from innerview.explanation.claims import CheckedClaim, Claim
from innerview.explanation.render import receipt, render_claim
from innerview.explanation.verify import verify_many
from innerview.explanation.wording import plural
from innerview.targets.protocol import Case, Target, blocked_rows

__all__ = ["Reply", "answer_question"]

_MAX_SET = 3
"""Parts that are taken away together at most, to put another outcome ahead."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a follow-up question.

    Attributes:
        question: as it was asked.
        kind: which form it has; ``free`` and ``unknown title`` are not checked.
        text: the answer in words; titles and numbers in it are the target's where it is checked.
        claims: what it states, replayed on the target.
        titles: of everything named, by id.
        noun: what one part is called.
        queries: how many cases the target scored for it.
    """

    question: str
    kind: Kind
    text: str
    claims: tuple[CheckedClaim, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    noun: str = RECOMMENDER.outcome
    queries: int = 0

    @property
    def checked(self) -> bool:
        """Whether the target was asked."""
        return self.kind not in ("free", "unknown title")

    def __str__(self) -> str:
        """The words, and below them each claim with its verdict."""
        text = f"(unchecked) {self.text}" if self.kind == "free" else self.text
        receipts = (receipt(checked, self.titles, noun=self.noun) for checked in self.claims)
        return "\n".join([text, *receipts])

    def to_dict(self) -> dict[str, Any]:
        """The wire form: one JSON object."""
        return {
            "question": self.question,
            "kind": self.kind,
            "checked": self.checked,
            "text": self.text,
            "claims": [checked.to_dict() for checked in self.claims],
            "titles": dict(self.titles),
            "queries": self.queries,
        }


def answer_question(question: str, case: Case, outcome: str, target: Target) -> Reply:
    """Answer a follow-up question about why a case has an outcome.

    Args:
        question: in English; see the module.
        case: as the target sees it.
        outcome: id of the outcome that was explained.
        target: whom to ask.

    Returns:
        The answer; of kind ``free``, with no words, where the question has none of the forms.

    Raises:
        CaseError: the outcome is a part of the case.
        TargetQueryError: the target failed to answer.
    """
    parts = Titles(target.parts, case.parts)
    shared = target.parts is target.outcomes
    outcomes = parts if shared else Titles(target.outcomes)
    asked = read_question(question, parts, outcomes)
    before = target.queries.used
    talk = _Talk(question, case, outcome, target)
    match asked.kind:
        case "change":
            reply = talk.change(asked)
        case "why not" | "compare":
            reply = talk.other(asked)
        case "unknown title":
            reply = talk.unknown(asked)
        case _:
            reply = Reply(question, "free", "")
    return replace(reply, queries=target.queries.used - before)


@dataclass(frozen=True, slots=True)
class _Talk:
    """One question about one case and outcome."""

    question: str
    case: Case
    outcome: str
    target: Target

    @property
    def _nouns(self) -> str:
        return plural(self.target.parts.noun)

    def _title(self, one: str) -> str:
        catalogue = self.target.outcomes if one in self.target.outcomes.index else self.target.parts
        return catalogue.title(one)

    def _quoted(self, one: str) -> str:
        return f'"{self._title(one)}"'

    def _reply(self, kind: Kind, sentences: Sequence[str], claims: Sequence[Claim]) -> Reply:
        """The sentences, then what the claims say, which are replayed."""
        checked = verify_many([(claim, self.case) for claim in claims], self.target)
        noun = self.target.parts.noun
        named = {one for claim in claims for one in (claim.outcome, *claim.named)}
        known = {one: self._title(one) for one in named}
        said = [render_claim(one, known, noun=noun) for one in checked]
        text = " ".join([*sentences, *dict.fromkeys(said)])
        return Reply(self.question, kind, text, tuple(checked), known, noun)

    def unknown(self, asked: Asked) -> Reply:
        """Nothing by that name is known."""
        near = ", ".join(f'"{title}"' for title in asked.near)
        hint = f" Did you mean {near}?" if near else ""
        nouns = dict.fromkeys((self.target.parts.noun, self.target.outcomes.noun))
        return Reply(
            self.question, "unknown title", f"I know no {' or '.join(nouns)} by that name.{hint}"
        )

    # -- what if -----------------------------------------------------------------------------------

    def change(self, asked: Asked) -> Reply:
        """Parts taken away, or another added."""
        removed = tuple(part for part in asked.removed if part in self.case.parts)
        added = tuple(part for part in asked.added if part not in self.case.parts)[:1]
        remarks = [
            f"{self._quoted(part)} is not among the {self._nouns} of this case."
            for part in asked.removed
            if part not in removed
        ]
        remarks += [
            f"{self._quoted(part)} is there already." for part in asked.added if part not in added
        ][:1]
        if not removed and not added:
            return self._reply("change", [*remarks, "So nothing changes."], [])
        if not self.target.capabilities.rescoring:
            text = "The target cannot score a changed case, so this cannot be tested."
            return self._reply("change", [*remarks, text], [])
        left = self.case.without(removed).parts
        if not left and not added:
            return self._reply("change", [*remarks, "Nothing would be left to go by."], [])
        changed = Case(self.case.case_id, (*left, *added)).last(self.target.capabilities.max_parts)
        known = Case(self.case.case_id, tuple(dict.fromkeys((*self.case.parts, *added))))
        if self.outcome in added and self.target.capabilities.excludes_parts:
            text = f"{self._quoted(self.outcome)} would be one of the {self._nouns} itself then."
            return self._reply("change", [*remarks, text], [])
        before, after = ask(
            self.target,
            [Question(self.case, self.case, self.outcome), Question(known, changed, self.outcome)],
        )
        stated: dict[str, int | float | str] = {"new_rank": after.rank}
        if added:
            stated["added"] = added[0]
        claims = [Claim("COUNTERFACTUAL", self.outcome, removed, stated)]
        first = first_outcomes(self.target, [(known, changed)])[0]
        remarks.append(f"{self._quoted(self.outcome)} is at rank {before.rank}.")
        if first != self.outcome and removed and not added and before.rank == 1:
            claims.append(Claim("CONTRAST", self.outcome, removed, {"foil": first}))
        reply = self._reply("change", remarks, claims)
        sure = all(checked.verdict == "verified" for checked in reply.claims)
        if not sure or first == self.outcome or len(claims) > 1:
            return reply
        return replace(reply, text=f"{reply.text} First would be {self._quoted(first)}.")

    # -- why not, and comparisons ------------------------------------------------------------------

    def other(self, asked: Asked) -> Reply:
        """Another outcome beside this one: which is ahead, and by what."""
        rival, own = asked.outcome, self.outcome
        if rival == own:
            return self._reply(asked.kind, [f"{self._quoted(own)} is the answer itself."], [])
        if self.target.outcomes.rows([rival])[0] in blocked_rows(self.target, self.case):
            text = f"{self._quoted(rival)} is one of the {self._nouns} already, so it is no answer."
            return self._reply(asked.kind, [text], [])
        ranks = [
            a.rank
            for a in ask(self.target, [Question(self.case, self.case, o) for o in (own, rival)])
        ]
        ahead, behind = (own, rival) if ranks[0] < ranks[1] else (rival, own)
        sentences = [
            f"{self._quoted(own)} is at rank {ranks[0]}, {self._quoted(rival)} at rank {ranks[1]}."
        ]
        claims: list[Claim] = []
        flipping = self._flipping(ahead, behind)
        if flipping:
            claims.append(Claim("CONTRAST", ahead, flipping, {"foil": behind}))
            if ahead != own:
                # "It" is what a sentence is about; here that is the other one.
                sentences.append(f"What keeps {self._quoted(ahead)} ahead:")
        elif self.target.capabilities.rescoring and len(set(self.case.parts)) > 1:
            sentences.append(
                f"No {_MAX_SET} {self._nouns} or fewer that were tried put "
                f"{self._quoted(behind)} ahead by being taken away."
            )
        if asked.kind == "compare":
            claims += self._nearest(own)
        return self._reply(asked.kind, sentences, claims)

    def _flipping(self, ahead: str, behind: str) -> tuple[str, ...]:
        """The first set found whose removal turns the order of two outcomes; greedily, one part,
        then the two that narrow it most, and so on."""
        parts = tuple(dict.fromkeys(self.case.parts))
        if len(parts) < 2 or not self.target.capabilities.rescoring:
            return ()
        singles = self._pairs([(part,) for part in parts], ahead, behind)
        order = sorted(range(len(parts)), key=lambda i: singles[i][0].score - singles[i][1].score)
        if singles[order[0]][0].rank > singles[order[0]][1].rank:
            return (parts[order[0]],)
        sizes = range(2, min(_MAX_SET, len(parts) - 1) + 1)
        sets = [tuple(parts[i] for i in order[:size]) for size in sizes]
        turned = (
            chosen
            for chosen, (one, other) in zip(sets, self._pairs(sets, ahead, behind), strict=True)
            if one.rank > other.rank
        )
        return next(turned, ())

    def _pairs(
        self, sets: Sequence[tuple[str, ...]], ahead: str, behind: str
    ) -> list[tuple[Answer, Answer]]:
        """How two outcomes fare without each of some sets of parts."""
        asked = [
            Question(self.case, self.case.without(chosen), outcome)
            for chosen in sets
            for outcome in (ahead, behind)
        ]
        answers = iter(ask(self.target, asked))
        return [(next(answers), next(answers)) for _ in sets]

    def _nearest(self, outcome: str) -> list[Claim]:
        """The part most like an outcome, by the target's vectors, if it has any."""
        if not self.target.capabilities.vectors:
            return []
        parts = tuple(dict.fromkeys(self.case.parts))
        asked = [(Claim("SIMILAR", outcome, (part,), {"rank": 1}), self.case) for part in parts]
        found = (c.claim for c in verify_many(asked, self.target) if c.verdict == "verified")
        return list(found)[:1]
