"""Files and folders are whole after a kill at any step, and a changed byte shows."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerview.errors import RunError
from innerview.files import (
    BLANK_SEAL,
    discard_folder,
    is_sealed,
    recover_folder,
    room_for,
    seal,
    whole_folder,
    write_whole,
)

KilledEverywhere = Callable[[Callable[[], object]], Iterator[int]]


def _fill(folder: Path, text: str) -> None:
    with whole_folder(folder) as beside:
        (beside / "inner").mkdir()
        for name in ("a", "inner/b"):
            (beside / name).write_text(text)


def _texts(folder: Path) -> set[str]:
    return {(folder / name).read_text() for name in ("a", "inner/b")}


@pytest.mark.parametrize("first", [True, False])
def test_a_folder_is_the_old_or_the_new_one_after_a_kill_at_any_step(
    tmp_path: Path, killed_everywhere: KilledEverywhere, first: bool
) -> None:
    folder, seen = tmp_path / "folder", set()
    if not first:
        _fill(folder, "old")
    for _ in killed_everywhere(lambda: _fill(folder, "new")):
        recover_folder(folder)
        assert folder.exists() or first
        if folder.exists():
            (text,) = _texts(folder)
            seen.add(text)
        discard_folder(folder)
        if not first:
            _fill(folder, "old")
            assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert seen == ({"new"} if first else {"old", "new"})
    assert _texts(folder) == {"new"}


def test_a_folder_that_is_discarded_is_whole_or_gone_after_a_kill_at_any_step(
    tmp_path: Path, killed_everywhere: KilledEverywhere
) -> None:
    folder = tmp_path / "folder"
    _fill(folder, "old")
    for _ in killed_everywhere(lambda: discard_folder(folder)):
        if folder.exists():
            assert _texts(folder) == {"old"}
        else:
            _fill(folder, "old")
    assert not list(tmp_path.iterdir())


def test_a_file_is_the_old_or_the_new_one_after_a_kill_at_any_step(
    tmp_path: Path, killed_everywhere: KilledEverywhere
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    for _ in killed_everywhere(lambda: write_whole(path, lambda p: p.write_text("new"))):
        assert path.read_text() in ("old", "new")
        path.write_text("old")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    _fill(tmp_path / "folder", "old")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "folder") as beside:
        (beside / "a").write_text("new")
        raise ZeroDivisionError
    assert _texts(tmp_path / "folder") == {"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.data())
def test_no_byte_of_what_is_sealed_changes_unseen(
    wire: dict[str, object], data: st.DataObject
) -> None:
    wire.pop("seal", None)
    sealed = seal(json.dumps({**wire, "seal": BLANK_SEAL}, indent=1).encode())
    assert is_sealed(sealed)
    assert seal(sealed) == sealed
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != sealed[at]))
    assert not is_sealed(sealed[:at] + bytes([other]) + sealed[at + 1 :])
    assert not is_sealed(sealed[:at])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_line_with_the_room_needed(number: int) -> None:
    with (
        pytest.raises(RunError, match=r"runs/x: no room for its 2\.5 MB .*make room") as caught,
        room_for(Path("runs/x"), 2_500_000, RunError),
    ):
        raise OSError(number, "full")
    assert "\n" not in str(caught.value)


def test_other_errors_of_the_system_stay_what_they_are() -> None:
    with pytest.raises(PermissionError), room_for(Path("x"), 1, RunError):
        raise PermissionError(errno.EACCES, "no")
