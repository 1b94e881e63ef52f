"""Files that outlive a kill: there whole or not at all, and damage to them shows.

Knows bytes, hashes and folders, and nothing of what they hold.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from innerview.errors import InnerviewError

__all__ = [
    "BLANK_SEAL",
    "discard_folder",
    "is_sealed",
    "recover_folder",
    "room_for",
    "seal",
    "sha256_of",
    "whole_folder",
    "write_whole",
]

BLANK_SEAL = "0" * 64
"""Stands where ``seal`` is to put the hash."""
_SEAL = re.compile(rb'"seal": ?"([0-9a-f]{64})"')
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk, the user's share of it, or the largest file that is allowed."""


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(data: bytes) -> bytes:
    """Put a hash of everything into the field ``seal`` of JSON, or of a safetensors header.

    The hash is that of the bytes with a blank seal, so whoever holds the file can check it.
    """
    found = _SEAL.search(data)
    assert found is not None, "nothing to seal: there is no field for it"
    return data[: found.start(1)] + _hash_without(data, found) + data[found.end(1) :]


def is_sealed(data: bytes) -> bool:
    """Whether no byte has changed since ``seal``."""
    found = _SEAL.search(data)
    return found is not None and found[1] == _hash_without(data, found)


def _hash_without(data: bytes, found: re.Match[bytes]) -> bytes:
    digest = hashlib.sha256(data[: found.start(1)])
    digest.update(BLANK_SEAL.encode())
    digest.update(memoryview(data)[found.end(1) :])
    return digest.hexdigest().encode()


@contextmanager
def room_for(place: Path, n_bytes: int, error: Callable[[str], InnerviewError]) -> Iterator[None]:
    """Say in one line that there is no room, and how much is needed.

    Args:
        place: the file or folder that is written.
        n_bytes: that it takes, about; 0 where that is not known.
        error: its kind.
    """
    try:
        yield
    except OSError as full:
        if full.errno not in _FULL:
            raise
        what = f"its {n_bytes / 1e6:.1f} MB" if n_bytes else "it"
        raise error(
            f"{place}: no room for {what} ({full.strerror}); make room and "
            "start again: it goes on from what is complete"
        ) from None


def write_whole(path: Path | str, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path``, sync it, and rename it into place.

    Args:
        path: of the file; its folder is made.
        write: fills the file it is given.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path, "part")
    try:
        write(beside)
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill. Once it is, it is synced and takes the place of ``folder``.

    Its name is fixed, so the next one clears away what a kill has left of it.
    """
    beside = _beside(folder, "part")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        for path in (*beside.rglob("*"), beside):
            _sync(path)
        _replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace(beside: Path, folder: Path) -> None:
    """Two renames: no system call that works everywhere swaps folders at once. A kill between them
    is what ``recover_folder`` is for."""
    recover_folder(folder)
    old = _beside(folder, "old")
    shutil.rmtree(old, ignore_errors=True)
    replaced = folder.exists()
    if replaced:
        folder.rename(old)
    try:
        beside.rename(folder)
    except OSError:
        if replaced:
            old.rename(folder)
        raise
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Put a folder back that a kill found on its way out, before the new one was in its place."""
    if not folder.exists() and _beside(folder, "old").exists():
        _beside(folder, "old").rename(folder)


def discard_folder(folder: Path) -> None:
    """Remove a folder, out of the way first: what a kill leaves of it is never taken for whole."""
    gone = _beside(folder, "gone")
    shutil.rmtree(gone, ignore_errors=True)
    if folder.exists():
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}")


def _sync(path: Path) -> None:
    """A file's bytes, or a folder's names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
