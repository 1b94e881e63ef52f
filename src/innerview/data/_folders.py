"""Finding the files of a data set in a folder, plain or gzipped. Knows names, not contents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from innerview.data._rows import listed
from innerview.errors import DataError


def plain_name(path: Path) -> str:
    """The name of a file without its .gz."""
    return path.name.removesuffix(".gz")


def names_in(folder: Path) -> set[str]:
    """The names of the files in a folder, without .gz.

    Raises:
        DataError: the folder cannot be listed.
    """
    return {plain_name(path) for path in _files(folder)}


def find(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that exists, plain before gzipped."""
    candidates = (folder / f"{name}{end}" for name in names for end in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def require(folder: Path, name: str, dataset: str) -> Path:
    """A file of a data set.

    Raises:
        DataError: the path is no folder, or the file is not in it.
    """
    if not folder.is_dir():
        raise DataError(f"not a folder; {dataset} needs the folder that holds {name}", path=folder)
    path = find(folder, [name])
    if path is None:
        raise DataError(
            f"no {name} or {name}.gz in this folder, which has "
            f"{listed(sorted(names_in(folder)), 8)}; {dataset} needs it",
            path=folder,
        )
    return path


def the_one(folder: Path, matches: Callable[[str], bool], what: str) -> Path:
    """The only file in a folder whose plain name matches.

    Raises:
        DataError: there is none, or more than one.
    """
    found = [path for path in _files(folder) if matches(plain_name(path))]
    if len(found) != 1:
        which = listed(path.name for path in found) if found else "none"
        raise DataError(
            f"one {what} is needed in this folder, found {which}; name both files instead",
            path=folder,
        )
    return found[0]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise DataError(
            f"cannot be listed: {error.strerror}; check the path", path=folder
        ) from None
