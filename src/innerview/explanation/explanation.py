"""An explanation: the outcome, what is claimed about it, how the claims fared, and how to show it.

A pure value. Knows no target and nothing of who wrote the claims or the prose.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from innerview.data.domain import RECOMMENDER
from innerview.errors import CaseError
from innerview.explanation.claims import CheckedClaim, Verdict
from innerview.explanation.evidence import Evidence
from innerview.explanation.render import receipt

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from innerview.explanation.followup import Reply
    from innerview.explanation.shapley import Shapley

__all__ = ["Explanation", "Explanations", "FormAnswer"]


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """What a surrogate answered about the case when asked in one form.

    Attributes:
        decision: its answer in words, e.g. ``yes``.
        probability: how sure it is of the outcome, 0 to 1; None where it was not asked.
        top: ids of the outcomes it expects, best first.
        reason_part: the part it names as the strongest reason, if any.
        reason_verdict: how that reason fared on the target.
    """

    decision: str
    probability: float | None = None
    top: tuple[str, ...] = ()
    reason_part: str | None = None
    reason_verdict: Verdict | None = None

    def to_dict(self) -> dict[str, Any]:
        """The wire form: one flat JSON object."""
        return {
            "decision": self.decision,
            "probability": self.probability,
            "top": list(self.top),
            "reason_part": self.reason_part,
            "reason_verdict": self.reason_verdict,
        }

    @classmethod
    def from_dict(cls, wire: Mapping[str, Any]) -> FormAnswer:
        """The inverse of ``to_dict``."""
        return cls(**{**wire, "top": tuple(wire.get("top", ()))})


@dataclass(frozen=True)
class Explanation:
    """Why a target gave an outcome for a case.

    ``explanation[0]`` is the first claim, ``explanation[:2]`` the explanation with the first two
    only, ``len`` and iteration go over the claims; ``print`` shows a receipt.

    Attributes:
        decision: the answer about the outcome in words, e.g. ``yes``.
        probability: how sure the surrogate is of it, 0 to 1; None where none was asked.
        score, rank: the target's, for the whole case; rank 1 is best.
        form: how the case reached the surrogate (``behavior``, ``intention``, ``hybrid``), or
            ``target`` where none took part.
        text: the prose.
        evidence: what was measured; None where nothing was.
        provenance: fingerprints, versions, settings.
        titles: of the outcome, the parts, and every outcome in ``answers``.
        noun: what one part is called.
        answers: the surrogate's answers by form.
        answerer: who answers further questions; None where it was read from a file.
    """

    case_id: str
    outcome_id: str
    parts: tuple[str, ...]
    decision: str
    score: float
    rank: int
    form: str
    text: str
    claims: tuple[CheckedClaim, ...]
    titles: Mapping[str, str]
    probability: float | None = None
    evidence: Evidence | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, FormAnswer] = field(default_factory=dict)
    noun: str = RECOMMENDER.outcome
    answerer: Callable[[Explanation, str], Reply] | None = field(
        default=None, repr=False, compare=False
    )

    def ask(self, question: str) -> Reply:
        """Answer a follow-up question: "what if I had not …?", "why not …?", "compare with …".

        What fits these forms is asked of the target and replayed; anything else the surrogate
        answers, unchecked.

        Raises:
            CaseError: the explanation was read from a file and knows no target.
        """
        if self.answerer is None:
            raise CaseError(
                f"the explanation of case {self.case_id!r} was read from a file and knows no "
                "target; use Explainer.ask(explanation, question)"
            )
        return self.answerer(self, question)

    def title(self, any_id: str) -> str:
        """The title of a part or outcome; its id where none is known."""
        return self.titles.get(any_id, any_id)

    def __len__(self) -> int:
        return len(self.claims)

    def __iter__(self) -> Iterator[CheckedClaim]:
        return iter(self.claims)

    @overload
    def __getitem__(self, at: int) -> CheckedClaim: ...
    @overload
    def __getitem__(self, at: slice) -> Explanation: ...
    def __getitem__(self, at: int | slice) -> CheckedClaim | Explanation:
        if isinstance(at, slice):
            return replace(self, claims=self.claims[at])
        return self.claims[at]

    def __str__(self) -> str:
        """The prose, and below it each claim with its verdict and what was measured."""
        named = {one: self.title(one) for c in self.claims for one in c.claim.named}
        receipts = (receipt(checked, named, noun=self.noun) for checked in self.claims)
        return "\n".join([self.text, *receipts])

    def to_dict(self) -> dict[str, Any]:
        """The wire form: one JSON object."""
        return {
            "case_id": self.case_id,
            "outcome_id": self.outcome_id,
            "decision": self.decision,
            "probability": self.probability,
            "score": self.score,
            "rank": self.rank,
            "form": self.form,
            "text": self.text,
            "claims": [checked.to_dict() for checked in self.claims],
            "parts": list(self.parts),
            "titles": dict(self.titles),
            "noun": self.noun,
            "evidence": None if self.evidence is None else self.evidence.to_dict(),
            "answers": {form: answer.to_dict() for form, answer in self.answers.items()},
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, wire: Mapping[str, Any]) -> Explanation:
        """The inverse of ``to_dict``, also after a journey through JSON."""
        evidence = wire.get("evidence")
        answers = wire.get("answers", {})
        return cls(
            **{
                **wire,
                "parts": tuple(wire["parts"]),
                "claims": tuple(CheckedClaim.from_dict(claim) for claim in wire["claims"]),
                "evidence": None if evidence is None else Evidence.from_dict(evidence),
                "answers": {form: FormAnswer.from_dict(a) for form, a in answers.items()},
            }
        )

    def to_html(self, path: Path | str | None = None) -> str:
        """One self-contained page, which is also written to ``path`` if given."""
        return Explanations([self]).to_html(path)

    def plot(
        self, ax: Axes | None = None, *, kind: Literal["effects", "ranks"] = "effects"
    ) -> Axes:
        """Bars of what each part carries, or a ladder of ranks without each; see
        ``plots.plot_effects`` and ``plots.plot_ranks``.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from innerview.explanation.plots import plot_effects, plot_ranks

        return (plot_effects if kind == "effects" else plot_ranks)(self, ax)

    def to_shap(self, shapley: Shapley | None = None) -> Any:
        """A ``shap.Explanation``, so that SHAP's plots work; see ``plots.shap_explanation``.

        Args:
            shapley: values to show instead of leave-one-out effects.

        Raises:
            MissingExtraError: shap is not installed.
        """
        from innerview.explanation.plots import shap_explanation

        return shap_explanation(self, shapley)


class Explanations(Sequence[Explanation]):
    """Several explanations, in order; slices are ``Explanations`` again."""

    def __init__(self, explanations: Sequence[Explanation]) -> None:
        self._all = tuple(explanations)

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, at: int) -> Explanation: ...
    @overload
    def __getitem__(self, at: slice) -> Explanations: ...
    def __getitem__(self, at: int | slice) -> Explanation | Explanations:
        return Explanations(self._all[at]) if isinstance(at, slice) else self._all[at]

    def __repr__(self) -> str:
        return f"Explanations({len(self)})"

    def __str__(self) -> str:
        return "\n\n".join(str(one) for one in self)

    def to_html(self, path: Path | str | None = None) -> str:
        """One self-contained page with a card for each, also written to ``path`` if given."""
        from innerview.explanation.page import render_page

        page = render_page(self)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def to_frame(self) -> pl.DataFrame:
        """A table with one row per claim, which any library takes that reads Arrow; see
        ``frame.claims_frame``."""
        from innerview.explanation.frame import claims_frame

        return claims_frame(self)

    def to_shap(self, shapley: Sequence[Shapley] | None = None) -> Any:
        """One ``shap.Explanation`` of all, a row each; see ``plots.shap_explanations``.

        Args:
            shapley: values to show instead of leave-one-out effects, one of each.

        Raises:
            CaseError: there are none, or of one nothing was measured.
            MissingExtraError: shap is not installed.
        """
        from innerview.explanation.plots import shap_explanations

        return shap_explanations(self, shapley)

    def to_jsonl(self, path: Path | str) -> None:
        """One line of JSON for each."""
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            for one in self:
                file.write(json.dumps(one.to_dict(), ensure_ascii=False) + "\n")

    @classmethod
    def from_jsonl(cls, path: Path | str) -> Explanations:
        """The inverse of ``to_jsonl``."""
        # Split on line feeds only: titles may hold U+2028, which splitlines takes for a break.
        lines = Path(path).read_text(encoding="utf-8").split("\n")
        return cls([Explanation.from_dict(json.loads(line)) for line in lines if line.strip()])
