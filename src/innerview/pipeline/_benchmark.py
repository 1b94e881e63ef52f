"""The whole battery: everything that says how far explanations can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from innerview.errors import RunError
from innerview.pipeline._evaluate import evaluate
from innerview.pipeline._fidelity import fidelity
from innerview.pipeline._overview import write_overview
from innerview.pipeline._report import report
from innerview.pipeline._stability import stability
from innerview.pipeline._stage import Event, Say
from innerview.targets import load_target

__all__ = ["benchmark"]


def benchmark(
    run: Path,
    say: Say,
    *,
    n_cases: int = 1600,
    n_surrogate: int = 200,
    target_only: bool = False,
    given: Mapping[str, Path] | None = None,
    reader: str | None = None,
    beside: Path | None = None,
    n_reasons: int = 200,
    seed: int = 0,
) -> Path:
    """Measure alignment, fidelity, stability and what drives the target, and write the report.

    Each stage is skipped where what it would measure is there; one that was killed goes on. What a
    target cannot do is left out, and said.

    Args:
        run: with a target and its cases; alignment needs records and a surrogate.
        say: told how far it is.
        n_cases: for explainers that ask the target or nobody, and for what drives it.
        n_surrogate: held-out cases for the surrogate's own claims; a quarter of them, explained
            twice, for stability.
        target_only: leave out all that needs a language model: a reader and another surrogate too.
        given: files of explanations that somebody else made, by the name that their figures get.
        reader: a base language model that reads those explanations as well.
        beside: the folder of another surrogate of the same target, for stability.
        n_reasons: cases of which the surrogate is asked for the strongest reason.
        seed: of baselines, controls and intervals.

    Returns:
        The report.

    Raises:
        DataError: a file of explanations cannot be used.
        RunError: a control shows skill, so that no figure could be believed; the report says so. Or
            one of two surrogates is missing.
    """
    if target_only:
        say(Event("evaluate", "left out: it needs a language model"))
    elif (run / "surrogate" / "manifest.json").exists():
        evaluate(run, say, n_reasons=n_reasons, seed=seed)
    else:
        say(Event("evaluate", "left out: there is no surrogate"))
    if load_target(run / "target").capabilities.rescoring:
        try:
            n_own = 0 if target_only else n_surrogate
            fidelity(
                run, say, n_cases=n_cases, n_surrogate=n_own, given=given,
                reader=None if target_only else reader, seed=seed,
            )  # fmt: skip
        except RunError:
            report(run, say)
            raise
        n_twice = max(2, n_surrogate // 4)
        stability(
            run, say, n_cases=n_twice, beside=None if target_only else beside,
            target_only=target_only, seed=seed,
        )  # fmt: skip
        write_overview(run, say, n_cases=n_cases, seed=seed)
    else:
        say(Event("fidelity", "left out: the target cannot score a changed case"))
    return report(run, say)
