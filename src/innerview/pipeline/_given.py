"""A run of a target and cases that are there already: no tables, and nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from innerview.alignment.cases import split_cases, write_cases
from innerview.pipeline._stage import Event, Say, digest, finish, write_json
from innerview.targets import load_target

__all__ = ["begin"]


def begin(
    run: Path,
    cases: Mapping[str, Sequence[str]],
    say: Say,
    *,
    frequency: Mapping[str, int] | None = None,
    n_test: int = 400,
    seed: int = 0,
) -> Path:
    """Set the cases of a run aside for training and testing; its target lies in ``target/``.

    Args:
        run: the folder.
        cases: parts by id.
        say: told what is there.
        frequency: how often each outcome was right in training, for the rival that always says
            the most frequent; how often each part occurs is counted.
        n_test: cases to test on, at most a third.
        seed: of the split.

    Raises:
        BundleError: the target is missing or damaged.
        CaseError: a part is unknown to it.
        DataError: too few cases to leave any for training.
    """
    target = load_target(run / "target")
    for parts in cases.values():
        target.parts.rows(parts)
    split = split_cases(cases, n_test=n_test, seed=seed)
    labels = run / "labels"
    labels.mkdir(parents=True, exist_ok=True)
    write_cases(labels / "cases.parquet", split)
    seen: dict[str, int] = dict(frequency or {})
    for case in split.train:
        for part in case.parts:
            seen[part] = seen.get(part, 0) + 1
    write_json(labels / "popularity.json", seen)
    finish(labels, digest([target.fingerprint, digest(dict(cases)), n_test, seed]), notes=[])
    n = len(split.train) + len(split.valid) + len(split.test)
    say(Event("target", f"{n:,} cases, {len(target.outcomes):,} outcomes"))
    return run / "target"
