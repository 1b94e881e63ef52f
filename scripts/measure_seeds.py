"""How far the skill of explainers that draw at random moves from seed to seed.

    python scripts/measure_seeds.py runs/mine --seeds 0,1,2 --out docs/results/NAME/seeds.json

Everybody who needs no language model explains the same cases anew with every seed: Shapley's
orders of parts, the random subsets that LIME and boosted trees are fitted to, what the learned mask
starts from, chance, and the controls. The run itself is left as it is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from innerview.evaluation.results import read_metrics
from innerview.pipeline import Event, fidelity


def skills_of(run: Path, seed: int, n_cases: int) -> dict[str, dict[str, float]]:
    """The skills of each explainer, with one seed."""

    def say(event: Event) -> None:
        print(f"seed {seed}: {event.text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        for name in ("target", "labels"):
            shutil.copytree(run / name, Path(scratch) / name)
        path = fidelity(Path(scratch), say, n_cases=n_cases, unaligned=False, seed=seed)
        told = read_metrics(path)["fidelity"]
    return {
        name: {m: figure.value for m, figure in own.items() if m.endswith("_skill")}
        for name, own in told.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--cases", type=int, default=1600)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    found = [skills_of(asked.run, seed, asked.cases) for seed in seeds]
    skills = {
        name: {m: [round(each[name][m], 4) for each in found] for m in own}
        for name, own in found[0].items()
    }
    told = {"seeds": seeds, "n_cases": asked.cases, "skills": skills}
    asked.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
