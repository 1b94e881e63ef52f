"""What drives a target's answers: evidence for many cases, counted."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from innerview.alignment.cases import read_cases
from innerview.alignment.prose import checked_claims
from innerview.errors import RunError
from innerview.evaluation.overview import Told, overview
from innerview.explanation._ask import first_outcomes
from innerview.pipeline._measured import is_measured, rescoring_target, usable_cases
from innerview.pipeline._stage import Event, Say, digest, write_json
from innerview.targets import Case, Target

__all__ = ["overview_of", "write_overview"]

_AT_ONCE = 128
_VERSION = 2
"""Of what is measured."""


def write_overview(
    run: Path,
    say: Say,
    *,
    n_cases: int = 1600,
    outcome: str | None = None,
    part: str | None = None,
    seed: int = 0,
) -> Path:
    """Measure evidence for many cases, replay what it says, and count what holds.

    Args:
        run: with a target and its cases; those held out come first. No surrogate takes part.
        say: told how far it is.
        n_cases: at most, of those that are looked for.
        outcome: only cases for which this comes first.
        part: only cases that hold this.
        seed: of the intervals.

    Raises:
        CaseError: an id is unknown.
        RunError: the target cannot rescore, or there is no such case.
    """
    target = rescoring_target(run)
    # What is asked of some cases must not take the place of what the report shows.
    which = "" if outcome is None and part is None else f"-{digest([outcome, part])[:8]}"
    path = run / "report" / f"overview{which}.json"
    made_from = digest([target.fingerprint, n_cases, outcome, part, seed, _VERSION])
    if is_measured(path, "figures", made_from):
        say(Event("overview", "unchanged, kept"))
        return path
    began = time.monotonic()
    known = read_cases(run)
    cases = usable_cases([*known.test, *known.valid, *known.train], target)
    if part is not None:
        target.parts.rows([part])
        cases = [case for case in cases if part in case.parts]
    pairs = _pairs(cases, target, outcome, n_cases)
    if not pairs:
        raise RunError(f"{run}: no case {_looked_for(outcome, part)}; try another")
    told: list[Told] = []
    for start in range(0, len(pairs), _AT_ONCE):
        chunk = pairs[start : start + _AT_ONCE]
        found = checked_claims(target, chunk)
        told += [Told(case, *own) for (case, _), own in zip(chunk, found, strict=True)]
        text = f"{len(told):,} of {len(pairs):,} cases measured"
        say(Event("overview", text, len(told) / len(pairs)))
    meta = {
        "made_from": made_from,
        "target": target.fingerprint,
        "outcome": outcome,
        "part": part,
        "seed": seed,
        "innerview": version("innerview"),
        "queries": target.queries.used,
        "seconds": round(time.monotonic() - began, 1),
    }
    write_json(path, {**overview(told, target, seed=seed).to_dict(), "meta": meta})
    say(Event("overview", f"{path}", 1.0))
    return path


def overview_of(path: Path, target: Target) -> dict[str, Any]:
    """What was counted, if it is there and of this target."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found if found.get("meta", {}).get("target") == target.fingerprint else {}


def _pairs(
    cases: Sequence[Case], target: Target, outcome: str | None, n_cases: int
) -> list[tuple[Case, str]]:
    """Cases, as many as are wanted, with what comes first for them."""
    if outcome is not None:
        target.outcomes.rows([outcome])
    found: list[tuple[Case, str]] = []
    for start in range(0, len(cases), _AT_ONCE):
        chunk = cases[start : start + _AT_ONCE]
        firsts = first_outcomes(target, [(case, case) for case in chunk])
        pairs = zip(chunk, firsts, strict=True)
        found += [(case, first) for case, first in pairs if outcome in (None, first)]
        if len(found) >= n_cases:
            break
    return found[:n_cases]


def _looked_for(outcome: str | None, part: str | None) -> str:
    said = [f"has {outcome!r} first"] if outcome is not None else []
    said += [f"holds {part!r}"] if part is not None else []
    return " and ".join(said) or "has parts to leave out"
