"""The manifest of a saved surrogate: what it was made from, and the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from innerview.errors import SurrogateError
from innerview.files import BLANK_SEAL, is_sealed, seal, sha256_of

__all__ = ["VERSION", "fingerprint_of", "read_manifest", "sealed_manifest"]

VERSION = 7
"""5: what is read in a memory knows lengths; 4: it looks titles up by keys."""


def sealed_manifest(manifest: Mapping[str, Any]) -> bytes:
    """The text of a manifest, with a hash of itself: what it says must not change unseen either."""
    unsealed = {**manifest, "seal": BLANK_SEAL}
    return seal(json.dumps(unsealed, indent=1, ensure_ascii=False).encode())


def fingerprint_of(manifest: Mapping[str, Any]) -> str:
    """Hash of the trained files that a manifest names, or of nothing where it names none."""
    return hashlib.sha256(
        json.dumps(manifest.get("sha256", {}), sort_keys=True).encode()
    ).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a saved surrogate, all of whose files are what they were when it was saved.

    Raises:
        SurrogateError: names the file that is missing, changed or of another version.
    """
    path, anew = folder / "manifest.json", f"remove {folder} and align the surrogate anew"
    try:
        data = path.read_bytes()
        manifest: dict[str, Any] = json.loads(data)
        version, hashes = manifest["version"], dict(manifest["sha256"])
        base, target, rank = manifest["base"], manifest["target"], manifest["lora_rank"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SurrogateError(f"{path} is no manifest of a surrogate: {error!r}; {anew}") from None
    if version != VERSION:
        raise SurrogateError(
            f"{path} has version {version!r}; this Innerview reads {VERSION}; {anew}"
        )
    if not is_sealed(data):
        raise SurrogateError(f"{path} was changed since it was saved; {anew}")
    if not (isinstance(base, str) and isinstance(target, str) and isinstance(rank, int)):
        raise SurrogateError(f"{path}: base, target or lora_rank has the wrong type")
    for name, wanted in hashes.items():
        file = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or file.is_symlink():
            raise SurrogateError(f"{path} names a file outside its folder: {name!r}")
        if not file.is_file() or sha256_of(file) != wanted:
            raise SurrogateError(f"{file} is missing or changed since it was saved; {anew}")
    return manifest
