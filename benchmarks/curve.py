"""How well a surrogate names outcomes, over the prompts that its memory is fitted to.

    python benchmarks/curve.py --run runs/mine --prompts 350,700,1400 --seeds 0,1,2 --json c.json

Naming reads the memory alone (docs/design.md), so no adapters are trained for it. Every point has a
process of its own, and seeds are fitted to different cases. docs/benchmarks.md says what the
figures mean.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from _process import Result, in_own_process, write_json

if TYPE_CHECKING:
    from innerview.alignment.records import Record

METRICS = ("retrieval_hr5", "retrieval_ndcg5")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="a run with target/ and records/")
    parser.add_argument("--base", default="smollm2-135m-instruct")
    parser.add_argument("--prompts", type=_numbers, default=(350, 700, 1400))
    parser.add_argument("--seeds", type=_numbers, default=(0,))
    parser.add_argument(
        "--cases-apart", type=int, default=1500,
        help="groups of records that are skipped for each further seed",
    )  # fmt: skip
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="draw the curves (.svg or .png)")
    options = parser.parse_args()
    points = [
        in_own_process(
            measure, Point(options.run, options.base, n, seed, seed * options.cases_apart)
        )
        for n in options.prompts
        for seed in options.seeds
    ]
    if options.json:
        write_json(options.json, {"points": points})
    if options.plot:
        plot(points, options.plot)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


@dataclass(frozen=True, slots=True)
class Point:
    """One memory: of a run's target, on so many packed prompts, from a group of records on."""

    run: Path
    base: str
    n_prompts: int
    seed: int
    first: int


@dataclass(frozen=True, slots=True)
class _From:
    """A run's groups of records from one of them on, and then from the first; read anew each
    time."""

    groups: Iterable[list[Record]]
    first: int

    def __iter__(self) -> Iterator[list[Record]]:
        yield from islice(self.groups, self.first, None)
        yield from islice(self.groups, self.first)


def measure(point: Point) -> Result:
    """Fit a memory, and ask for titles in every form about all held-out cases."""
    from innerview.alignment.records import FORMS, read_records
    from innerview.evaluation.answers import alignment_metrics
    from innerview.pipeline._align import TrainingGroups
    from innerview.surrogate.base import load_base
    from innerview.surrogate.surrogate import Surrogate
    from innerview.surrogate.train import TrainSettings
    from innerview.targets import load_bundle

    began = time.perf_counter()
    target = load_bundle(point.run / "target")
    surrogate = Surrogate(load_base(point.base), target, seed=point.seed)
    groups = _From(TrainingGroups(point.run / "records" / "train" / "records.parquet"), point.first)
    settings = TrainSettings(memory_rows=point.n_prompts, max_steps=1, seed=point.seed)
    with tempfile.TemporaryDirectory() as folder:
        surrogate.align(groups, settings, folder=Path(folder))
    seconds = time.perf_counter() - began
    asked = [
        r for r in read_records(point.run / "records" / "test.parquet") if r.task == "retrieval"
    ]
    found: Result = {"n_prompts": point.n_prompts, "seed": point.seed, "seconds": seconds}
    found["memory"] = surrogate.manifest["memory"]
    for form in FORMS:
        own = [r for r in asked if r.form == form]
        metrics = alignment_metrics(own, surrogate.answer(own), seed=0)
        found[form] = {name: metrics[name].value for name in METRICS}
    told = ", ".join(
        f"{form} {found[form]['retrieval_hr5']:.3f} {found[form]['retrieval_ndcg5']:.3f}"
        for form in FORMS
    )
    print(f"{point.n_prompts} prompts, seed {point.seed}: {told}; {seconds:.0f} s", flush=True)
    return found


def plot(points: Sequence[Result], path: Path) -> None:
    """Each metric over the prompts: a dot for each seed, a line through their means."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    forms = [form for form in ("behavior", "intention", "hybrid") if form in points[0]]
    figure, panels = plt.subplots(1, len(METRICS), figsize=(9, 3.6), sharex=True)
    for axes, metric in zip(panels, METRICS, strict=True):
        for form in forms:
            by_size: dict[int, list[float]] = {}
            for point in points:
                by_size.setdefault(point["n_prompts"], []).append(point[form][metric])
            sizes = sorted(by_size)
            (line,) = axes.plot(sizes, [fmean(by_size[n]) for n in sizes], label=form)
            dots = [(n, value) for n in sizes for value in by_size[n]]
            axes.plot(*zip(*dots, strict=True), "o", color=line.get_color(), markersize=4)
        axes.set(xlabel="packed prompts", ylabel=metric, xscale="log")
    panels[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")


if __name__ == "__main__":
    main()
