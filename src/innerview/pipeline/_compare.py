"""Two runs of the same data: does the newer target answer alike, and for the same reasons?"""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path

from innerview.alignment.cases import read_cases
from innerview.alignment.prose import named_titles
from innerview.evaluation.results import write_metrics
from innerview.evaluation.versions import Versions, compare_targets
from innerview.explanation.render import receipt
from innerview.files import write_whole
from innerview.pipeline._stage import Event, Say
from innerview.targets import Target, load_target

__all__ = ["compare"]


def compare(before: Path, after: Path, say: Say, *, n_cases: int = 1600, seed: int = 0) -> Path:
    """Replay the reasons of one run's target on another's, over its held-out cases first.

    Args:
        before: a run with a target and its cases.
        after: a run with a target that knows the same parts; figures go into its report folder, and
            beside them one JSON line a case, those first of which the
            outcome is the same and most reasons are not.
        say: told how far it is.
        n_cases: at most.
        seed: of the intervals.

    Raises:
        RunError: there is no case that both know, or one of them cannot rescore.
    """
    began = time.monotonic()
    old, new = (load_target(run / "target") for run in (before, after))
    known = read_cases(before)
    cases = [*known.test, *known.valid, *known.train]
    say(Event("compare", f"replaying the reasons of {min(n_cases, len(cases)):,} cases"))
    figures, found = compare_targets(old, new, cases, n_cases=n_cases, seed=seed)
    path = after / "report" / "compare.json"
    meta = {
        "before": old.fingerprint,
        "after": new.fingerprint,
        "seed": seed,
        "innerview": version("innerview"),
        "queries": old.queries.used + new.queries.used,
        "seconds": round(time.monotonic() - began, 1),
        "n_cases": len(found),
    }
    write_metrics(path, {"compare": figures}, meta=meta)
    found.sort(key=lambda one: (not one.same_first, -len(one.lost), one.case.case_id))
    lines = [json.dumps(_line(one, old), ensure_ascii=False) for one in found]
    text = "".join(f"{line}\n" for line in lines)
    write_whole(path.with_suffix(".jsonl"), lambda beside: beside.write_bytes(text.encode()))
    say(Event("compare", f"{path}", 1.0))
    return path


def _line(one: Versions, old: Target) -> dict[str, object]:
    """What became of one case, in words and for programs."""
    outcome = one.before[0]
    titles = named_titles(old, one.case, outcome, one.claims)
    return {
        "case_id": one.case.case_id,
        "title": titles[outcome],
        "before": list(one.before),
        "after": list(one.after),
        "lost": [receipt(claim, titles, noun=old.parts.noun) for claim in one.lost],
        "claims": [claim.to_dict() for claim in one.claims],
    }
