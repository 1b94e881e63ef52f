"""Replay claims on the target and judge them, whoever made them.

Knows the target protocol and nothing of evidence or of where a claim came from. A claim that
cannot be asked is ``untestable`` with a reason, never an error.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from innerview.errors import CaseError, TargetQueryError
from innerview.explanation._ask import BATCH_SIZE, Answer, Question, ask
from innerview.explanation._replay import Replay, by_vectors, plan
from innerview.explanation.claims import CheckedClaim, Claim
from innerview.targets.protocol import Case, Target, blocked_rows

__all__ = ["Patience", "verify", "verify_many"]

# Claims whose questions are held in memory, and asked again one by one if their batch fails.
_CLAIMS_AT_ONCE = 1024

# The same for a target that may be slow, so that its time is watched.
_CLAIMS_AT_A_TIME = 8

# Batches of another size may move float32 scores a little; dropout and sampling move them a lot.
_SAME_SCORE = 1e-3
_SAME_RANK = 0.01


@dataclass(frozen=True, slots=True)
class Patience:
    """What one verification may cost; what it does not pay for is untestable, never verified.

    Attributes:
        retries: how often a question that the target failed to answer is asked again, alone.
        queries: most cases to score; a claim is left alone if its replay does not fit in.
        seconds: after which no further claims are replayed; looked at every few claims.

    Raises:
        CaseError: one of them is negative or not finite, or retries and queries are not whole.
    """

    retries: int = 1
    queries: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, whole in (("retries", True), ("queries", True), ("seconds", False)):
            value = getattr(self, name)
            if value is None and name != "retries":
                continue
            known = isinstance(value, int) if whole else isinstance(value, int | float)
            if not known or not 0 <= value < math.inf:
                raise CaseError(
                    f"patience has {name} {value}; expected a {'whole ' if whole else ''}number "
                    "from 0 up"
                )


_PATIENCE = Patience()


def verify(
    claim: Claim, case: Case, target: Target, *, patience: Patience = _PATIENCE
) -> CheckedClaim:
    """Replay one claim; see ``verify_many``."""
    return verify_many([(claim, case)], target, patience=patience)[0]


def verify_many(
    claims: Sequence[tuple[Claim, Case]],
    target: Target,
    *,
    patience: Patience = _PATIENCE,
    batch_size: int = BATCH_SIZE,
) -> list[CheckedClaim]:
    """Replay claims about cases, in order, in few large batches.

    A verdict does not depend on the other claims of the batch. ``untestable`` are claims on a
    target that cannot rescore, that declares itself non-deterministic, that answers otherwise
    when asked the same twice, or that fails; claims about parts the case lacks; those whose
    removal empties the case; and those that the patience does not pay for. Claims about vectors ask
    nothing.
    """
    size = _CLAIMS_AT_ONCE if patience.seconds is None else _CLAIMS_AT_A_TIME
    left = sys.maxsize if patience.queries is None else patience.queries
    began = time.monotonic()
    checked: list[CheckedClaim] = []
    for start in range(0, len(claims), size):
        chunk = claims[start : start + size]
        if patience.seconds is not None and time.monotonic() - began >= patience.seconds:
            reason = f"{patience.seconds:g} seconds were allowed, and they are over"
            checked += [_untestable(claim, reason) for claim, _ in chunk]
            continue
        before = target.queries.used
        checked += _verify_chunk(chunk, target, patience, left, batch_size)
        left -= target.queries.used - before
    return checked


def _verify_chunk(
    claims: Sequence[tuple[Claim, Case]],
    target: Target,
    patience: Patience,
    left: int,
    batch_size: int,
) -> list[CheckedClaim]:
    """Plan, ask and judge; claims that cannot be planned, or paid for, never reach the target."""
    checked: dict[int, CheckedClaim] = {}
    replays: dict[int, Replay] = {}
    for number, (claim, case) in enumerate(claims):
        try:
            if claim.type == "SIMILAR":
                found = by_vectors(claim, case, target)
                checked[number] = CheckedClaim(claim, found.verdict, found.measured, found.reason)
                continue
            replay = _plan(claim, case, target)
        except (CaseError, TargetQueryError) as error:
            checked[number] = _untestable(claim, str(error))
            continue
        cost = _cost(case, replay)
        if cost > left:
            reason = f"its {cost} queries are more than what is left of {patience.queries}"
            checked[number] = _untestable(claim, reason)
            continue
        left -= cost
        replays[number] = replay
    testable = {number: (*claims[number], replay) for number, replay in replays.items()}
    checked |= _ask_and_judge(testable, target, patience.retries, batch_size)
    return [checked[number] for number in range(len(claims))]


def _cost(case: Case, replay: Replay) -> int:
    """Cases that a replay scores, if it shares none with another: each once, the whole twice."""
    return len({case, *(question.variant for question in replay.asks)}) + 1


def _plan(claim: Claim, case: Case, target: Target) -> Replay:
    """The replay of a claim.

    Raises:
        CaseError: with the reason why there is none.
    """
    if not target.capabilities.rescoring:
        raise CaseError("the target cannot score a changed case")
    if not target.capabilities.deterministic:
        raise CaseError("the target is declared non-deterministic")
    if target.outcomes.rows([claim.outcome])[0] in blocked_rows(target, case):
        raise CaseError(f"outcome {claim.outcome!r} is part of the case; it has no rank")
    return plan(claim, case, target)


def _ask_and_judge(
    testable: dict[int, tuple[Claim, Case, Replay]], target: Target, retries: int, batch_size: int
) -> dict[int, CheckedClaim]:
    """Ask all replays in one go; if that fails, one by one, so that only the guilty are lost, and
    those once more."""
    wholes = {n: Question(case, case, claim.outcome) for n, (claim, case, _) in testable.items()}
    questions = {n: [wholes[n], *replay.asks] for n, (_, _, replay) in testable.items()}
    try:
        flat = ask(target, [q for n in testable for q in questions[n]], batch_size=batch_size)
        again = ask(target, [wholes[n] for n in testable], batch_size=batch_size)
    except (CaseError, TargetQueryError) as error:
        if len(testable) == 1 and retries and isinstance(error, TargetQueryError):
            return _ask_and_judge(testable, target, retries - 1, batch_size)
        if len(testable) == 1:
            return {n: _untestable(claim, str(error)) for n, (claim, _, _) in testable.items()}
        checked: dict[int, CheckedClaim] = {}
        for number, one in testable.items():
            checked |= _ask_and_judge({number: one}, target, retries, batch_size)
        return checked
    answers, seconds = iter(flat), iter(again)
    return {
        n: _judge(testable[n], [next(answers) for _ in questions[n]], next(seconds))
        for n in testable
    }


def _judge(
    one: tuple[Claim, Case, Replay], answers: Sequence[Answer], again: Answer
) -> CheckedClaim:
    """The verdict on one claim, given the answers to its replay and the whole case's second."""
    claim, case, replay = one
    queries = _cost(case, replay)
    before = answers[0]
    if not _same(before, again):
        return _untestable(claim, "the target answered differently for the same case", queries)
    finding = replay.judge(before, answers[1:])
    return CheckedClaim(claim, finding.verdict, finding.measured, finding.reason, queries)


def _same(first: Answer, second: Answer) -> bool:
    """Whether two answers to one question agree, but for the rounding of another batch."""
    slack = max(1.0, _SAME_RANK * first.rank)
    scale = max(abs(first.score), abs(second.score))
    same_score = abs(first.score - second.score) <= _SAME_SCORE * scale + 1e-9
    return same_score and abs(first.rank - second.rank) <= slack


def _untestable(claim: Claim, reason: str, queries: int = 0) -> CheckedClaim:
    return CheckedClaim(claim, "untestable", {}, reason, queries)
