"""What every stage shares: settings, progress, and the mark that says it is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from innerview.data import ArrowTable
from innerview.files import write_whole
from innerview.targets.protocol import Target

__all__ = ["Event", "RunSettings", "Say", "digest", "finish", "is_current", "write_json"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run is made from."""

    interactions: Path | ArrowTable | None
    """None: the data set that comes with the package."""
    items: Path | ArrowTable | None
    out: Path
    format: Literal["auto", "table", "movielens", "movietweetings", "amazon", "compact"] = "auto"
    user_col: str = "user_id"
    item_col: str = "item_id"
    time_col: str | None = "timestamp"
    rating_col: str | None = None
    title_col: str = "title"
    noun: str = "item"
    target: str | Target = "als"
    """``als``, ``sasrec``, the path of a target's folder, or a target of this process."""
    split: Literal["auto", "last", "random"] = "auto"
    """``auto``: random for targets that know no order, last for those that do."""
    k_core: int = 5
    base: str = "smollm2-135m-instruct"
    chat: Path | None = None
    """JSONL of ``prompt`` and ``answer``; without it the base model answers ours itself."""
    time_budget_s: float = 1500.0
    n_explain: int = 20
    n_test: int = 400
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell whoever waits: the stage, a line, how much of it is done."""

    stage: str
    text: str
    fraction: float | None = None


Say = Callable[[Event], None]


def digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def is_current(folder: Path, made_from: str, *, key: str = "made_from") -> bool:
    """Whether a stage's folder is complete and was made from the very same; ``key`` names the
    part of it that is asked about."""
    try:
        done = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(done.get(key) == made_from)


def finish(folder: Path, made_from: str, **more: Any) -> None:
    """Mark a stage complete; written last, so a killed stage never counts."""
    write_json(folder / "stage.json", {"made_from": made_from, **more})


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, default=str, ensure_ascii=False)
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))
