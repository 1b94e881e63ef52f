"""From a target and its cases to a report: what the scripts beside this one have in common."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from innerview.alignment.mixture import MixtureSettings
from innerview.evaluation._tables import FIDELITY_METRICS, METHODS
from innerview.evaluation.answers import METRICS
from innerview.evaluation.results import read_metrics
from innerview.pipeline import (
    Event,
    align,
    begin,
    evaluate,
    explain,
    fidelity,
    label,
    report,
    write_overview,
)
from innerview.surrogate.train import TrainSettings


@dataclass(frozen=True)
class Made:
    """A target was made; these are its cases.

    Attributes:
        cases: parts by case.
        frequency: how often each outcome is right in training.
        n_test: cases held out.
        report: the target's own figures.
    """

    cases: Mapping[str, Sequence[str]]
    frequency: Mapping[str, int]
    n_test: int
    report: Mapping[str, float]


def main(
    make: Callable[[Path, int], Made], *, then: Callable[[Path, int], None] | None = None
) -> None:
    """Parse the command line and do all of it; a stage that is complete is skipped.

    Args:
        make: the target, in a folder, with a seed.
        then: something more about the run, about so many held-out cases.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--base", default="smollm2-135m-instruct")
    parser.add_argument("--memory-rows", type=int, default=200)
    parser.add_argument("--row-tokens", type=int, default=480)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--asked", type=int, default=40, help="held-out cases put to the surrogate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target-only", action="store_true", help="without a language model")
    asked = parser.parse_args()
    run: Path = asked.run
    began = time.monotonic()

    def say(event: Event) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {event.stage}: {event.text}", flush=True)

    made = make(run / "target", asked.seed)
    say(Event("target", ", ".join(f"{name} {value:.3f}" for name, value in made.report.items())))
    begin(run, made.cases, say, frequency=made.frequency, n_test=made.n_test, seed=asked.seed)
    if not asked.target_only:
        mixture = MixtureSettings(passes=asked.passes, seed=asked.seed)
        label(run, say, mixture=mixture, n_test=asked.asked, seed=asked.seed)
        settings = TrainSettings(memory_rows=asked.memory_rows, max_tokens=asked.row_tokens)
        align(run, say, base=asked.base, settings=settings, max_steps=asked.steps, seed=asked.seed)
        evaluate(run, say, unaligned=False, channels=False, seed=asked.seed)
    explain(run, say, n=20)
    fidelity(
        run, say, n_cases=made.n_test, n_surrogate=asked.asked, unaligned=False,
        seed=asked.seed,
    )  # fmt: skip
    write_overview(run, say, n_cases=made.n_test, seed=asked.seed)
    report(run, say)
    print(*figures(run), sep="\n")
    if then is not None:
        then(run, asked.asked)


def figures(run: Path) -> Iterator[str]:
    """The tables of docs/domains.md: who agrees with the target, and whose reasons are its own."""
    metrics = run / "report" / "metrics.json"
    alignment = read_metrics(metrics)["alignment"] if metrics.exists() else {}
    fidelity = read_metrics(run / "report" / "fidelity.json")["fidelity"]
    for told, by, shown in (
        (alignment, [one for one in METHODS if one in alignment], METRICS),
        (fidelity, sorted(fidelity), [*FIDELITY_METRICS]),
    ):
        if not by:
            continue
        yield f"| | {' | '.join(by)} |"
        yield "| --- |" + " --- |" * len(by)
        for name in shown:
            own = [told[one].get(name) for one in by]
            if any(own):
                cells = (f"{f.value:.3f} [{f.low:.2f}, {f.high:.2f}]" if f else "–" for f in own)
                yield f"| {name} | {' | '.join(cells)} |"
