"""Solved examples for a language model that was not aligned: what it makes of being shown how.

RecExplainer's rival by in-context learning, with two examples (paper, table 1). What it answers
is decoded and judged as the unaligned model's answers are, so examples are all that differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from innerview.alignment.records import Record, Task

__all__ = ["IN_CONTEXT_TASKS", "solved_examples"]

IN_CONTEXT_TASKS: frozenset[Task] = frozenset({"retrieval", "ranking", "interest", "attribution"})
"""What the examples help with: all of it comes down to naming and to yes or no."""

_MAX_PARTS = 5
"""Parts of an example's case, so that two of them leave room for the question."""


def solved_examples(train: Sequence[Record], *, seed: int = 0) -> dict[Task, list[Record]]:
    """Two training questions with their answers for each kind of question that is put.

    For naming, two of retrieval; for judging, which rankings, reasons and named outcomes come
    down to, one yes and one no, in random order. The two are about different cases.

    Args:
        train: training records; those in words alone are drawn from.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    told = [r for r in train if r.form == "behavior"]
    named = [r for r in told if r.task == "retrieval"]
    judged = [r for r in told if r.task == "interest"]
    pools: dict[Task, list[list[Record]]] = {
        "retrieval": [named, named],
        "interest": [[r for r in judged if bool(r.label["liked"]) == yes] for yes in (True, False)],
    }
    drawn = {task: _of_different_cases(own, rng) for task, own in pools.items()}
    return {task: own for task, own in drawn.items() if own}


def _of_different_cases(pools: Sequence[list[Record]], rng: np.random.Generator) -> list[Record]:
    """One record of each pool, no two about one case, in random order."""
    drawn: list[Record] = []
    for pool in pools:
        fresh = [r for r in pool if all(r.case_id != one.case_id for one in drawn)]
        # What is cut short may have another answer than the target's, so short cases come first.
        short = [r for r in fresh if r.visible <= _MAX_PARTS] or fresh
        if short:
            drawn.append(_cut(short[int(rng.integers(len(short)))]))
    return [drawn[at] for at in rng.permutation(len(drawn))]


def _cut(record: Record) -> Record:
    """The record about no more than the last parts that it may look back at."""
    parts = record.parts[: record.visible][-_MAX_PARTS:]
    return replace(record, parts=parts, visible=len(parts))
