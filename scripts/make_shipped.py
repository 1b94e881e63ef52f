"""Make what ships with the package: target, cases, surrogate and its measured figures.

    python scripts/make_shipped.py runs/shipped

Seeded. About an hour on two cores that multiply bfloat16 in hardware: 10 minutes for the
memory, 18 for the training, the rest for the evaluation; several times that without. Killed, it
goes on where it stopped. The last step copies what the demo needs into the package.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from innerview import pipeline

MAX_STEPS = 500


def say(event: pipeline.Event) -> None:
    print(event.stage, event.text, flush=True)


def main(out: Path) -> None:
    settings = pipeline.RunSettings(interactions=None, items=None, out=out)
    pipeline.train_target(settings, say)
    pipeline.label(out, say)
    pipeline.align(out, say, max_steps=MAX_STEPS)
    pipeline.evaluate(out, say)
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
    shutil.copy(run / "report" / "metrics.json", shipped / "metrics.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
