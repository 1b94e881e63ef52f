"""A file of lines that a killed run can go on with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from innerview.errors import RunError
from innerview.files import room_for, write_whole

__all__ = ["Shards"]


class Shards:
    """A file that grows by whole shards, whatever cuts one off.

    What is asked together can differ in the last digit from what is asked apart. So the file of a
    killed run is cut back to the end of its last whole shard, which is noted beside it; the run
    then goes on with the shards of one that was never killed, to the same bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.note = path, path.with_name(f".{path.name}.whole")
        data = path.read_bytes() if path.exists() else b""
        try:
            size = int(self.note.read_bytes())
        except (OSError, ValueError):
            size = len(data)
        whole = data[:size].rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        self._mark(whole)

    def _mark(self, size: int) -> None:
        write_whole(self.note, lambda beside: beside.write_text(str(size), encoding="ascii"))

    def add(self, lines: Sequence[str]) -> None:
        """Append a shard.

        Raises:
            RunError: there is no room for it.
        """
        data = "".join(f"{line}\n" for line in lines).encode()
        with room_for(self.path, len(data), RunError):
            with self.path.open("ab") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            self._mark(self.path.stat().st_size)

    def finish(self) -> None:
        """Nothing is cut off a file that is complete."""
        self.note.unlink(missing_ok=True)
