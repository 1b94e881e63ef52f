"""Labels: what the target answers, kept as the truth for alignment. Never the log.

The target runs frozen, once, before any language model is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from innerview.targets.protocol import Case, FloatArray, Target, blocked_rows

__all__ = ["CaseLabels", "LabelSettings", "case_seed", "label_cases", "nearest_outcomes"]


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
    target: Target, cases: Sequence[Case], settings: LabelSettings, *, batch_size: int = 512
) -> list[CaseLabels]:
    """Ask the target once per case and draw every label from its ranking.

    Raises:
        CaseError: a case is empty or holds unknown parts.
    """
    labelled: list[CaseLabels] = []
    for start in range(0, len(cases), batch_size):
        batch = cases[start : start + batch_size]
        scores = target.score(batch)
        labelled += [_label(target, c, row, settings) for c, row in zip(batch, scores, strict=True)]
    return labelled


def _label(target: Target, case: Case, scores: FloatArray, settings: LabelSettings) -> CaseLabels:
    ids = target.outcomes.ids
    row = scores.astype(np.float32, copy=True)
    blocked = blocked_rows(target, case)
    row[blocked] = -np.inf
    order = np.argsort(-row, kind="stable")[: len(ids) - len(set(blocked))]
    n = len(order)
    rng = case_seed(settings.seed, case)
    k = min(settings.n_ranked, n)
    ranked = np.sort(rng.choice(n, size=k, replace=False))
    pairs = settings.n_interest
    liked = rng.integers(0, max(1, int(n * settings.interest_top_frac)), size=pairs)
    disliked = rng.integers(n - max(1, int(n * settings.interest_bottom_frac)), n, size=pairs)
    return CaseLabels(
        case=case,
        top=tuple(ids[i] for i in order[: settings.top_k]),
        ranked=tuple(ids[order[p]] for p in ranked),
        liked=tuple(ids[order[p]] for p in liked),
        disliked=tuple(ids[order[p]] for p in disliked),
    )


def nearest_outcomes(target: Target) -> list[str]:
    """For every outcome the id of the nearest other one by cosine of the target's vectors.

    The reference takes the raw dot product, which answers with popular items everywhere.
    """
    vectors = target.outcome_vectors.astype(np.float64)
    norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    unit = (vectors / norms).astype(np.float32)
    nearest: list[str] = []
    for start in range(0, len(unit), 1024):
        block = unit[start : start + 1024] @ unit.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        nearest += [target.outcomes.ids[i] for i in block.argmax(axis=1)]
    return nearest
