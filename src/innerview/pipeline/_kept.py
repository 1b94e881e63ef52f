"""What a stage has found so far, so that one that was killed, or is asked for more, goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from innerview.pipeline._shards import Shards

__all__ = ["Kept"]


class Kept:
    """A file of findings by name, each written once it is whole.

    Args:
        path: of the file; its folder is made. What was found from something else is thrown away.
        made_from: digest of all that the findings depend on.
    """

    def __init__(self, path: Path, made_from: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._found = _read(path, made_from)
        if self._found is None:
            path.unlink(missing_ok=True)
            path.with_name(f".{path.name}.whole").unlink(missing_ok=True)
        self._shards = Shards(path)
        if self._found is None:
            self._found = {}
            self._shards.add([json.dumps({"made_from": made_from})])

    def get(self, name: str, find: Callable[[], Any]) -> Any:
        """What is kept under a name; if nothing is, it is found now, and kept.

        Args:
            name: of the finding.
            find: returns what JSON can hold. Lists come back as tuples, found now or before.

        Raises:
            RunError: there is no room for it.
        """
        assert self._found is not None
        if name not in self._found:
            line = json.dumps({"name": name, "found": find()}, ensure_ascii=False)
            self._shards.add([line])
            self._found[name] = _tuples(json.loads(line)["found"])
        return self._found[name]


def _read(path: Path, made_from: str) -> dict[str, Any] | None:
    """By name; None, where the file is missing or of something else. Of a file that was cut off,
    what is whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    whole = data[: data.rfind(b"\n") + 1].splitlines()
    try:
        first, *lines = [json.loads(line) for line in whole]
        if first != {"made_from": made_from}:
            return None
        return {line["name"]: _tuples(line["found"]) for line in lines}
    except (ValueError, KeyError, TypeError):
        return None  # damaged: it is found anew


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(one) for one in value)
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return value
