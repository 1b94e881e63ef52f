"""Kill a training and a batch explanation again and again, and compare what comes out in the end.

    python scripts/kill_test.py --kills 50

A process trains a tiny language model, with a checkpoint after every step, and is ended by SIGKILL
at seeded random moments, half of them inside a save; another goes on, until the training is done.
Weights and log must be those of a training that was never killed. The same is then done to
``innerview explain`` over all test cases, whose file must have the same bytes. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import _tiny_run as tiny

Work = Callable[[Path], object]
Outcome = Callable[[Path], object]
_SAVE_S = {"training": 0.012, "explanation": 0.001}
"""What a save takes, about."""
JOBS: dict[str, Work] = {"training": tiny.align, "explanation": tiny.explain}


@dataclass
class Counts:
    """What happened to one kind of work."""

    kills: int = 0
    kills_inside_saves: int = 0
    restarts: int = 0
    rounds: int = 0
    """Times the work was done, to the end."""
    equal: bool = True
    seconds: float = 0.0


def trained(run: Path) -> object:
    """What a training leaves: hashes of the weights, and the log without what the clock says."""
    manifest = json.loads((run / "surrogate" / "manifest.json").read_bytes())
    lines = (run / "surrogate" / "training.jsonl").read_bytes().splitlines()
    log = [(line["step"], line["task_loss"]) for line in map(json.loads, lines)]
    last = manifest["training"]["last_task_loss"]
    return manifest["sha256"], manifest["memory"], last, log


def explained(run: Path) -> object:
    """What a batch explanation leaves: files and their hashes."""
    files = sorted((run / "explanations").iterdir())
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def child(work: Work, run: Path, tell: int) -> None:
    """Do the work in a forked process, and leave it."""
    code = 1
    try:
        from innerview.cli._quiet import quiet
        from innerview.errors import InnerviewWarning

        quiet()
        warnings.simplefilter("error", InnerviewWarning)  # a kill damages nothing
        tiny.watch_saves(lambda mark: os.write(tell, mark))
        work(run)
        code = 0
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def attempt(work: Work, run: Path, patience: float, *, save: int | None) -> tuple[bool, bool]:
    """Start the work and kill it.

    Args:
        work: what to do.
        run: where.
        patience: seconds to wait before the kill, from the start or from the beginning of a save.
        save: which save to wait for first; None: none.

    Returns:
        Whether it was killed, not done before; and whether that was inside a save.
    """
    heard, tell = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(heard)
        child(work, run, tell)
    os.close(tell)
    marks = b""
    while save is not None and marks.count(b"[") < save and (mark := os.read(heard, 1)):
        marks += mark
    deadline = time.monotonic() + patience
    done = False
    while not done and (left := deadline - time.monotonic()) > 0:
        if select.select([heard], [], [], left)[0]:
            mark = os.read(heard, 1)
            marks, done = marks + mark, not mark
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(heard, "rb") as rest:
        marks += rest.read()
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"{run}: the work itself failed; see above")
    return os.WIFSIGNALED(status), marks.count(b"[") > marks.count(b"]")


def whole(name: str, run: Path) -> float:
    """Do the work in a fresh interpreter that nobody kills; seconds."""
    began = time.monotonic()
    subprocess.run([sys.executable, __file__, "--once", name, str(run)], check=True)
    return time.monotonic() - began


def torture(name: str, given: Path, kills: int, rng: random.Random, outcome: Outcome) -> Counts:
    """Kill one kind of work so many times."""
    counts, began = Counts(), time.monotonic()
    run = given.parent / f"{name}-whole"
    shutil.copytree(given, run)
    whole(name, run)
    wanted = outcome(run)
    while counts.kills < kills:
        counts.rounds += 1
        run = given.parent / f"{name}-{counts.rounds}"
        shutil.copytree(given, run)
        for attempts in range(10_000):
            counts.restarts += attempts > 0
            aimed = 2 * counts.kills_inside_saves <= counts.kills
            # A first attempt fits the memory as well, which takes longer than all the rest.
            longest = _SAVE_S[name] if aimed else 2 if attempts else 6
            patience = rng.uniform(0, longest)
            if counts.kills >= kills:
                patience, aimed = 1e6, False
            save = rng.randint(1, 3) if aimed else None
            killed, inside = attempt(JOBS[name], run, patience, save=save)
            counts.kills += killed
            counts.kills_inside_saves += killed and inside
            if not killed:
                break
        if outcome(run) != wanted:
            counts.equal = False
            print(f"{run} differs from {given.parent / f'{name}-whole'}", file=sys.stderr)
    counts.seconds = round(time.monotonic() - began, 1)
    return counts


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--kills", type=int, default=50, help="of each kind of work")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--json", type=Path, help="write the counts here as well")
    options.add_argument("--once", nargs=2, metavar=("WORK", "RUN"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.once:
        JOBS[given.once[0]](Path(given.once[1]))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="kill-test-"))
    run = folder / "run"
    subprocess.run([sys.executable, __file__, "--once", "preparation", str(run)], check=True)
    # Loaded once and forked, so that a restart takes a second; nothing has computed in here.

    import innerview.explainer
    import innerview.surrogate.surrogate  # noqa: F401

    rng = random.Random(given.seed)
    found: dict[str, Counts] = {}
    for name, start, outcome in (
        ("training", run, trained),
        ("explanation", folder / "training-whole", explained),
    ):
        counts = found[name] = torture(name, start, given.kills, rng, outcome)
        told = (f"{key.replace('_', ' ')} {value}" for key, value in asdict(counts).items())
        line = f"{name}: {', '.join(told)}".replace("True", "yes").replace("False", "no")
        print(line, flush=True)
    if given.json:
        result = {name: asdict(counts) for name, counts in found.items()}
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    equal = all(counts.equal for counts in found.values())
    if equal:
        shutil.rmtree(folder)
    return 0 if equal else 1


JOBS["preparation"] = tiny.prepare

if __name__ == "__main__":
    sys.exit(main())
