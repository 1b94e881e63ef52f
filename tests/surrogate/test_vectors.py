"""Other vectors than a slot's own."""

from __future__ import annotations

import pytest

from innerview.alignment.records import FORMS, Record
from innerview.evaluation.channels import CHANGES, channel_shifts
from innerview.surrogate.surrogate import Surrogate
from innerview.targets.protocol import Case
from innerview.testing import ScriptedTarget


def _asked(groups: list[list[Record]], form: str) -> list[Record]:
    """A few questions about one case."""
    own = [r for g in groups for r in g if r.form == form and r.task == "interest"]
    return [r for r in own if r.context_key == own[0].context_key]


@pytest.fixture
def short(cases: list[Case]) -> list[Case]:
    """Cases that leave enough outcomes to differ about."""
    return [Case(c.case_id, c.parts[:2]) for c in cases]


@pytest.mark.parametrize("form", FORMS)
def test_a_case_with_its_own_vectors_is_answered_as_ever_and_with_others_only_if_read(
    surrogate: Surrogate, target: ScriptedTarget, groups: list[list[Record]], form: str
) -> None:
    records = _asked(groups, form)
    parts = records[0].parts
    assert all(r.parts == parts and r.visible == len(parts) for r in records)
    plain = surrogate.answer(records)
    own = target.case_vectors([Case("", parts)])[0]
    rows = target.part_vectors[target.parts.rows(parts)]
    with surrogate.vectors.replaced(cases={parts: own}, parts=dict(zip(parts, rows, strict=True))):
        assert surrogate.answer(records) == plain
    with surrogate.vectors.replaced(cases={parts: -own}, parts={parts[0]: -rows[0]}):
        assert (surrogate.answer(records) == plain) == (form == "behavior")
    assert surrogate.answer(records) == plain


def test_swapping_a_case_with_itself_moves_nothing(
    surrogate: Surrogate, target: ScriptedTarget, short: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    from innerview.evaluation import channels

    real = channels._pairs

    def with_itself(*args: object, **kwargs: object) -> list[channels._Pair]:
        return [
            channels._Pair(p.own, p.own, p.own_top, p.other_top)
            for p in real(*args, **kwargs)  # type: ignore[arg-type]
        ]

    monkeypatch.setattr(channels, "_pairs", with_itself)
    found = channel_shifts(surrogate.answer, surrogate.vectors.replaced, target, short, n=4)
    for change in ("vectors_swapped", "text_swapped", "both_swapped"):
        shift = found[change]["shift"]
        assert (shift.value, shift.low, shift.high) == (0.0, 0.0, 0.0)


def test_a_surrogate_has_its_shifts_measured(
    surrogate: Surrogate, target: ScriptedTarget, short: list[Case]
) -> None:
    done: list[tuple[int, int]] = []
    found = channel_shifts(
        surrogate.answer, surrogate.vectors.replaced, target, short,
        on_pair=lambda at, n: done.append((at, n)),
    )  # fmt: skip
    n = len(done)
    assert n > 2 and done == [(at, n) for at in range(n)]
    for change in CHANGES:
        shift = found[change]["shift"]
        assert shift.low <= shift.value <= shift.high
        assert shift.value != 0.0
        assert shift.n == n
    again = channel_shifts(surrogate.answer, surrogate.vectors.replaced, target, short)
    assert again == found
