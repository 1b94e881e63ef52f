"""Make what ships with the package: target, cases, surrogate and its measured figures.

    python scripts/make_shipped.py runs/shipped

Seeded. What ships was made on two cores that multiply bfloat16 in hardware: half an hour, and a
quarter for the evaluation; several times that on others. On a GPU it takes some minutes, and the
surrogate sees six times as many examples. Killed, it goes on where it stopped. The last step copies
what the demo needs into the package.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch

from innerview import pipeline
from innerview.alignment.mixture import MixtureSettings
from innerview.surrogate.train import TrainSettings

FIGURES = ("metrics.json", "fidelity.json")
MAX_STEPS = 500
# On a GPU every window is asked three times, in forms and with questions drawn anew.
GPU_STEPS, GPU_PASSES = 137, 3
GPU_TRAINING = {"rows_per_step": 48, "learning_rate": 1e-3, "memory_rows": 9500}


def say(event: pipeline.Event) -> None:
    print(event.stage, event.text, flush=True)


def main(out: Path) -> None:
    settings = pipeline.RunSettings(interactions=None, items=None, out=out)
    pipeline.train_target(settings, say)
    if torch.cuda.is_available():
        pipeline.label(out, say, mixture=MixtureSettings(passes=GPU_PASSES))
        training = TrainSettings(**GPU_TRAINING)
        pipeline.align(out, say, max_steps=GPU_STEPS, settings=training)
    else:
        pipeline.label(out, say)
        pipeline.align(out, say, max_steps=MAX_STEPS)
    pipeline.evaluate(out, say)
    pipeline.fidelity(out, say)
    copy(out, pipeline.shipped_folder())


def copy(run: Path, shipped: Path) -> None:
    """Target, cases, popularity, surrogate and figures; neither records nor checkpoints."""
    shutil.rmtree(shipped, ignore_errors=True)
    shutil.copytree(run / "target", shipped / "target")
    (shipped / "labels").mkdir()
    for name in ("cases.parquet", "popularity.json", "stage.json"):
        shutil.copy(run / "labels" / name, shipped / "labels" / name)
    wanted = json.loads((run / "surrogate" / "manifest.json").read_text())["sha256"]
    for name in ("manifest.json", *wanted):
        (shipped / "surrogate" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run / "surrogate" / name, shipped / "surrogate" / name)
    for name in FIGURES:
        shutil.copy(run / "report" / name, shipped / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
