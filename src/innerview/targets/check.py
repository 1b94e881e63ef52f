"""Is this target fit to be explained? Replays recorded answers and looks for what would mislead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from innerview.errors import BundleError, InnerviewError, TargetQueryError
from innerview.targets.bundle import BundleTarget
from innerview.targets.contract import RULES, TOLERANCE, difference
from innerview.targets.folder import RecordedTarget, load_target
from innerview.targets.manifest import CheckCase
from innerview.targets.metrics import constant_surrogate
from innerview.targets.protocol import Case, FloatArray, Target, top_outcomes
from innerview.targets.replay import REPLAY_TOLERANCE, cause_of_difference, replay_difference

__all__ = ["CONSTANT_LIMIT", "CheckReport", "Finding", "check_bundle", "check_target"]

CONSTANT_LIMIT = 0.3
"""HR@5 of the constant surrogate above which a target is not worth explaining."""
FEW_OUTCOMES = 10
"""Up to so many, as of a classifier, five favourites say nothing."""
MIN_CONSTANT_CASES = 50
"""Fewer say nothing of how often an outcome comes first."""
T = TypeVar("T")
N_REPEATED, N_ALONE = 64, 8
_MEASURED = frozenset({
    "same_case_scores_the_same",
    "batching_changes_nothing",
    "order_of_parts_matters_only_where_declared",
})  # fmt: skip
"""Rules of the contract that are looked at more closely here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (``error``) or deserves a look (``warning``), in one line."""

    level: Literal["error", "warning"]
    text: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What ``check_target`` found.

    Attributes:
        findings: errors and warnings, in the order of the checks.
        distinct_first: number of different first outcomes, or None where nothing was scored.
        constant_hr5: share of cases whose first outcome is among the 5 most frequent ones.
        n_cases: cases behind these two.
        max_score_difference: largest relative difference from the recorded scores, or None
            where there is no record.
        nondeterminism: largest relative difference between two answers to the same case,
            asked again, or alone instead of in a batch.
        queries_used: cases scored by the check.
    """

    findings: tuple[Finding, ...]
    distinct_first: int | None = None
    constant_hr5: float | None = None
    n_cases: int = 0
    max_score_difference: float | None = None
    nondeterminism: float | None = None
    queries_used: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may stand."""
        return not any(finding.level == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.ok, **asdict(self)}


def check_bundle(path: Path | str, cases: Sequence[Case] | None = None) -> CheckReport:
    """Check a target's folder; one that cannot be loaded is a finding, not an exception."""
    try:
        target = load_target(path, replay=False)
    except (BundleError, TargetQueryError) as error:
        return CheckReport((Finding("error", str(error)),))
    return check_target(target, cases)


def check_target(target: Target, cases: Sequence[Case] | None = None) -> CheckReport:
    """Check a target on its recorded cases, or on given ones, or both.

    Args:
        target: a bundle, or any other target; queries are counted as always.
        cases: what to ask besides the record; a few hundred make ``constant_hr5`` meaningful.
            Without them a bundle's own training report stands in.
    """
    return _Check(target).run(cases)


class _Check:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.found: list[Finding] = []
        kept = target if isinstance(target, BundleTarget | RecordedTarget) else None
        self.manifest = kept.manifest if kept else None
        self.stored = kept.check_scores if kept else None

    def run(self, cases: Sequence[Case] | None) -> CheckReport:
        before = self.target.queries.used
        recorded = self.manifest.check_cases if self.manifest else ()
        asked = list(cases or [Case(c.case_id, c.parts) for c in recorded])
        difference = self._guard(lambda: self._replay(recorded))
        self._guard(self._vectors)
        scores = self._guard(lambda: self.target.score(asked)) if asked else None
        unstable = None
        distinct, constant, n_cases = self._recorded_constant()
        if scores is not None and self._fits(scores, len(asked)):
            unstable = self._guard(lambda: self._determinism(asked, scores))
            self._guard(lambda: self._order(asked, scores))
            self._contract(asked[:N_ALONE])
            if cases or constant is None:
                table = constant_surrogate(self._first(asked, scores))
                distinct, constant, n_cases = table.distinct_first, table.hr5, len(asked)
        elif not asked:
            self._warn("no case to ask: the bundle has no record; pass cases")
        self._judge_constant(distinct, constant, n_cases)
        return CheckReport(
            findings=tuple(self.found),
            distinct_first=distinct,
            constant_hr5=constant,
            n_cases=n_cases,
            max_score_difference=difference,
            nondeterminism=unstable,
            queries_used=self.target.queries.used - before,
        )

    def _error(self, text: str) -> None:
        self.found.append(Finding("error", " ".join(text.split())))

    def _warn(self, text: str) -> None:
        self.found.append(Finding("warning", text))

    def _guard(self, step: Callable[[], T]) -> T | None:
        """Run a step; whatever the target throws becomes a finding."""
        try:
            return step()
        except InnerviewError as error:
            self._error(str(error))
        except Exception as error:  # a live target may raise anything
            self._error(f"the target raised {type(error).__name__}: {error}")
        return None

    def _fits(self, scores: FloatArray, n: int) -> bool:
        wanted = (n, len(self.target.outcomes))
        if scores.shape != wanted:
            self._error(f"scores are {scores.shape}; expected {wanted}, one column per outcome")
        elif not np.isfinite(scores).all():
            self._error("scores hold NaN or infinity")
        else:
            return True
        return False

    def _replay(self, recorded: Sequence[CheckCase]) -> float | None:
        if self.stored is None or not self.target.capabilities.deterministic:
            return None
        difference = replay_difference(self.target, recorded, self.stored)
        worst = float(difference.max())
        if worst > REPLAY_TOLERANCE:
            share = float((difference.max(axis=1) > REPLAY_TOLERANCE).mean())
            self._error(
                f"recorded scores are missed by up to {worst:.3g} in {share:.0%} of "
                f"{len(recorded)} cases; {cause_of_difference(self.target, recorded, self.stored)}"
            )
        return worst

    def _vectors(self) -> None:
        if not self.target.capabilities.vectors:
            return
        for name, catalogue, vectors in (
            ("part", self.target.parts, self.target.part_vectors),
            ("outcome", self.target.outcomes, self.target.outcome_vectors),
        ):
            if vectors.ndim != 2 or len(vectors) != len(catalogue):
                self._error(f"{name} vectors are {vectors.shape} for {len(catalogue)} ids")
            elif not np.isfinite(vectors).all():
                self._error(f"{name} vectors hold NaN or infinity")

    def _determinism(self, cases: Sequence[Case], scores: FloatArray) -> float:
        again = self.target.score(cases[:N_REPEATED])
        repeated = difference(again, scores[:N_REPEATED])
        alone = np.concatenate([self.target.score([case]) for case in cases[:N_ALONE]])
        batched = difference(alone, scores[:N_ALONE])
        declared = self.target.capabilities.deterministic
        if repeated > TOLERANCE:
            text = f"the same case scored twice differs by {repeated:.3g}"
            if declared:
                self._error(f"{text}, though the target says it is deterministic; dropout left on?")
            else:
                self._warn(f"{text}; its claims will be untestable")
        elif batched > TOLERANCE:
            self._error(f"a case alone and in a batch differ by {batched:.3g}; padding leaks")
        return max(repeated, batched)

    def _order(self, cases: Sequence[Case], scores: FloatArray) -> None:
        """Reversed parts must matter exactly where the target says that order matters."""
        able = self.target.capabilities
        picked = [
            (case, row)
            for case, row in zip(cases, scores, strict=True)
            if 1 < len(case.parts) <= able.max_parts and able.deterministic
        ][:N_ALONE]
        if not picked:
            return
        turned = self.target.score([Case(c.case_id, c.parts[::-1]) for c, _ in picked])
        moved = difference(turned, np.stack([row for _, row in picked]))
        if moved > TOLERANCE and not able.order_sensitive:
            self._error(f"reversed parts move scores by {moved:.3g}, yet order_sensitive is off")
        if moved <= TOLERANCE and able.order_sensitive:
            self._warn("reversed parts move no score, yet order_sensitive is on")

    def _contract(self, cases: Sequence[Case]) -> None:
        """The rest of what every target must keep."""
        for name, rule in RULES.items():
            broken = None if name in _MEASURED else self._guard(partial(rule, self.target, cases))
            if broken is not None:
                self._error(f"{broken} (rule {name})")

    def _first(self, cases: Sequence[Case], scores: FloatArray) -> list[str]:
        tops = (top_outcomes(self.target, c, r, 1) for c, r in zip(cases, scores, strict=True))
        return [top[0] for top in tops if top]

    def _recorded_constant(self) -> tuple[int | None, float | None, int]:
        report = self.manifest.training if self.manifest else {}
        distinct, constant, n = (
            report.get("distinct_first"),
            report.get("constant_hr5"),
            report.get("n_test"),
        )
        if isinstance(distinct, int) and isinstance(constant, float) and isinstance(n, int):
            return distinct, constant, n
        return None, None, 0

    def _judge_constant(self, distinct: int | None, constant: float | None, n: int) -> None:
        if len(self.target.outcomes) <= FEW_OUTCOMES:
            return  # any five of them cover most
        if constant is not None and constant > CONSTANT_LIMIT and n >= MIN_CONSTANT_CASES:
            self._warn(
                f"its 5 most frequent first outcomes cover {constant:.0%} of {n} cases "
                f"({distinct} different ones), above {CONSTANT_LIMIT:.0%}: a table imitates it; "
                "train it longer, or use another target"
            )
