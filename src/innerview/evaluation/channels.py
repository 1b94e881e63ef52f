"""Which channel a surrogate listens to: what it says when words and vectors disagree.

In the hybrid form a prompt names a case twice, by the titles of its parts and by vectors. So one
of the two is exchanged for another case's, and it is measured how far the surrogate's judgements
move to what the target puts first for that other case. A channel that is not read moves nothing.

Axes: L parts of a pair's cases, d width of the target's vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from innerview.alignment.labels import case_seed
from innerview.alignment.records import Record
from innerview.alignment.tasks import Asker, Context
from innerview.evaluation.answers import AnswerValue
from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.metrics import log_odds
from innerview.targets.protocol import Case, FloatArray, Target, top_outcomes

__all__ = ["CHANGES", "Answerer", "Replacing", "channel_shifts"]

CHANGES: tuple[str, ...] = (
    "vectors_swapped", "text_swapped", "both_swapped", "vectors_zero", "vectors_random",
)  # fmt: skip
"""What is done to a prompt; ``both_swapped``, another case altogether, is the ceiling."""

_TOP = 5

Answerer = Callable[[Sequence[Record]], Sequence[AnswerValue]]
"""Gives probabilities of yes to interest records."""


class Replacing(Protocol):
    """Puts other vectors into prompts for a while; see ``surrogate.vectors.VectorTable``."""

    def __call__(
        self, *, cases: Mapping[tuple[str, ...], FloatArray], parts: Mapping[str, FloatArray]
    ) -> AbstractContextManager[None]:
        """By the parts of a case, and by the id of a part."""
        ...


@dataclass(frozen=True, slots=True)
class _Vectors:
    """What the slots of a prompt hold: (d,) of the case, (L, d) of its parts."""

    case: FloatArray
    parts: FloatArray

    @classmethod
    def of(cls, target: Target, case: Case) -> _Vectors:
        """A case's own."""
        rows = target.parts.rows(case.parts)
        return cls(target.case_vectors([case])[0], target.part_vectors[rows])

    def zero(self) -> _Vectors:
        """As many that say nothing."""
        return _Vectors(np.zeros_like(self.case), np.zeros_like(self.parts))

    def random(self, rng: np.random.Generator) -> _Vectors:
        """As many of the same lengths, in random directions."""
        return _Vectors(_turned(self.case, rng), _turned(self.parts, rng))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two cases with as many parts, and what the target puts first for one of them only."""

    own: Case
    other: Case
    own_top: tuple[str, ...]
    other_top: tuple[str, ...]


def channel_shifts(
    answer: Answerer,
    replaced: Replacing,
    target: Target,
    cases: Sequence[Case],
    *,
    n: int = 100,
    seed: int = 0,
    on_pair: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Figure]]:
    """How far judgements move to another case when words, vectors or both become that case's.

    *Preference* is the mean log-odds of yes over what the target has in its top 5 for the other
    case only, less that over what it has there for the case itself only. *Shift* is preference
    after a change less preference before it. Both in nats. Vectors that say nothing take away
    what spoke for the case, so they shift up to half as far as a swap does; what tells them from
    a swap is the preference that is left.

    Args:
        answer: the surrogate's.
        replaced: the surrogate's vector table's.
        target: asked for the top lists, twice per pair.
        cases: held-out; pairs are drawn among them. Of each pair both cases keep only as many
            parts, the last ones, as the shorter has, each part once.
        n: most pairs.
        seed: of pairs, random vectors and intervals.
        on_pair: told how many pairs are done, of how many.

    Returns:
        Under ``unchanged`` the preference, under each of ``CHANGES`` preference and shift, with
        intervals over cases. Empty where the target has no vectors, cannot score a shortened
        case, or has the same outcomes on top for all.
    """
    if not (target.capabilities.vectors and target.capabilities.rescoring):
        return {}
    asker = Asker(target.outcomes, target.parts, heldout=True)
    pairs = _pairs(target, cases, n=n, seed=seed)
    found: dict[str, list[float]] = {name: [] for name in ("unchanged", *CHANGES)}
    for done, pair in enumerate(pairs):
        if on_pair is not None:
            on_pair(done, len(pairs))
        for name, (words, vectors) in _prompts(target, pair, seed).items():
            records = _questions(asker, pair, words, seed)
            with replaced(
                cases={words.parts: vectors.case},
                parts=dict(zip(words.parts, vectors.parts, strict=True)),
            ):
                odds = [log_odds(_probability(value)) for value in answer(records)]
            k = len(pair.other_top)
            found[name].append(float(np.mean(odds[:k]) - np.mean(odds[k:])))
    if not pairs:
        return {}
    ids = [pair.own.case_id for pair in pairs]
    figures = {
        name: {"preference": bootstrap_mean(own, ids, seed=seed)} for name, own in found.items()
    }
    for name in CHANGES:
        shifts = np.subtract(found[name], found["unchanged"])
        figures[name]["shift"] = bootstrap_mean(shifts.tolist(), ids, seed=seed)
    return figures


def _pairs(target: Target, cases: Sequence[Case], *, n: int, seed: int) -> list[_Pair]:
    """Each of some cases with the next one, in random order and in a ring."""
    longest = target.capabilities.max_parts
    # A part that occurs twice could not get two vectors; its last place counts.
    distinct = [Case(c.case_id, tuple(dict.fromkeys(c.parts[::-1]))[:longest][::-1]) for c in cases]
    usable = [case for case in distinct if len(case.parts) > 1]
    drawn = [usable[at] for at in np.random.default_rng(seed).permutation(len(usable))[:n]]
    if len(drawn) < 2:
        return []
    couples = [_level(*couple) for couple in zip(drawn, [*drawn[1:], drawn[0]], strict=True)]
    scores = target.score([case for couple in couples for case in couple])
    pairs: list[_Pair] = []
    for at, (own, other) in enumerate(couples):
        # What is a part of either cannot be recommended to both, so it is no fair question.
        both = Case("", own.parts + other.parts)
        tops = [top_outcomes(target, both, row, _TOP) for row in scores[2 * at : 2 * at + 2]]
        first, second = (tuple(o for o in one if o not in rest) for one, rest in (tops, tops[::-1]))
        if first and second:
            pairs.append(_Pair(own, other, first, second))
    return pairs


def _level(one: Case, other: Case) -> tuple[Case, Case]:
    """Both with as many of their last parts as the shorter one has."""
    n = min(len(one.parts), len(other.parts))
    return Case(one.case_id, one.parts[-n:]), Case(other.case_id, other.parts[-n:])


def _prompts(target: Target, pair: _Pair, seed: int) -> dict[str, tuple[Case, _Vectors]]:
    """By what was changed: whose titles a prompt has, and what is in its slots."""
    own, other = _Vectors.of(target, pair.own), _Vectors.of(target, pair.other)
    return {
        "unchanged": (pair.own, own),
        "vectors_swapped": (pair.own, other),
        "text_swapped": (pair.other, own),
        "both_swapped": (pair.other, other),
        "vectors_zero": (pair.own, own.zero()),
        "vectors_random": (pair.own, own.random(case_seed(seed, pair.own, "random vectors"))),
    }


def _questions(asker: Asker, pair: _Pair, words: Case, seed: int) -> list[Record]:
    """Interest in the other's outcomes, then in its own, worded alike whatever was changed."""
    judged = [(o, False) for o in pair.other_top] + [(o, True) for o in pair.own_top]
    context = Context(pair.own.case_id, words.parts, len(words.parts))
    return asker.interest(context, "hybrid", judged, case_seed(seed, pair.own, "channels"))


def _turned(vectors: FloatArray, rng: np.random.Generator) -> FloatArray:
    drawn = rng.standard_normal(vectors.shape)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    turned: FloatArray = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True) * lengths
    return turned.astype(np.float32)


def _probability(value: AnswerValue) -> float:
    assert isinstance(value, float)
    return value
