"""What the target's first outcomes hang on, for every case of a run."""

from __future__ import annotations

import json
import time
from pathlib import Path

from innerview.alignment.cases import read_cases
from innerview.errors import RunError
from innerview.explanation._ask import first_outcomes
from innerview.explanation.evidence import Evidence, measure_many
from innerview.pipeline._measured import rescoring_target
from innerview.pipeline._shards import Shards
from innerview.pipeline._stage import Event, Say, digest

__all__ = ["evidence"]

_SHARD = 256


def evidence(run: Path, say: Say, *, heldout_only: bool = False) -> Path:
    """Measure evidence for what the target puts first for each case, one JSON line a case.

    Lines that are there already are kept, so a killed run goes on where it stopped.

    Args:
        run: with a target and its cases.
        say: told how far it is, and at what rate the target is asked.
        heldout_only: leave out the cases that a surrogate is aligned on.

    Raises:
        RunError: the target cannot rescore, the run has no cases, a line of the file is damaged,
            or there is no room.
    """
    target = rescoring_target(run)
    known = read_cases(run)
    every = known.test if heldout_only else (*known.test, *known.valid, *known.train)
    cases = [case.last(target.capabilities.max_parts) for case in every]
    path = run / "evidence" / f"{digest([target.fingerprint])[:12]}.jsonl"
    shards = Shards(path)
    done = _done(path)
    left = [case for case in cases if case.case_id not in done]
    began = time.monotonic()
    for start in range(0, len(left), _SHARD):
        chunk = left[start : start + _SHARD]
        firsts = first_outcomes(target, [(case, case) for case in chunk])
        measured = measure_many(list(zip(chunk, firsts, strict=True)), target)
        shards.add([json.dumps(one.to_dict(), ensure_ascii=False) for one in measured])
        n = len(cases) - len(left) + start + len(chunk)
        rate = target.queries.used / (time.monotonic() - began)
        text = f"{n:,} of {len(cases):,} cases, {rate:,.0f} queries/s"
        say(Event("evidence", text, n / len(cases)))
    shards.finish()
    return path


def _done(path: Path) -> set[str]:
    """Cases that the file holds already."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    found: set[str] = set()
    for number, line in enumerate(lines, start=1):
        try:
            found.add(Evidence.from_dict(json.loads(line)).case_id)
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}:{number}: no evidence ({error!r}); remove the file to measure anew"
            ) from None
    return found
