"""The log of a training: one JSON line a report, and each step once after any number of kills."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innerview.errors import SurrogateError
from innerview.files import room_for, write_whole

__all__ = ["append_log", "cut_log"]


def append_log(path: Path, report: Mapping[str, Any]) -> None:
    """Add a report, which has its ``step``, and sync it: a checkpoint must not be ahead of the log.

    Raises:
        SurrogateError: there is no room for it.
    """
    line = json.dumps(report).encode() + b"\n"
    with room_for(path, len(line), SurrogateError), path.open("ab") as log:
        log.write(line)
        log.flush()
        os.fsync(log.fileno())


def cut_log(path: Path, step: int) -> dict[str, Any]:
    """Drop what a training that goes on from ``step`` will report again, and a torn last line.

    Returns the last report that stays; empty if none does.
    """
    if not path.exists():
        return {}
    before = path.read_bytes()
    kept: dict[int, bytes] = {}
    for line in before.splitlines(keepends=True):
        try:
            at = int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue
        if at <= step and line.endswith(b"\n"):
            kept[at] = line
    after = b"".join(kept.values())
    if after != before:
        write_whole(path, lambda beside: beside.write_bytes(after))
    return dict(json.loads(list(kept.values())[-1])) if kept else {}
