"""What a live target answered, so that another model in its place is noticed."""

from __future__ import annotations

import hashlib

import numpy as np

from innerview.targets.export import CheckRecord, record_answers
from innerview.targets.protocol import Case, Target

__all__ = ["fingerprint_of", "probes", "record_answers"]

_N_PROBES, _LONGEST_PROBE = 16, 8


def probes(target: Target) -> list[Case]:
    """Cases to know a target by: the same for the same parts."""
    ids = target.parts.ids
    rng = np.random.default_rng(len(ids))
    # Half of the parts at most: where they are no answers, the others are to be ranked.
    most = min(max(1, len(ids) // 2), target.capabilities.max_parts, _LONGEST_PROBE)
    return [
        Case(f"probe-{n}", tuple(ids[i] for i in rng.choice(len(ids), 1 + n % most, replace=False)))
        for n in range(_N_PROBES)
    ]


def fingerprint_of(target: Target, record: CheckRecord) -> str:
    """Hash of catalogues, capabilities and recorded answers: of all that is known of a live target.

    What a target answers that is not deterministic tells nothing of it, and is left out.
    """
    able = target.capabilities
    told = [repr(able)]
    for catalogue in (target.outcomes, target.parts):
        told.append(f"{catalogue.noun} {catalogue.domain.name}")
        told.append(repr((catalogue.ids, catalogue.titles, sorted(catalogue.attributes.items()))))
    digest = hashlib.sha256("\n".join(told).encode())
    if able.deterministic:
        digest.update(repr([(case.parts, case.top) for case in record.cases]).encode())
        digest.update(np.ascontiguousarray(record.scores, dtype=np.float32).tobytes())
    return digest.hexdigest()
