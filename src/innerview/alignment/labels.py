"""Labels: what the target answers, kept as the truth for alignment. Never the log.

The target runs frozen, once, before any language model is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from innerview.targets.protocol import Case, FloatArray, Target, blocked_rows

__all__ = [
    "CaseLabels",
    "LabelSettings",
    "case_seed",
    "label_cases",
    "nearest_outcomes",
    "outcomes_by_decile",
]

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """How labels are drawn from the target's scores (shares after RecExplainer, section 3.1)."""

    top_k: int = 10
    """Outcomes kept as the top list."""
    n_ranked: int = 5
    """Outcomes in a ranking question."""
    interest_top_frac: float = 0.2
    """A liked outcome is drawn from this best share of the ranking…"""
    interest_bottom_frac: float = 0.5
    """…a disliked one from this worst share; the middle is not asked about."""
    n_interest: int = 1
    """Pairs of one liked and one disliked outcome per case."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CaseLabels:
    """The target's answers about one case, by outcome id.

    Attributes:
        case: the case that was asked about.
        top: best outcomes, best first.
        ranked: outcomes drawn at random, in the target's order.
        liked: drawn from the best share.
        disliked: drawn from the worst share, as many.
    """

    case: Case
    top: tuple[str, ...]
    ranked: tuple[str, ...]
    liked: tuple[str, ...]
    disliked: tuple[str, ...]


def case_seed(seed: int, case: Case, salt: str = "") -> np.random.Generator:
    """A generator that depends on the case itself and not on its place in a batch."""
    key = "\x1f".join((str(seed), salt, case.case_id, *case.parts)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()))


def label_cases(
    target: Target,
    cases: Sequence[Case],
    settings: LabelSettings,
    *,
    among: Collection[str] | None = None,
    batch_size: int = 512,
) -> list[CaseLabels]:
    """Ask the target once per case and draw every label from its ranking.

    Args:
        target: whom to ask.
        cases: what about.
        settings: how labels are drawn.
        among: outcomes that may be labels; all where left out. The target ranks all of them in
            any case, so an outcome is liked or disliked by its place among all.
        batch_size: cases sent to the target at once.

    Raises:
        CaseError: a case is empty or holds unknown parts.
    """
    labelled: list[CaseLabels] = []
    admitted = _mask(target, among)
    for start in range(0, len(cases), batch_size):
        batch = cases[start : start + batch_size]
        scores = target.score(batch)
        labelled += [
            _label(target, c, row, settings, admitted) for c, row in zip(batch, scores, strict=True)
        ]
    return labelled


def _label(
    target: Target, case: Case, scores: FloatArray, settings: LabelSettings, admitted: BoolArray
) -> CaseLabels:
    ids = target.outcomes.ids
    order = _ranking(target, case, scores)
    n = len(order)
    rng = case_seed(settings.seed, case)
    n_best = max(1, int(n * settings.interest_top_frac))
    n_worst = max(1, int(n * settings.interest_bottom_frac))
    best, worst, order = (
        own[admitted[own]] for own in (order[:n_best], order[n - n_worst :], order)
    )
    ranked = np.sort(rng.choice(len(order), size=min(settings.n_ranked, len(order)), replace=False))
    # Among a few outcomes there may be none that is liked, or none that is disliked.
    liked, disliked = (
        own[rng.integers(0, len(own), size=settings.n_interest)] if len(own) else own
        for own in (best, worst)
    )
    return CaseLabels(
        case=case,
        top=tuple(ids[i] for i in order[: settings.top_k]),
        ranked=tuple(ids[i] for i in order[ranked]),
        liked=tuple(ids[i] for i in liked),
        disliked=tuple(ids[i] for i in disliked),
    )


def _ranking(target: Target, case: Case, scores: FloatArray) -> IntArray:
    """Rows of all outcomes that may be an answer, best first."""
    row = scores.astype(np.float32, copy=True)
    blocked = blocked_rows(target, case)
    row[blocked] = -np.inf
    return np.argsort(-row, kind="stable")[: len(row) - len(set(blocked))]


def outcomes_by_decile(
    target: Target, cases: Sequence[Case], *, seed: int, batch_size: int = 512
) -> list[dict[int, str]]:
    """For every case one outcome from each tenth of the target's ranking, by the number of the
    tenth: 1 holds the best. Of fewer than ten outcomes some tenths hold none.

    Raises:
        CaseError: a case is empty or holds unknown parts.
    """
    drawn: list[dict[int, str]] = []
    for start in range(0, len(cases), batch_size):
        batch = cases[start : start + batch_size]
        for case, scores in zip(batch, target.score(batch), strict=True):
            order = _ranking(target, case, scores)
            rng = case_seed(seed, case, "decile")
            ends = [len(order) * tenth // 10 for tenth in range(11)]
            drawn.append({
                tenth: target.outcomes.ids[order[rng.integers(ends[tenth - 1], ends[tenth])]]
                for tenth in range(1, 11)
                if ends[tenth - 1] < ends[tenth]
            })  # fmt: skip
    return drawn


def _mask(target: Target, among: Collection[str] | None) -> BoolArray:
    """(O,) bool: the outcomes that are meant."""
    mask = np.full(len(target.outcomes), among is None)
    mask[target.outcomes.rows(list(among or ()))] = True
    return mask


def nearest_outcomes(target: Target, *, among: Collection[str] | None = None) -> list[str]:
    """For every outcome the id of the nearest other one by cosine of the target's vectors,
    among all of them or some.

    The reference takes the raw dot product, which answers with popular items everywhere.
    """
    vectors = target.outcome_vectors.astype(np.float64)
    norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    unit = (vectors / norms).astype(np.float32)
    left_out = ~_mask(target, among)
    nearest: list[str] = []
    for start in range(0, len(unit), 1024):
        block = unit[start : start + 1024] @ unit.T
        block[:, left_out] = -np.inf
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        nearest += [target.outcomes.ids[i] for i in block.argmax(axis=1)]
    return nearest
