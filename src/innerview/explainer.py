"""The public path: a target and its surrogate in, checked explanations out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args, overload

from innerview.alignment.cases import cases_of, read_cases
from innerview.alignment.labels import case_seed
from innerview.alignment.prose import checked_claims, named_titles, prose_record
from innerview.alignment.records import FORMS, Form, Record, Text
from innerview.alignment.tasks import Asker, Context
from innerview.data import ArrowTable, Interactions, read_interactions
from innerview.errors import CaseError, InnerviewWarning, RunError
from innerview.explanation._ask import Question, ask, first_outcomes
from innerview.explanation.claims import CheckedClaim, Claim
from innerview.explanation.evidence import Evidence
from innerview.explanation.explanation import Explanation, Explanations, FormAnswer
from innerview.explanation.followup import Reply, answer_question
from innerview.explanation.pairs import Pairs, pair_effects
from innerview.explanation.render import TitleIndex, check_prose, choose, render, wordings
from innerview.explanation.sets import Smallest, smallest_set
from innerview.explanation.shapley import Shapley, shapley_values
from innerview.explanation.style import Style
from innerview.explanation.verify import Patience, verify_many
from innerview.files import recover_folder
from innerview.surrogate.hub import find_folder
from innerview.targets.folder import load_target
from innerview.targets.protocol import Case, Target
from innerview.targets.static import approximation_of

if TYPE_CHECKING:
    from innerview.surrogate.surrogate import Surrogate

__all__ = ["Explainer"]

Refuted = Literal["keep", "drop", "retry"]
"""What becomes of what a surrogate claims and its target refutes."""

Claiming = Literal["grounded", "surrogate"]
"""Whose answers claims are read off: the target's, or the surrogate's own."""

KnownCases = Mapping[str, Case] | Interactions | ArrowTable
"""Cases by id, or a table that they are made of."""

_STYLE, _PATIENCE = Style(), Patience()
_SETTINGS: Mapping[str, Any] = {
    "refuted": "keep", "claims": "grounded", "style": _STYLE, "patience": _PATIENCE
}  # fmt: skip
"""By name, and what each is by default."""
_PARAMS = ("target", "surrogate", "cases", *_SETTINGS)
_BATCH = 32
_FREE_TOKENS = 64
"""Of an answer that is not checked."""
_FORMS_OF_QUESTIONS = (
    "Ask what if something had not been there or had been there too, why not something else, or "
    "how something compares."
)


@dataclass(frozen=True, slots=True)
class _Draft:
    """One explanation on its way: what was measured, and what the surrogate said."""

    case: Case
    outcome: str
    score: float
    rank: int
    evidence: Evidence | None
    claims: list[CheckedClaim]
    """What there is to tell."""
    titles: dict[str, str]
    reasons: list[CheckedClaim] = field(default_factory=list)
    """What the surrogate takes for the strongest reason, by form."""


class Explainer:
    """Explains a target's answers; ``explainer(case)`` or ``explainer([case, …])``.

    Args:
        target: the model being explained.
        surrogate: the language model aligned with it; without one, evidence and claims are the
            same and the prose is rendered from the claims.
        cases: known cases by id, so that ids can be given instead of cases; or the table of who met
            what and when that they are to be made of: ``Interactions``, or one in memory (pandas,
            polars, Arrow) with the columns ``user_id``, ``item_id`` and ``timestamp``.
        refuted: what becomes of the surrogate's own claims that the target refutes: they are kept
            beside their verdict, or dropped, or (``retry``) the surrogate is asked once for its
            next best reason in that form, and what is refuted then is dropped.
        claims: whose answers claims are read off. ``grounded``: the target's, so that they are true
            from the start. ``surrogate``: the surrogate's own, which claims without a query, in
            all channels it has, and is checked afterwards. No score is asked for these claims;
            with vectors the target encodes every changed case.
        style: for whom the prose is, how long, what about. Surrogates learn to write in the style
            of the default; in any other they choose among sentences.
        patience: what each replay of a batch's claims may cost, where the target is slow or fails.

    Raises:
        CaseError: a setting is unknown, the style is about an attribute that parts do not have, or
            the surrogate is to make the claims, and there is none, or nothing to check them on.
        DataError: the table of cases cannot be used.
    """

    def __init__(
        self,
        target: Target,
        surrogate: Surrogate | None = None,
        *,
        cases: KnownCases | None = None,
        refuted: Refuted = "keep",
        claims: Claiming = "grounded",
        style: Style = _STYLE,
        patience: Patience = _PATIENCE,
    ) -> None:
        for name, own, known in (("refuted", refuted, Refuted), ("claims", claims, Claiming)):
            if own not in get_args(known):
                raise CaseError(
                    f"unknown setting {name}={own!r}; known: {', '.join(get_args(known))}"
                )
        if claims == "surrogate" and surrogate is None:
            raise CaseError("no surrogate is there to make claims; use claims='grounded'")
        if claims == "surrogate" and not target.capabilities.rescoring:
            raise CaseError(
                "what a surrogate claims of changed cases cannot be checked, as the target scores "
                "none; use claims='grounded'"
            )
        domain = target.outcomes.domain
        if style.tone == "warm" and not domain.addressed:
            raise CaseError(f"no case of a {domain.name} can be spoken to warmly; use tone='plain'")
        self.cases = _known_cases(cases, target)
        marks = dict.fromkeys(name for case in self.cases.values() for name in case.marks)
        attributes = dict.fromkeys((*target.parts.groupings, *marks))
        if style.about is not None and style.about not in attributes:
            known_ones = ", ".join(attributes) or "none"
            raise CaseError(f"parts have no attribute {style.about!r}; known: {known_ones}")
        self.target, self.surrogate, self.refuted = target, surrogate, refuted
        self.claims, self.style, self.patience = claims, style, patience
        self._index = TitleIndex(target.outcomes.titles)
        self._asker = Asker(target.outcomes, target.parts)

    @classmethod
    def load(
        cls,
        name: Path | str,
        *,
        target: Target | None = None,
        cases: KnownCases | None = None,
        revision: str | None = None,
        refuted: Refuted = "keep",
        claims: Claiming = "grounded",
        style: Style = _STYLE,
        patience: Patience = _PATIENCE,
    ) -> Explainer:
        """Load from the folder of a run, or what ``innerview export`` made of one: its target, its
        surrogate if it has one, its cases if it has any.

        Args:
            name: the folder, or ``org/name`` of one on a model hub.
            target: the target, where the folder has none, as it is private.
            cases: to know instead of the folder's own; see ``Explainer``.
            revision: of the hub's repository: a branch, a tag, a commit.
            refuted: what becomes of the surrogate's own claims that the target refutes.
            claims: whose answers claims are read off.
            style: of the prose.
            patience: with the target.

        Raises:
            RunError: there is no such folder, here or on a hub, or it lacks the target.
            CaseError: the surrogate is to make the claims, and the folder has none.
            BundleError, SurrogateError: a file of theirs is damaged or does not fit.
        """
        folder = find_folder(name, revision=revision)
        if target is None:
            target = _own_target(folder)
        surrogate = None
        if (folder / "surrogate" / "manifest.json").exists():
            from innerview.surrogate.surrogate import Surrogate

            surrogate = Surrogate.load(folder / "surrogate", target)
        if cases is None and (folder / "labels").exists():
            known = read_cases(folder)
            cases = {c.case_id: c for c in (*known.test, *known.valid, *known.train)}
        return cls(
            target,
            surrogate,
            cases=cases,
            refuted=refuted,
            claims=claims,
            style=style,
            patience=patience,
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor, by name; ``deep`` is scikit-learn's, and changes
        nothing."""
        return {name: getattr(self, name) for name in _PARAMS}

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor; if one is refused, all stay as they were.

        Raises:
            CaseError: it has no such argument, or refuses one.
        """
        if unknown := params.keys() - set(_PARAMS):
            raise CaseError(f"no parameter {min(unknown)!r}; known: {', '.join(_PARAMS)}")
        vars(self).update(vars(type(self)(**{**self.get_params(), **params})))
        return self

    def __sklearn_clone__(self) -> Self:
        """Another one of the same target: no copy is made of that."""
        return type(self)(**self.get_params())

    def __repr__(self) -> str:
        surrogate = None if self.surrogate is None else self.surrogate.fingerprint[:12]
        settings = "".join(
            f", {name}={own!r}"
            for name, usual in _SETTINGS.items()
            if (own := getattr(self, name)) != usual
        )
        return (
            f"Explainer(target={self.target.name!r}, surrogate={surrogate!r}, "
            f"cases={len(self.cases)}{settings})"
        )

    @property
    def case_ids(self) -> list[str]:
        """Ids that can be given instead of a case; held-out ones first."""
        return list(self.cases)

    @property
    def forms(self) -> tuple[Form, ...]:
        """Forms the surrogate can be asked in: the target decides whether there are vectors."""
        return FORMS if self.target.capabilities.vectors else ("behavior",)

    @overload
    def __call__(self, case: str | Case, outcome: str | None = None) -> Explanation: ...
    @overload
    def __call__(self, case: str | Case, outcome: list[str] | tuple[str, ...]) -> Explanations: ...
    @overload
    def __call__(
        self, case: list[str] | list[Case], outcome: str | Sequence[str] | None = None
    ) -> Explanations: ...
    def __call__(
        self,
        case: str | Case | list[str] | list[Case],
        outcome: str | Sequence[str] | None = None,
    ) -> Explanation | Explanations:
        """Explain one case or several.

        Args:
            case: a case or the id of a known one, or a list of them.
            outcome: the outcome to explain, or one per case, or several of one case; by default
                what the target puts first.

        Raises:
            CaseError: an id is unknown, or the outcome is a part of the case.
        """
        if isinstance(case, str | Case):
            if outcome is None or isinstance(outcome, str):
                return self._explain([case], [outcome])[0]
            return Explanations(self._explain([case] * len(outcome), list(outcome)))
        wanted = (
            [outcome] * len(case) if outcome is None or isinstance(outcome, str) else list(outcome)
        )
        if len(wanted) != len(case):
            raise CaseError(f"{len(wanted)} outcomes for {len(case)} cases; give one per case")
        return Explanations(self._explain(list(case), wanted))

    def ask(self, explanation: Explanation, question: str) -> Reply:
        """Answer a follow-up question about an explanation; see ``Explanation.ask``.

        Raises:
            CaseError: the explanation is of another target's catalogue.
        """
        marks = self.cases[explanation.case_id].marks if explanation.case_id in self.cases else {}
        case = Case(explanation.case_id, explanation.parts, marks)
        reply = answer_question(question, case, explanation.outcome_id, self.target)
        if reply.kind != "free":
            return reply
        if self.surrogate is None:
            return replace(reply, text=_FORMS_OF_QUESTIONS)
        asked = Record("chat", "behavior", case.case_id, case.parts, len(case.parts),
                       (Text(question),), "?")  # fmt: skip
        (said,) = self.surrogate.answer([asked], max_new_tokens=_FREE_TOKENS)
        return replace(reply, text=str(said).strip())

    def shapley(
        self, case: str | Case, outcome: str | None = None, *, budget: int = 2000, seed: int = 0
    ) -> Shapley:
        """Shapley values of a case's parts; see ``shapley_values``.

        Args:
            case: a case or the id of a known one.
            outcome: by default what the target puts first.
            budget: most cases to score; it pays for exact values of ten parts.
            seed: of the random orders, where there are more.

        Raises:
            CaseError: an id is unknown, or there is nothing to leave out.
        """
        ((known, own),) = self._with_outcomes([self._recent(case)], [outcome])
        return shapley_values(known, own, self.target, budget=budget, seed=seed)

    def pairs(self, case: str | Case, outcome: str | None = None, *, budget: int = 500) -> Pairs:
        """Pairs of a case's parts that matter together otherwise than one by one.

        Args:
            case: a case or the id of a known one.
            outcome: by default what the target puts first.
            budget: most cases to score.

        Raises:
            CaseError: an id is unknown, or no two parts can be left out.
        """
        ((known, own),) = self._with_outcomes([self._recent(case)], [outcome])
        return pair_effects(known, own, self.target, budget=budget)

    def smallest_set(
        self,
        case: str | Case,
        outcome: str | None = None,
        *,
        top: int = 1,
        keep: bool = False,
        budget: int = 2000,
    ) -> Smallest:
        """The smallest set whose removal takes an outcome out of a top, or that alone keeps it in.

        Explanations find such sets greedily, with a few queries; this one tries all sets of a size
        before any of the next, as far as the budget goes. See ``sets.smallest_set``.

        Raises:
            CaseError: an id is unknown, or there is nothing to leave out.
        """
        ((known, own),) = self._with_outcomes([self._recent(case)], [outcome])
        return smallest_set(known, own, self.target, top=top, keep=keep, budget=budget)

    # -- one batch after another ----------------------------------------------------------------

    def _explain(
        self, cases: Sequence[str | Case], outcomes: Sequence[str | None]
    ) -> list[Explanation]:
        found: list[Explanation] = []
        for start in range(0, len(cases), _BATCH):
            chunk = [self._recent(c) for c in cases[start : start + _BATCH]]
            found += self._explain_batch(chunk, outcomes[start : start + _BATCH])
        return found

    def _recent(self, case: str | Case) -> Case:
        """The case as the target sees it: its last parts."""
        if isinstance(case, str):
            if case not in self.cases:
                raise CaseError(
                    f"unknown case {case!r}: not among the {len(self.cases)} known; give a Case of "
                    "its parts, or cases="
                )
            case = self.cases[case]
        return case.last(self.target.capabilities.max_parts)

    def _explain_batch(
        self, cases: Sequence[Case], outcomes: Sequence[str | None]
    ) -> list[Explanation]:
        before = self.target.queries.used
        pairs = self._with_outcomes(cases, outcomes)
        drafts = (self._measured if self.claims == "grounded" else self._claimed)(pairs)
        answers = self._form_answers(drafts)
        drafts = [
            replace(draft, reasons=said)
            for draft, said in zip(drafts, self._surrogate_claims(drafts, answers), strict=True)
        ]
        prose = self._prose(drafts)
        queries = self.target.queries.used - before
        return [
            self._finish(draft, own, text, how, queries / len(drafts))
            for draft, own, (text, how) in zip(drafts, answers, prose, strict=True)
        ]

    def _with_outcomes(
        self, cases: Sequence[Case], outcomes: Sequence[str | None]
    ) -> list[tuple[Case, str]]:
        """Each case with its outcome; where none is given, what the target puts first."""
        asked = [(c, c) for c, o in zip(cases, outcomes, strict=True) if o is None]
        firsts = iter(first_outcomes(self.target, asked))
        return [
            (c, o if o is not None else next(firsts)) for c, o in zip(cases, outcomes, strict=True)
        ]

    def _measured(self, pairs: Sequence[tuple[Case, str]]) -> list[_Draft]:
        """Drafts with claims read off the target's answers."""
        found = checked_claims(self.target, pairs, patience=self.patience, about=self.style.about)
        return [
            _Draft(
                case, outcome, evidence.score, evidence.rank, evidence, claims,
                named_titles(self.target, case, outcome, claims),
            )
            for (case, outcome), (evidence, claims) in zip(pairs, found, strict=True)
        ]  # fmt: skip

    def _claimed(self, pairs: Sequence[tuple[Case, str]]) -> list[_Draft]:
        """Drafts with claims read off the surrogate's answers, then replayed on the target."""
        from innerview.surrogate.stand_in import own_claims

        assert self.surrogate is not None
        found = own_claims(self.surrogate.stand_in(self.forms[-1]), pairs, about=self.style.about)
        wholes = ask(self.target, [Question(case, case, outcome) for case, outcome in pairs])
        flat = [(c, case) for (_, own), (case, _) in zip(found, pairs, strict=True) for c in own]
        replayed = iter(verify_many(flat, self.target, patience=self.patience))
        drafts: list[_Draft] = []
        for (case, outcome), (_, own), whole in zip(pairs, found, wholes, strict=True):
            claims = [next(replayed) for _ in own]
            if self.refuted != "keep":
                claims = [checked for checked in claims if checked.verdict != "refuted"]
            titles = named_titles(self.target, case, outcome, claims)
            drafts.append(_Draft(case, outcome, whole.score, whole.rank, None, claims, titles))
        return drafts

    # -- the surrogate's own view ------------------------------------------------------------------

    def _questions(self, draft: _Draft, form: Form) -> list[Record]:
        context = Context(draft.case.case_id, draft.case.parts, len(draft.case.parts))
        rng = case_seed(0, draft.case, f"explain-{form}")
        return [
            self._asker.retrieval(context, form, [draft.outcome], rng),
            *self._asker.interest(context, form, [(draft.outcome, True)], rng),
            self._asker.attribution(context, form, draft.outcome, draft.case.parts[0], rng),
        ]

    def _form_answers(self, drafts: Sequence[_Draft]) -> list[dict[Form, FormAnswer]]:
        """The surrogate's decision, expected outcomes and reason, in every form."""
        if self.surrogate is None:
            return [{} for _ in drafts]
        asked = [(d, form) for d in drafts for form in self.forms]
        said = iter(self.surrogate.answer([r for d, f in asked for r in self._questions(d, f)]))
        answers: list[dict[Form, FormAnswer]] = []
        for _ in drafts:
            own: dict[Form, FormAnswer] = {}
            for form in self.forms:
                top, probability, reason = next(said), next(said), next(said)
                own[form] = FormAnswer(
                    decision="yes" if probability >= 0.5 else "no",
                    probability=round(float(probability), 4),
                    top=tuple(top),
                    reason_part=reason or None,
                )
            answers.append(own)
        return answers

    def _surrogate_claims(
        self, drafts: Sequence[_Draft], answers: list[dict[Form, FormAnswer]]
    ) -> list[list[CheckedClaim]]:
        """Each form's reason as a claim, replayed on the target; verdicts go into the answers."""
        places = [(i, form) for i, by_form in enumerate(answers) for form in by_form]
        named = {(i, form): answers[i][form].reason_part for i, form in places}
        checked = self._checked_reasons(drafts, named)
        again = [place for place, own in checked.items() if own.verdict == "refuted"]
        if self.refuted == "retry" and again:
            assert self.surrogate is not None
            asked = [self._questions(drafts[i], form)[-1] for i, form in again]
            reasons = self.surrogate.reasons(asked)
            second = {at: own[1] for at, own in zip(again, reasons, strict=True) if len(own) > 1}
            checked |= self._checked_reasons(drafts, second)
        said: list[list[CheckedClaim]] = [[] for _ in drafts]
        for (i, form), own in checked.items():
            if self.refuted != "keep" and own.verdict == "refuted":
                answers[i][form] = replace(answers[i][form], reason_part=None)
                continue
            (part,) = own.claim.parts
            answers[i][form] = replace(
                answers[i][form], reason_part=part, reason_verdict=own.verdict
            )
            said[i].append(own)
        return said

    def _checked_reasons(
        self, drafts: Sequence[_Draft], named: Mapping[tuple[int, Form], str | None]
    ) -> dict[tuple[int, Form], CheckedClaim]:
        """By draft and form, the part that is said to matter most, as a claim that was replayed."""
        claims = {
            (i, form): Claim(
                "EVIDENCE", drafts[i].outcome, (part,), {"rank": 1},
                source=f"surrogate_{form}",
            )
            for (i, form), part in named.items()
            if part is not None
        }  # fmt: skip
        pairs = [(claim, drafts[i].case) for (i, _), claim in claims.items()]
        return dict(
            zip(claims, verify_many(pairs, self.target, patience=self.patience), strict=True)
        )

    # -- words -----------------------------------------------------------------------------------

    def _prose(self, drafts: Sequence[_Draft]) -> list[tuple[str, str]]:
        """Text of each draft, and how it came to be: written, repaired, or rendered.

        First the surrogate writes freely. Where that strays from the claims, it writes once
        more, now choosing among sentences that state them. Where no claim is to be told, it is not
        asked: whatever it said would stray from none.
        """
        texts: list[tuple[str, str] | None] = [None] * len(drafts)
        told = [bool(choose(draft.claims, self.style)) for draft in drafts]
        learned = ("surrogate", True), ("surrogate, repaired", False)
        for how, free in learned if self.style == _STYLE else (("surrogate, choosing", False),):
            left = [i for i, text in enumerate(texts) if text is None and told[i]]
            if self.surrogate is None or not left:
                break
            written = self.surrogate.write(
                [self._prose_question(drafts[i]) for i in left],
                wordings=None if free else [self._wordings(drafts[i]) for i in left],
            )
            for i, text in zip(left, written, strict=True):
                if self._states_exactly(drafts[i], text):
                    texts[i] = (text, how)
        return [
            text or (self._rendered(draft), "rendered from the claims")
            for text, draft in zip(texts, drafts, strict=True)
        ]

    def _prose_question(self, draft: _Draft) -> Record:
        return prose_record(
            self._asker, draft.case, draft.claims, draft.titles,
            outcome=draft.outcome, rank=draft.rank,
        )  # fmt: skip

    def _wordings(self, draft: _Draft) -> list[tuple[str, ...]]:
        return wordings(
            draft.claims,
            outcome=draft.outcome,
            rank=draft.rank,
            titles=draft.titles,
            noun=self.target.parts.noun,
            outcome_noun=self.target.outcomes.noun,
            style=self.style,
            variant=_variant(draft),
        )

    def _states_exactly(self, draft: _Draft, text: str) -> bool:
        check = check_prose(
            text,
            choose(draft.claims, self.style),
            outcome=draft.outcome,
            rank=draft.rank,
            titles=draft.titles,
            index=self._index,
            ranked=self.style.ranked,
        )
        return check.complete

    def _rendered(self, draft: _Draft) -> str:
        return render(
            draft.claims,
            outcome=draft.outcome,
            rank=draft.rank,
            titles=draft.titles,
            noun=self.target.parts.noun,
            outcome_noun=self.target.outcomes.noun,
            variant=_variant(draft),
            style=self.style,
        )

    def _finish(
        self,
        draft: _Draft,
        answers: Mapping[Form, FormAnswer],
        text: str,
        how: str,
        queries: float,
    ) -> Explanation:
        main = answers.get("hybrid") or answers.get("behavior")
        outcomes = self.target.outcomes
        named = {o: outcomes.title(o) for own in answers.values() for o in own.top}
        provenance: dict[str, Any] = {
            "innerview": version("innerview"),
            "target": self.target.fingerprint,
            "surrogate": self.surrogate.fingerprint if self.surrogate is not None else None,
            "prose": how,
            "queries": round(queries, 1),
            "refuted": self.refuted,
            "claims": self.claims,
            "style": asdict(self.style),
        }
        if (approximation := approximation_of(self.target)) is not None:
            provenance["approximation"] = approximation
        return Explanation(
            case_id=draft.case.case_id,
            outcome_id=draft.outcome,
            parts=draft.case.parts,
            decision=main.decision if main else "not asked",
            probability=main.probability if main else None,
            score=draft.score,
            rank=draft.rank,
            form=("hybrid" if "hybrid" in answers else "behavior") if answers else "target",
            text=text,
            claims=(*draft.claims, *_new(draft.reasons, draft.claims)),
            titles={**named, **draft.titles},
            evidence=draft.evidence,
            provenance=provenance,
            answers={str(form): answer for form, answer in answers.items()},
            noun=self.target.parts.noun,
            answerer=self.ask,
        )


def _known_cases(cases: KnownCases | None, target: Target) -> Mapping[str, Case]:
    if cases is None:
        return {}
    if isinstance(cases, ArrowTable):
        cases, notes = read_interactions(cases, known_items=target.parts)
        for note in notes:
            warnings.warn(note, InnerviewWarning, stacklevel=3)
    if isinstance(cases, Interactions):
        return cases_of(cases.histories(), target.parts, cases.ratings())
    return cases


def _own_target(folder: Path) -> Target:
    bundle = folder / "target"
    recover_folder(bundle)
    if bundle.exists():
        return load_target(bundle)
    if (folder / "catalogue.parquet").exists():
        raise RunError(
            f"{folder} holds no target, as that is private; give it the one that its surrogate was "
            "aligned with: Explainer.load(name, target=load_target(FOLDER))"
        )
    raise RunError(f"{bundle} is missing; make it with: innerview target train --out {folder}")


def _variant(draft: _Draft) -> int:
    """Which paraphrases a case gets."""
    return int(case_seed(0, draft.case, "render").integers(2**31))


def _new(reasons: Sequence[CheckedClaim], told: Sequence[CheckedClaim]) -> list[CheckedClaim]:
    """Reasons but for those that are told already, as claims of the very same."""
    return [one for one in reasons if one.claim not in [other.claim for other in told]]
