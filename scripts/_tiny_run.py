"""A run small enough to be killed and damaged hundreds of times: 24 titles, a random base model.

Titles have letters of several bytes, so a line can be torn in the middle of one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the tiny language model lives in the tests

N_ITEMS, WIDTH, N_CASES, N_TEST = 24, 8, 60, 9
STEPS, SHARD = 24, 1


def quiet(event: object) -> None:
    """Say nothing."""


def prepare(run: Path) -> None:
    """Target, cases and records in ``run``; beside it, for its copies too, base model and talk."""
    from tests.surrogate.tiny import tiny_base

    from innerview import pipeline
    from innerview.alignment.cases import Cases, write_cases
    from innerview.alignment.mixture import MixtureSettings
    from innerview.data.tables import Catalogue
    from innerview.targets import Case, Contents, save_bundle
    from innerview.targets.manifest import MeanOfParts
    from innerview.targets.protocol import Capabilities

    rng = np.random.default_rng(0)
    ids = tuple(f"i{i}" for i in range(N_ITEMS))
    titles = tuple(f"Amélie {i} — 千と千尋" if i % 3 else f"Item {i}" for i in range(N_ITEMS))
    vectors = rng.normal(size=(N_ITEMS, WIDTH)).astype(np.float32)
    able = Capabilities(
        vectors=True, rescoring=True, order_sensitive=False, deterministic=True,
        excludes_parts=True, max_parts=5,
    )  # fmt: skip
    catalogue = Catalogue(ids=ids, titles=titles, attributes={}, noun="item")
    contents = Contents("tiny", MeanOfParts(), able, catalogue, catalogue, vectors, vectors)
    cases = [
        Case(f"u{i}", tuple(ids[j] for j in rng.choice(N_ITEMS, size=5, replace=False)))
        for i in range(N_CASES)
    ]
    save_bundle(run / "target", contents, check_cases=cases[:5])
    split = Cases(tuple(cases[N_TEST + 2 :]), tuple(cases[:2]), tuple(cases[2 : N_TEST + 2]))
    write_cases(run / "labels" / "cases.parquet", split)
    mixture = MixtureSettings(windows_per_case=1, prefixes=1, n_prose=6, item_passes=1)
    pipeline.label(run, quiet, mixture=mixture, n_test=2)
    base = tiny_base(layers=12, width=96)  # the fewest and narrowest that can hold a memory
    base.model.save_pretrained(run.parent / "base")
    base.tokenizer.save_pretrained(run.parent / "base")
    pair = {"prompt": "Hello?", "answer": "Hello."}
    (run.parent / "chat.jsonl").write_text(json.dumps(pair) + "\n", encoding="utf-8")


def align(run: Path) -> None:
    """Train, with a checkpoint after every step."""
    import torch

    from innerview import pipeline
    from innerview.surrogate import surrogate, train

    torch.set_num_threads(1)
    small = partial(
        train.TrainSettings, checkpoint_seconds=0.0, rows_per_step=1, lora_rank=4, memory_rows=30
    )
    _set(train, "TrainSettings", small)
    _set(surrogate.Surrogate, "align", partialmethod(surrogate.Surrogate.align, features=32))
    _set(surrogate, "_FEWEST_MEMORY_ROWS", 1)
    base, chat = str(run.parent / "base"), run.parent / "chat.jsonl"
    pipeline.align(run, quiet, base=base, chat=chat, max_steps=STEPS)


def explain(run: Path) -> Path:
    """Explain all test cases, one at a time."""
    import torch

    from innerview import pipeline
    from innerview.alignment.cases import read_cases
    from innerview.pipeline import _report
    from innerview.surrogate import surrogate

    torch.set_num_threads(1)
    _set(surrogate, "_PROSE_TOKENS", 8)
    _set(_report, "_SHARD", SHARD)
    return pipeline.explain(run, quiet, case_ids=[case.case_id for case in read_cases(run).test])


def watch_saves(tell: Callable[[bytes], object]) -> None:
    """Say ``[`` when something begins to be saved, ``]`` when it is."""
    from innerview.pipeline._shards import Shards
    from innerview.surrogate import surrogate, train

    for owner, name in (
        (train, "write_checkpoint"),
        (train, "append_log"),
        (surrogate, "write_whole"),
        (surrogate.Surrogate, "save"),
        (Shards, "add"),
    ):
        _set(owner, name, _announced(getattr(owner, name), tell))


def _announced(save: Callable[..., Any], tell: Callable[[bytes], object]) -> Callable[..., Any]:
    def announced(*args: Any, **settings: Any) -> Any:
        tell(b"[")
        found = save(*args, **settings)
        tell(b"]")
        return found

    return announced


def _set(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)
