"""Folders by name: a path where there is one, else a repository of a model hub.

Knows names and files, and nothing of what they hold. The hub is asked through ``huggingface_hub``,
as for base models; its own settings (``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, tokens) hold here too.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from innerview.errors import RunError
from innerview.files import whole_folder

__all__ = ["find_folder", "name_on_hub"]

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_FILES = ("target/*", "catalogue.parquet", "surrogate/*", "labels/cases.parquet")
"""What is loaded, of whatever else a repository holds."""
_BASES = {"smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Base models that do not come from a hub, and their names on one."""


def find_folder(name: Path | str, *, revision: str | None = None) -> Path:
    """A folder here, or of the hub's repository of that name, fetched or kept from before.

    Args:
        name: a path, or ``org/name`` if there is no such path.
        revision: of the repository: a branch, a tag, a commit; by default its newest.

    Raises:
        RunError: there is neither, or the hub cannot be reached.
    """
    path = Path(name)
    if path.exists() and revision is None:
        return path
    if isinstance(name, Path) or not _REPOSITORY.fullmatch(name):
        raise RunError(
            f"{name} is missing; give the folder of a run or of an exported surrogate, or the "
            "org/name of one on a hub"
        )
    return _without_links(_snapshot(name, revision), name)


def name_on_hub(base: str) -> str | None:
    """Of a base model; None where it is a folder."""
    name = _BASES.get(base, base)
    return name if _REPOSITORY.fullmatch(name) and not Path(name).exists() else None


def _snapshot(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*_FILES]))
    except Exception as error:  # of many kinds, from several libraries
        raise RunError(
            f"{name} is no folder here, and the hub gives nothing by that name: "
            f"{str(error) or type(error).__name__}; check the name, or fetch the repository where "
            "there is a network and give its folder"
        ) from None


def _without_links(snapshot: Path, name: str) -> Path:
    """The snapshot as plain files. The hub's cache is made of links, and whatever is loaded here
    must not lead out of its folder."""
    files = list(snapshot.rglob("*"))
    if not any(file.is_symlink() for file in files):
        return snapshot
    from innerview.surrogate.base import cache_folder  # which brings torch

    folder = cache_folder() / "hub" / name.replace("/", "--") / snapshot.name
    if not all((folder / file.relative_to(snapshot)).exists() for file in files):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as beside:
            shutil.copytree(snapshot, beside, dirs_exist_ok=True)
    return folder
