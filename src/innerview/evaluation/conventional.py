"""Conventional local surrogates: what one would fit to a target if no language model stood in.

Parts of a case are dropped at random, the target scores what is left, and a model of which parts
are left learns the outcome's score. Its parts' weights are the explanation. With a sparse linear
model, to which nearer subsets count for more, that is LIME (Ribeiro et al., KDD 2016) as LIME-RS
brought it to recommenders (Nóbrega and Marinho, SAC 2019); with trees, what each part adds on
average over the subsets (partial dependence, Friedman 2001).

Needs the extra ``evaluation``.

Axes: n distinct parts of a case, M masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from innerview.alignment.labels import case_seed
from innerview.evaluation.orders import Order, best_first
from innerview.explanation._ask import BATCH_SIZE, Question, ask
from innerview.targets.protocol import Case, Target

__all__ = ["Masked", "by_boosted_trees", "by_lime", "masked_scores", "nearness"]

_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]

_KERNEL_WIDTH = 0.25
"""Of the nearness of a subset to the whole, by the angle between them; LIME's own for texts."""
_PENALTY = 0.01
"""L1 penalty on weights of scores in standard deviations."""
_TREES, _DEPTH, _RATE = 50, 3, 0.2


@dataclass(frozen=True, slots=True)
class Masked:
    """One case's outcome, scored with only some of the parts.

    Attributes:
        parts: (n,) distinct.
        masks: (M, n) which of them were left; the first mask leaves all.
        scores: (M,) in the target's units.
    """

    parts: tuple[str, ...]
    masks: _Flags
    scores: _Floats


def masked_scores(
    pairs: Sequence[tuple[Case, str]],
    target: Target,
    *,
    budget: int = 200,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
) -> list[Masked]:
    """Score random subsets of each case's parts: how many are dropped is drawn first, from one to
    all but one, then which.

    Args:
        pairs: cases of two parts or more, as the target sees them, with an outcome each.
        target: whom to ask.
        budget: M, subsets of each case; one that is drawn twice is scored once.
        seed: of the subsets.
        batch_size: most cases sent to the target at once.

    Raises:
        CaseError, TargetQueryError: as in ``ask``.
    """
    drawn = [_masks(case, budget, seed) for case, _ in pairs]
    questions = [
        Question(case, case.keep([p for p, left in zip(parts, mask, strict=True) if left]), outcome)
        for (case, outcome), (parts, masks) in zip(pairs, drawn, strict=True)
        for mask in masks
    ]
    answers = iter(ask(target, questions, batch_size=batch_size))
    return [
        Masked(parts, masks, np.array([next(answers).score for _ in masks]))
        for parts, masks in drawn
    ]


def _masks(case: Case, budget: int, seed: int) -> tuple[tuple[str, ...], _Flags]:
    """The distinct parts of a case, and (M, n) which of them each subset has."""
    parts = tuple(dict.fromkeys(case.parts))
    rng = case_seed(seed, case, "masks")
    masks = np.ones((budget, len(parts)), dtype=bool)
    for mask in masks[1:]:
        n_gone = rng.integers(1, len(parts))
        mask[rng.choice(len(parts), n_gone, replace=False)] = False
    return parts, masks


def by_lime(case: Case, masked: Masked, *, seed: int = 0) -> Order:
    """By the weights of a sparse linear model, nearer subsets counting for more."""
    from sklearn.linear_model import Lasso

    spread = masked.scores.std()
    if not spread:
        return best_first(case, dict.fromkeys(masked.parts, 0.0), seed=seed)
    model = Lasso(alpha=_PENALTY, max_iter=5000)
    model.fit(
        masked.masks.astype(float), masked.scores / spread, sample_weight=nearness(masked.masks)
    )
    weights = dict(zip(masked.parts, model.coef_.tolist(), strict=True))
    return best_first(case, weights, seed=seed)


def nearness(masks: _Flags) -> _Floats:
    """(M,) how much each subset counts, as LIME has it: less, the more is gone.

    Args:
        masks: (M, n) which parts are left.
    """
    distance = 1 - np.sqrt(masks.mean(axis=1))
    near: _Floats = np.exp(-((distance / _KERNEL_WIDTH) ** 2))
    return near


def by_boosted_trees(case: Case, masked: Masked, *, seed: int = 0) -> Order:
    """By what each part adds to the prediction of gradient-boosted trees, on average over the
    subsets."""
    from sklearn import config_context
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=_TREES, max_depth=_DEPTH, learning_rate=_RATE, random_state=seed
    )
    # What is checked anew for each tree would take a third of the time.
    with config_context(skip_parameter_validation=True, assume_finite=True):
        model.fit(masked.masks.astype(np.float32), masked.scores)
    n = len(masked.parts)
    both = np.repeat(masked.masks[None], 2 * n, axis=0).astype(np.float32)  # (2n, M, n)
    for at in range(n):
        both[2 * at, :, at], both[2 * at + 1, :, at] = 1, 0
    told = model.predict(both.reshape(-1, n)).reshape(n, 2, -1).mean(axis=2)
    adds = (told[:, 0] - told[:, 1]).tolist()
    return best_first(case, dict(zip(masked.parts, adds, strict=True)), seed=seed)
