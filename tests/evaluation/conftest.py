"""Records about a target whose answers are known on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from innerview.alignment.records import Record, Text
from innerview.evaluation.answers import AnswerValue
from innerview.targets.protocol import Case, top_outcomes
from innerview.testing.fakes import ScriptedTarget


def ask(task: str, case: Case | None, **label: object) -> Record:
    """A record whose words do not matter."""
    parts = case.parts if case else ()
    return Record(
        task,  # type: ignore[arg-type]
        "intention",
        case.case_id if case else "",
        parts,
        len(parts),
        (Text("?"),),
        "!",
        label,
    )


def truth(record: Record) -> AnswerValue:
    """The answer that is right in every respect."""
    label = record.label
    return {
        "retrieval": lambda: tuple(label["top"]),
        "ranking": lambda: tuple(label["ranked"]),
        "interest": lambda: float(label["liked"]),
        "history": lambda: tuple(label["parts"]),
        "attribution": lambda: str(label["part"]),
        "item_title": lambda: str(label["outcome"]),
    }.get(record.task, lambda: "")()


@pytest.fixture(scope="session")
def target() -> ScriptedTarget:
    """Forty outcomes with seeded weights."""
    return ScriptedTarget(np.random.default_rng(3).normal(size=(40, 40)))


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    rng = np.random.default_rng(4)
    return [
        Case(f"c{n}", tuple(f"i{i}" for i in rng.choice(40, size=6, replace=False)))
        for n in range(60)
    ]


@pytest.fixture(scope="session")
def records(target: ScriptedTarget, cases: Sequence[Case]) -> list[Record]:
    """One question of every task per case, labelled by the target, and some without a case."""
    rng = np.random.default_rng(5)
    made: list[Record] = []
    for case, scores in zip(cases, target.score(cases), strict=True):
        order = top_outcomes(target, case, scores, 40)
        ranked = [order[i] for i in np.sort(rng.choice(len(order), 5, replace=False))]
        made += [
            ask("retrieval", case, top=order[:5]),
            ask("ranking", case, ranked=ranked, shown=list(rng.permutation(ranked))),
            ask("interest", case, outcome=order[2], liked=True),
            ask("interest", case, outcome=order[-2], liked=False),
            ask("history", case, parts=list(case.parts)),
            ask("attribution", case, outcome=order[0], part=case.parts[1]),
            ask("ranking", case, ranked=ranked, shown=ranked[::-1], heldout_outcome=True),
            ask("interest", case, outcome=order[1], liked=True, heldout_outcome=True),
            ask("interest", case, outcome=order[-1], liked=False, heldout_outcome=True),
        ]
    made += [ask("item_title", None, outcome=outcome) for outcome in target.outcomes.ids[:10]]
    made.append(ask("item_attribute", None, outcome="i0", attribute="group", values=["even"]))
    made.append(ask("item_similar", None, outcome="i0", nearest="i1"))
    return made
