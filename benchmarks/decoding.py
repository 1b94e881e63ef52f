"""Our decoding beside plain ``transformers`` ``generate``, on one aligned surrogate.

    python benchmarks/decoding.py --run runs/mine --json decoding.json

Every measurement has a process of its own. Ratios are cases a second, ours divided by theirs.
``_answers.py`` says what is kept equal, and docs/benchmarks.md what the figures mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _process import Result, in_own_process, write_json

WHATS = ("retrieval", "explanation")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--run", type=Path, help="an aligned run; by default the shipped one")
    parser.add_argument("--cases", type=int, default=12, help="held-out cases")
    parser.add_argument(
        "--batches", type=lambda text: [int(n) for n in text.split(",")],
        default=[1, 4, 8, 16, 32], help="prompts at a time that generate may choose from",
    )  # fmt: skip
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "bfloat16"),
        help="of the weights; auto is the fastest that the machine has",
    )  # fmt: skip
    parser.add_argument("--trie-titles", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options)
    if options.json:
        write_json(options.json, report)


def measure(options: argparse.Namespace) -> Result:
    """Both kinds of question, both ways, and what else is worth knowing of decoding."""
    report: Result = {"ratios": {}}
    for what in WHATS:
        ours = _ask(options, "ours", what, 0)
        theirs = {b: _ask(options, "generate", what, b) for b in sorted({1, *options.batches})}
        best = max(theirs, key=lambda b: theirs[b]["cases_per_s"])
        for name, other in (("batch1", theirs[1]), ("best_batch", theirs[best])):
            report["ratios"][f"{what}_vs_generate_{name}"] = (
                ours["cases_per_s"] / other["cases_per_s"]
            )
        report[what] = {
            "ours": _told(ours),
            "generate": {str(b): _told(own) for b, own in theirs.items()},
            "best_batch": best,
            "equal_answers": {str(b): _equal(what, ours, own) for b, own in theirs.items()},
        }
        report["machine"] = ours["machine"]
    alone, together = (_ask(options, "ours", "retrieval", batch) for batch in (1, 32))
    free = _ask(options, "ours", "free", 0)
    report |= {
        "ours_batch_1_and_32": _equal("retrieval", alone, together),
        "free_titles_valid_share": free["valid_share"],
        "explain": in_own_process(_time_explain, options.run, options.cases),
        "trie": in_own_process(_time_trie, options.run, options.trie_titles),
    }
    _print(report)
    return report


def _ask(options: argparse.Namespace, who: str, what: str, batch: int) -> Result:
    result = in_own_process(
        _in_process, who, what, options.run, options.cases, batch,
        options.max_new_tokens, options.dtype,
    )  # fmt: skip
    print(
        f"{what:12} {who:9} {f'batch {batch}' if batch else 'by default':11} "
        f"{result['cases_per_s']:7.3f} cases/s, {result['new_tokens_per_s']:6.0f} new tokens/s, "
        f"{result['peak_bytes'] / 1e6:.0f} MB",
        flush=True,
    )
    return result


def _told(result: Result) -> Result:
    return {k: v for k, v in result.items() if k not in ("answers", "machine")}


def _equal(what: str, one: Result, other: Result) -> Mapping[str, float]:
    """Share of prompts with the same answer; of twenty titles, also the first, and the first five.

    Weights in bfloat16 round otherwise in another batch, and then near ties fall otherwise.
    """
    pairs = list(zip(one["answers"], other["answers"], strict=True))
    depths = {"first": 1, "first_five": 5, "all": None} if what == "retrieval" else {"all": None}
    return {
        name: sum(a[:depth] == b[:depth] for a, b in pairs) / len(pairs)
        for name, depth in depths.items()
    }


def _print(report: Result) -> None:
    for what in WHATS:
        for batch, share in report[what]["equal_answers"].items():
            print(f"{what}, equal answers at batch {batch}: {share}")
    print(f"ours at batch 1 and 32, equal answers: {report['ours_batch_1_and_32']}")
    print(f"free titles that exist: {report['free_titles_valid_share']:.2f}")
    print(f"explain(): {report['explain']['cases_per_s']:.3f} cases/s")
    trie = report["trie"]
    print(
        f"trie of {trie['titles']:,} titles: {trie['encode_seconds']:.1f} s to encode, "
        f"{trie['build_seconds']:.1f} s to build, {trie['read_seconds']:.2f} s to read"
    )
    for name, value in report["ratios"].items():
        print(f"{name:36} {value:.3g}")


# -- what the processes do: they alone load torch ------------------------------------------------


def _in_process(*asked: Any) -> Result:
    from _answers import Asking, ask

    return ask(Asking(*asked))


def _time_explain(run: Path | None, n_cases: int) -> Result:
    from _answers import time_explain

    return time_explain(run, n_cases)


def _time_trie(run: Path | None, n_titles: int) -> Result:
    from _answers import time_trie

    return time_trie(run, n_titles)


if __name__ == "__main__":
    main()
