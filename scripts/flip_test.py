"""Damage files in every way that disks do, and see that each damage is found and named.

    python scripts/flip_test.py --flips 200

Flips single bits, changes single bytes, cuts and empties files, removes them and empties folders:
in a checkpoint, the memory of a training, a saved surrogate, a target bundle and a kept trie. What
is read must then be refused with one line that names the file or its folder, or be passed over with
such a line. At last the disk is full, by a limit on the size of files. Exit code 1 if anything goes
unseen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch

import _tiny_run as tiny
from innerview.errors import InnerviewError, InnerviewWarning
from innerview.pipeline._align import TrainingGroups
from innerview.pipeline._shards import Shards
from innerview.surrogate import surrogate as surrogate_module
from innerview.surrogate.base import load_base
from innerview.surrogate.checkpoint import read_checkpoint, write_checkpoint
from innerview.surrogate.surrogate import Surrogate
from innerview.surrogate.train import TrainSettings
from innerview.surrogate.trie import kept_trie
from innerview.targets import load_bundle
from innerview.targets.files import write_folder

Use = Callable[[Path], object]
Way = Callable[[Path, random.Random], None]
SMALL = 64
"""Bytes a file may have when the disk is full."""


def flip(path: Path, rng: random.Random) -> None:
    _change(path, rng, lambda byte: byte ^ (1 << rng.randrange(8)))


def change(path: Path, rng: random.Random) -> None:
    _change(path, rng, lambda byte: (byte + rng.randrange(1, 256)) % 256)


def _change(path: Path, rng: random.Random, new: Callable[[int], int]) -> None:
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data))
    data[at] = new(data[at])
    path.write_bytes(data)


def cut(path: Path, rng: random.Random) -> None:
    os.truncate(path, rng.randrange(path.stat().st_size))


def empty(path: Path, rng: random.Random) -> None:
    os.truncate(path, 0)


def remove(path: Path, rng: random.Random) -> None:
    path.unlink()


def empty_folder(path: Path, rng: random.Random) -> None:
    for other in path.parent.iterdir():
        shutil.rmtree(other) if other.is_dir() else other.unlink()


WAYS = (flip, flip, flip, change, change, cut, empty, remove, empty_folder)
"""How often each is drawn."""


def said(use: Use, folder: Path) -> list[str]:
    """The errors and warnings of using a folder."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InnerviewWarning)
        try:
            use(folder)
        except InnerviewError as error:
            return [str(error)]
    return [str(w.message) for w in caught if issubclass(w.category, InnerviewWarning)]


def damage(
    given: Path, use: Use, files: list[str], ways: list[Way], rng: random.Random
) -> str | None:
    """Damage one file of a copy; what went wrong, or None where the damage was found and named."""
    way, name = rng.choice(ways), rng.choice(files)
    folder = given.with_name(f"{given.name}-damaged")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(given, folder)
    way(folder / name, rng)
    try:
        found = said(use, folder)
    except Exception as error:
        return f"{way.__name__} {name}: {error!r}"
    named = [m for m in found if folder.name in m or Path(name).name in m]
    if not named or any("\n" in message for message in found):
        return f"{way.__name__} {name}: said {found}"
    return None


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes; the system answers as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def no_room(work: Path, save: Callable[[], object]) -> str | None:
    """What went wrong with a save on a full disk; None where it left things as they were."""
    before = sorted(work.rglob("*"))
    try:
        with full_disk():
            save()
        return "nothing was said"
    except InnerviewError as error:
        if "no room for its" not in str(error) or "\n" in str(error):
            return str(error)
    after = sorted(work.rglob("*"))
    return f"left {sorted(set(after) ^ set(before))}" if after != before else None


def made(work: Path) -> tuple[Surrogate, dict[Path, Use]]:
    """A surrogate, and everything that is written on the way to it, each with what reads it."""
    run = work / "run"
    tiny.prepare(run)
    target = load_bundle(run / "target")
    surrogate = Surrogate(load_base(str(work / "base")), target, lora_rank=4)
    settings = TrainSettings(
        max_steps=2, rows_per_step=1, checkpoint_seconds=0.0, lora_rank=4, memory_rows=120
    )
    groups = TrainingGroups(run / "records" / "train" / "records.parquet")
    surrogate.align(groups, settings, folder=work / "training", features=32)
    surrogate.save(work / "surrogate", provenance={})
    ids, titles = target.outcomes.ids, target.outcomes.titles

    def trie(folder: Path) -> None:
        kept_trie(folder, ids, titles, tokenizer="bytes", tokens_of=str.encode)

    def checkpoint(folder: Path) -> None:
        state = read_checkpoint(folder, surrogate.model)
        assert state is not None, "the older of the two is whole"
        assert state.step == (2 if folder.name == "training" else 1)

    def memory(folder: Path) -> None:
        surrogate.memorize([], kept=folder / "memory.safetensors")

    trie(work / "tries")
    shutil.copytree(work / "training", work / "memory")
    return surrogate, {
        work / "training": checkpoint,
        work / "memory": memory,
        work / "surrogate": lambda folder: Surrogate.load(folder, target),
        run / "target": load_bundle,
        work / "tries": trie,
    }


def files_of(folder: Path) -> list[str]:
    """What is damaged there: all files, but of a training its newest checkpoint or its memory."""
    pattern = {"training": "checkpoint-*2/*", "memory": "memory.safetensors"}.get(
        folder.name, "**/*"
    )
    return sorted(str(f.relative_to(folder)) for f in folder.glob(pattern) if f.is_file())


def full(work: Path, surrogate: Surrogate, optimizer: torch.optim.Optimizer) -> dict[str, str]:
    """What went wrong with each save on a full disk."""
    kept, lines = work / "training", ["x" * SMALL] * 2
    shards = Shards(work / "explanations" / "x.jsonl")
    shards.add(["whole"])

    def checkpoint() -> None:
        write_checkpoint(kept, surrogate.model, optimizer, step=3, max_steps=9, seconds=0.0)

    def memory() -> None:
        surrogate.memorize([], kept=work / "other" / "memory.safetensors")

    def bundle() -> None:
        files = {"vectors.safetensors": bytes(2 * SMALL)}
        write_folder(work / "run" / "target", files, overwrite=True)

    (work / "other").mkdir()
    saves: dict[str, Callable[[], object]] = {
        "checkpoint": checkpoint,
        "memory": memory,
        "surrogate": lambda: surrogate.save(work / "surrogate", provenance={}),
        "target bundle": bundle,
        "explanations": lambda: shards.add(lines),
    }
    wrong = {name: no_room(work, save) for name, save in saves.items()}
    again = Shards(shards.path)
    again.finish()
    if shards.path.read_text() != "whole\n":
        wrong["explanations"] = "a part of a shard stayed"
    return {name: what for name, what in wrong.items() if what}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--flips", type=int, default=200, help="in each of the five")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--json", type=Path, help="write the counts here as well")
    given = options.parse_args()
    torch.set_num_threads(1)
    work = Path(tempfile.mkdtemp(prefix="flip-test-"))
    rng, counts, missed = random.Random(given.seed), {}, []
    surrogate_module._FEWEST_MEMORY_ROWS = 1
    surrogate, uses = made(work)
    for folder, use in uses.items():
        files, seen = files_of(folder), 0
        # A trie that is not there is built, and in an empty folder a training begins.
        silent = {"tries": [remove, empty_folder], "memory": [empty_folder]}.get(folder.name, [])
        ways = [way for way in WAYS if way not in silent]
        for _ in range(given.flips):
            wrong = damage(folder, use, files, ways, rng)
            seen += wrong is None
            missed += [f"{folder.name}: {wrong}"] if wrong else []
        counts[folder.name] = {"detected": seen, "undetected": given.flips - seen}
        print(f"{folder.name}: {seen} detected, {given.flips - seen} undetected", flush=True)
    for folder, use in uses.items():
        use(folder)  # whole, as they were all the time
    adapters = [p for n, p in surrogate.model.named_parameters() if "lora" in n]
    wrong_saves = full(work, surrogate, torch.optim.AdamW(adapters))
    missed += [f"full disk, {name}: {what}" for name, what in wrong_saves.items()]
    print(f"full disk: {5 - len(wrong_saves)} of 5 kinds of saves refused in one line, and undone")
    for each in missed:
        print(each, file=sys.stderr)
    if given.json:
        result = {**counts, "full_disk": {"saves": 5, "wrong": len(wrong_saves)}}
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(work)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
