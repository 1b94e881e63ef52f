"""Evidence for many cases, beside the rate at which the target alone scores as many variants.

    python benchmarks/evidence.py --cases 10000 --lengths 50 --json evidence.json
    python benchmarks/evidence.py --lengths 10,20,50

Targets are an ALS fold-in and a SASRec of random weights over random titles: what a query costs
does not depend on what it says. docs/benchmarks.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from _process import Result, in_own_process, write_json

if TYPE_CHECKING:
    from innerview.targets import Target
    from innerview.targets.manifest import EncoderSpec

WIDTH, KINDS = 32, ("als", "sasrec")
AT_ONCE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument(
        "--lengths", type=lambda text: [int(n) for n in text.split(",")], default=[10, 20, 50],
        help="parts of a case",
    )  # fmt: skip
    parser.add_argument("--outcomes", type=int, default=2000)
    parser.add_argument("--targets", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: Result = {"ratios": {}, "evidence": {}}
    for kind in options.targets:
        for length in options.lengths:
            found = in_own_process(measure, kind, length, options.cases, options.outcomes)
            report["evidence"][f"{kind}_{length}"] = found
            report["ratios"][f"{kind}_{length}_of_batched_rate"] = found["share_of_batched_rate"]
            print(
                f"{kind:7} {length:3} parts: {found['cases_per_s']:6.1f} cases/s, "
                f"{found['queries_per_case']:.0f} queries each; {found['queries_per_s']:.0f} "
                f"queries/s are {found['share_of_batched_rate']:.2f} of the "
                f"{found['batched_queries_per_s']:.0f}/s that the target alone answers; "
                f"{found['peak_bytes'] / 1e6:.0f} MB",
                flush=True,
            )
    if options.json:
        write_json(options.json, report)


def measure(kind: str, length: int, n_cases: int, n_outcomes: int) -> Result:
    """Evidence and the target alone by turns, on the same cases, so that both meet the same
    machine."""
    import numpy as np

    from innerview.explanation._ask import first_outcomes
    from innerview.explanation.evidence import measure_many
    from innerview.targets import Case

    target = (random_als if kind == "als" else random_sasrec)(n_outcomes, length)
    rng = np.random.default_rng(1)
    ids = np.array(target.outcomes.ids)
    cases = [
        Case(f"c{at}", tuple(ids[rng.choice(n_outcomes, size=length, replace=False)].tolist()))
        for at in range(n_cases)
    ]
    spent, queries, alone, answered = 0.0, 0, 0.0, 0
    for start in range(0, n_cases, AT_ONCE):
        chunk = cases[start : start + AT_ONCE]
        firsts = first_outcomes(target, [(case, case) for case in chunk])
        pairs = list(zip(chunk, firsts, strict=True))
        before, began = target.queries.used, time.perf_counter()
        list(measure_many(pairs, target))
        spent += time.perf_counter() - began
        queries += target.queries.used - before
        variants = [case.without([part]) for case in chunk for part in case.parts][:2048]
        began = time.perf_counter()
        for at in range(0, len(variants), 1024):
            target.score(variants[at : at + 1024])
        alone += time.perf_counter() - began
        answered += len(variants)
    return {
        "cases": n_cases,
        "outcomes": n_outcomes,
        "seconds": spent,
        "cases_per_s": n_cases / spent,
        "queries_per_case": queries / n_cases,
        "queries_per_s": queries / spent,
        "batched_queries_per_s": answered / alone,
        "share_of_batched_rate": queries / spent * alone / answered,
    }


def random_als(n_outcomes: int, length: int) -> Target:
    from innerview.targets.manifest import AlsFoldIn

    return _bundle(n_outcomes, length, AlsFoldIn(alpha=40.0, regularization=1.0))


def random_sasrec(n_outcomes: int, length: int) -> Target:
    """Two layers of causal attention with one head, as in SASRec; exported as its bundles are."""
    import torch

    from innerview.targets.manifest import OnnxEncoder
    from innerview.targets.onnx_export import export_encoder

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into = torch.nn.Linear(WIDTH, 3 * WIDTH)
            self.feed = torch.nn.Sequential(
                torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, WIDTH)
            )
            self.norms = torch.nn.ModuleList([torch.nn.LayerNorm(WIDTH) for _ in range(2)])

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            q, k, v = self.into(self.norms[0](x)).chunk(3, dim=-1)
            x = x + torch.softmax(q @ k.transpose(1, 2) / WIDTH**0.5 + mask, dim=-1) @ v
            return x + torch.as_tensor(self.feed(self.norms[1](x)))

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.items = torch.nn.Embedding(n_outcomes + 1, WIDTH)
            self.places = torch.nn.Parameter(torch.randn(length, WIDTH))
            self.layers = torch.nn.ModuleList([Layer(), Layer()])
            self.register_buffer("mask", torch.full((length, length), -1e9).triu(1))

        def forward(self, parts: torch.Tensor) -> torch.Tensor:
            x = self.items(parts) + self.places
            for layer in self.layers:
                x = layer(x, self.mask)
            return torch.as_tensor(x[:, -1, :])

    torch.manual_seed(0)
    onnx = export_encoder(Encoder().eval(), session_length=length)
    return _bundle(n_outcomes, length, OnnxEncoder(session_length=length), onnx)


def _bundle(n_outcomes: int, length: int, spec: EncoderSpec, onnx: bytes | None = None) -> Target:
    import numpy as np

    from innerview.targets import BundleTarget, Contents
    from innerview.targets.protocol import Capabilities
    from innerview.testing import small_catalogue

    vectors = np.random.default_rng(0).normal(size=(n_outcomes, WIDTH)).astype(np.float32)
    outcomes = small_catalogue(n_outcomes)
    able = Capabilities(
        vectors=True, rescoring=True, order_sensitive=onnx is not None, deterministic=True,
        excludes_parts=True, max_parts=length,
    )  # fmt: skip
    return BundleTarget(Contents(spec.kind, spec, able, outcomes, outcomes, vectors, vectors, onnx))


if __name__ == "__main__":
    main()
