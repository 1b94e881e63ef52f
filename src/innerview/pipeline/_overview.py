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
from innerview.pipeline._segment import Segment
from innerview.pipeline._stage import Event, Say, digest, write_json
from innerview.targets import Case, Target

__all__ = ["overview_of", "overviews_of", "write_overview"]

_AT_ONCE = 128
_VERSION = 3
"""Of what is measured."""
_EVERYTHING = Segment()


def write_overview(
    run: Path, say: Say, *, n_cases: int = 1600, segment: Segment = _EVERYTHING, seed: int = 0
) -> Path:
    """Measure evidence for many cases, replay what it says, and count what holds.

    Args:
        run: with a target and its cases; those held out come first. No surrogate takes part.
        say: told how far it is.
        n_cases: at most, of those that are looked for.
        segment: which cases; figures of some stand beside those of all.
        seed: of the intervals.

    Raises:
        CaseError: an id is unknown.
        RunError: the target cannot rescore, or there is no such case.
    """
    target = rescoring_target(run)
    # What is asked of some cases must not take the place of what the report shows of all.
    which = segment.key()
    path = run / "report" / (f"overview-{which[:8]}.json" if which else "overview.json")
    made_from = digest([target.fingerprint, n_cases, which, seed, _VERSION])
    if is_measured(path, "figures", made_from):
        say(Event("overview", "unchanged, kept"))
        return path
    began = time.monotonic()
    known = read_cases(run)
    cases = usable_cases([*known.test, *known.valid, *known.train], target)
    pairs = _pairs(segment.of(run, cases, target), target, segment.outcome, n_cases)
    if not pairs:
        raise RunError(f"{run}: no case {segment.told()}; try another")
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
        "segment": segment.told() if which else None,
        "seed": seed,
        "innerview": version("innerview"),
        "queries": target.queries.used,
        "seconds": round(time.monotonic() - began, 1),
    }
    popularity = run / "labels" / "popularity.json"
    counts = json.loads(popularity.read_text(encoding="utf-8")) if popularity.exists() else {}
    counted = overview(told, target, popularity=counts, seed=seed)
    write_json(path, {**counted.to_dict(), "meta": meta})
    say(Event("overview", f"{path}", 1.0))
    return path


def overview_of(path: Path, target: Target) -> dict[str, Any]:
    """What was counted, if it is there and of this target."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found if found.get("meta", {}).get("target") == target.fingerprint else {}


def overviews_of(folder: Path, target: Target) -> list[dict[str, Any]]:
    """The same of all cases, and then of segments."""
    paths = [folder / "overview.json", *sorted(folder.glob("overview-*.json"))]
    return [found for path in paths if (found := overview_of(path, target))]


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
