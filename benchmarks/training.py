"""Three ways to train the same surrogate on the same records, in turn; and what more records cost.

    python benchmarks/training.py --run runs/mine --json training.json --plot training.svg

Every way starts from the same frozen weights in the same dtype and sees the same tokens; each runs
in a process of its own, so that its peak of memory is its own. ``_rivals.py`` and ``_ours.py`` say
what each way is. Ratios are ours divided by theirs. docs/benchmarks.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from _process import Result, in_own_process, write_json
from _ways import Attention, Way, train_way

SCALES = (1, 4, 16)


def main() -> None:
    options = _options().parse_args()
    with tempfile.TemporaryDirectory() as name:
        run = options.run or Path(name)
        if options.run is None:
            print("making a small run of the embedded data set")
            in_own_process(_make_run, run, options.make_cases)
        report = measure(run, options)
    if options.json:
        write_json(options.json, report)
    if options.plot:
        plot(report["modes"], options.plot)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--run", type=Path, help="a run folder with target/ and records/")
    parser.add_argument(
        "--make-cases", type=int, default=300, help="without --run: cases of the one that is made"
    )
    parser.add_argument("--base", default="smollm2-135m-instruct")
    parser.add_argument("--steps", type=int, default=30, help="optimizer steps")
    parser.add_argument("--examples-per-step", type=int, default=48)
    parser.add_argument(
        "--reference-examples", type=int, default=24,
        help="the reference is slow, and each of its examples costs the same",
    )  # fmt: skip
    parser.add_argument("--reference-micro-batch", type=int, default=4, help="as released")
    parser.add_argument(
        "--micro-batches", type=_numbers, default=(4, 8, 16),
        help="that common practice may choose the fastest from",
    )  # fmt: skip
    parser.add_argument(
        "--attentions", type=lambda text: text.split(","), default=["sdpa", "eager"],
        help="the same",
    )  # fmt: skip
    parser.add_argument("--held-out", type=int, default=96, help="records of the loss curves")
    parser.add_argument("--rounds", type=int, default=1, help="the fastest of so many is reported")
    parser.add_argument(
        "--scaling", type=int, nargs="?", const=240, default=0, metavar="RECORDS",
        help="train on 1, 4 and 16 times so many records too",
    )  # fmt: skip
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="draw the loss curves (.svg or .png)")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def measure(run: Path, options: argparse.Namespace) -> Result:
    """Every way in turn, the ratios, and the cost curve."""
    n_train = options.steps * options.examples_per_step
    ours = Way(
        "ours", run, options.base,
        n_train=n_train,
        held_out=(n_train, n_train + options.held_out),
        examples_per_step=options.examples_per_step,
    )  # fmt: skip
    ways = {
        "reference": replace(
            ours, mode="reference", n_train=options.reference_examples,
            examples_per_step=min(options.examples_per_step, options.reference_examples),
            micro_batch=options.reference_micro_batch,
        ),
        "common": _best_common(
            replace(ours, mode="common"), options.micro_batches, options.attentions
        ),
        "ours": ours,
        "ours_checkpointed": replace(ours, checkpoint_activations=True),
    }  # fmt: skip
    rounds: dict[str, list[Result]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            rounds[name].append(in_own_process(train_way, way))
            _say(name, rounds[name][-1])
    modes = {name: max(own, key=lambda r: r["examples_per_s"]) for name, own in rounds.items()}
    where = modes["ours"]["machine"]
    print(f"{where['processor']}, {where['threads']} threads, {where['dtype']}")
    report: Result = {"machine": where, "modes": modes, "ratios": ratios(modes)}
    for name, value in report["ratios"].items():
        print(f"{name:36} {value:.3g}")
    if options.scaling:
        report["scaling"] = scaling(ours, options.scaling)
    return report


def ratios(modes: Mapping[str, Result]) -> dict[str, float]:
    """Ours divided by theirs; of memory and checkpoints, less is better."""
    ours, reference, common = modes["ours"], modes["reference"], modes["common"]
    figures = {"examples_per_s": "examples_per_s", "peak_memory": "peak_bytes",
               "checkpoint_size": "checkpoint_bytes"}  # fmt: skip
    found = {
        f"{name}_vs_{rival}": ours[key] / theirs[key]
        for name, key in figures.items()
        for rival, theirs in (("reference", reference), ("common_practice", common))
    }
    checkpointed = modes["ours_checkpointed"]
    return {
        **found,
        "matrix_rate_share": ours["matrix_rate_share"],
        "checkpointed_examples_per_s": checkpointed["examples_per_s"] / ours["examples_per_s"],
        "checkpointed_peak_memory": checkpointed["peak_bytes"] / ours["peak_bytes"],
    }


def _best_common(common: Way, micro_batches: Sequence[int], attentions: Sequence[Attention]) -> Way:
    """Common practice with the micro-batch and attention that do most examples a second here.

    Each is tried for two optimizer steps.
    """
    ways = [
        replace(common, micro_batch=rows, attention=attention)
        for rows, attention in product(micro_batches, attentions)
    ]
    if len(ways) == 1:
        return ways[0]
    rates: list[float] = []
    for way in ways:
        tried = replace(way, n_train=2 * way.examples_per_step, held_out=(0, 0))
        rates.append(in_own_process(train_way, tried)["examples_per_s"])
        print(
            f"  common practice, {way.micro_batch} rows, {way.attention}: "
            f"{rates[-1]:.2f} examples/s", flush=True,
        )  # fmt: skip
    return ways[rates.index(max(rates))]


def scaling(ours: Way, unit: int) -> Result:
    """One pass of ours over 1, 4 and 16 times the records: seconds and peak memory."""
    found: list[Result] = []
    for scale in SCALES:
        own = replace(ours, n_train=scale * unit, held_out=(0, 0))
        result = in_own_process(train_way, own)
        seconds = result["seconds"] + result["packing_seconds"]
        found.append({"records": own.n_train, "examples": result["examples"],
                      "seconds": seconds, "peak_bytes": result["peak_bytes"]})  # fmt: skip
        print(f"{own.n_train} records: {seconds:.1f} s, {result['peak_bytes'] / 1e6:.0f} MB")
    first = found[0]
    for result in found:
        each, base = (r["seconds"] / r["examples"] for r in (result, first))
        result["seconds_per_record_ratio"] = each / base
        result["peak_memory_ratio"] = result["peak_bytes"] / first["peak_bytes"]
    return {f"{scale}x": result for scale, result in zip(SCALES, found, strict=True)}


def _say(name: str, result: Result) -> None:
    first, last = result["loss_curve"][0][1], result["loss_curve"][-1][1]
    print(
        f"{name:18} {result['examples_per_s']:7.2f} examples/s of {result['examples']}, "
        f"{result['examples_per_step']:.0f} a step; "
        f"{result['useful_tokens_per_s']:.0f} useful tokens/s "
        f"({100 * result['useful_token_share']:.0f} %), {result['peak_bytes'] / 1e6:.0f} MB, "
        f"checkpoint {result['checkpoint_bytes'] / 1e6:.0f} MB, "
        f"loss {first:.3f} to {last:.3f}",
        flush=True,
    )


def plot(modes: Mapping[str, Result], path: Path) -> None:
    """The loss curves over each other, on the held-out records."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for name in ("reference", "common", "ours"):
        points: Sequence[Sequence[float]] = modes[name]["loss_curve"]
        axes.plot([p[0] for p in points], [p[1] for p in points], marker="o", label=name)
    axes.set(xlabel="examples seen", ylabel="loss of held-out answers, nats per token")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")


def _make_run(folder: Path, max_cases: int) -> Result:
    from _material import make_run

    return make_run(folder, max_cases)


if __name__ == "__main__":
    main()
