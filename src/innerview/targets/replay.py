"""The record of what the living model answered, asked again, and why it may differ.

Axes: C recorded cases, K recorded outcomes of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from innerview.data.tables import Catalogue
from innerview.targets.manifest import CheckCase
from innerview.targets.protocol import Case, FloatArray, Target

__all__ = ["REPLAY_TOLERANCE", "cause_of_difference", "replay_difference"]

REPLAY_TOLERANCE = 1e-3
"""Relative to the largest recorded score; libraries solve in float32, a wrong row is far off."""
MAX_SHIFT = 3


def replay_difference(target: Target, cases: Sequence[CheckCase], stored: FloatArray) -> FloatArray:
    """How far today's scores are from the recorded ones, relative to the largest of those.

    Args:
        target: whose scores are asked; counted as queries.
        cases: C recorded cases.
        stored: (C, K) float32 recorded scores of each case's ``top``.

    Returns:
        (C, K) float32.
    """
    scores = target.score([Case(case.case_id, case.parts) for case in cases])
    columns = np.array([target.outcomes.rows(case.top) for case in cases])
    now = np.take_along_axis(scores, columns, axis=1)
    scale = max(1e-12, float(np.abs(stored).max()))
    return np.asarray(np.abs(now - stored) / scale, dtype=np.float32)


def cause_of_difference(target: Target, cases: Sequence[CheckCase], stored: FloatArray) -> str:
    """Why the record is missed, in words: ids moved by a few rows, permuted, or something else.

    Each move of the ids that could have happened is tried; the one that brings the recorded
    scores back is the cause.
    """
    for shift in (s for k in range(1, MAX_SHIFT + 1) for s in (k, -k)):
        for what, parts, outcomes in (
            ("ids", shift, shift),
            ("outcome ids", 0, shift),
            ("part ids", shift, 0),
        ):
            if parts and not target.capabilities.rescoring:
                continue  # of other parts there is no score
            moved = [_moved_case(target, case, parts, outcomes) for case in cases]
            back = replay_difference(target, moved, stored) <= REPLAY_TOLERANCE
            # Not all: an id moved past the end of the catalogue spoils its own case.
            if back.mean() > 0.8:
                return f"{what} look shifted by {abs(shift)}"
    if target.parts is not target.outcomes:
        scores = target.score([Case(case.case_id, case.parts) for case in cases])
        now = np.sort(scores, axis=1)[:, -stored.shape[1] :]
        scale = max(1e-12, float(np.abs(stored).max()))
        if np.abs(now - np.sort(stored, axis=1)).max() / scale <= REPLAY_TOLERANCE:
            return "the same scores stand at other outcomes: outcome ids look permuted"
    return "ids look permuted, or the vectors or the case encoder are of another model"


def _moved_case(target: Target, case: CheckCase, parts: int, outcomes: int) -> CheckCase:
    return CheckCase(
        case_id=case.case_id,
        parts=_moved(target.parts, case.parts, parts),
        top=_moved(target.outcomes, case.top, outcomes),
    )


def _moved(catalogue: Catalogue, ids: Iterable[str], shift: int) -> tuple[str, ...]:
    """Ids moved round the catalogue by some rows."""
    rows = catalogue.rows(ids)
    return tuple(catalogue.ids[(row + shift) % len(catalogue)] for row in rows)
