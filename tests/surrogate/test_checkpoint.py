"""What is left of a training after kills, damage and a full disk."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from innerview.errors import InnerviewWarning, SurrogateError
from innerview.surrogate.checkpoint import read_checkpoint, write_checkpoint
from innerview.surrogate.log import append_log, cut_log
from innerview.surrogate.surrogate import Surrogate

KilledEverywhere = Callable[[Callable[[], object]], Iterator[int]]


@pytest.fixture
def save(surrogate: Surrogate, tmp_path: Path) -> Callable[[int], None]:
    """Writes a checkpoint in which everything trained equals its step."""
    adapters = [p for n, p in surrogate.model.named_parameters() if "lora" in n]
    optimizer = torch.optim.AdamW(adapters)

    def write(step: int) -> None:
        with torch.no_grad():
            for parameter in adapters:
                parameter.fill_(step)
        surrogate.model.task_loss = {"interest": [float(step)]}
        write_checkpoint(tmp_path, surrogate.model, optimizer, step=step, max_steps=9, seconds=1.5)

    return write


@pytest.fixture
def read(surrogate: Surrogate, tmp_path: Path) -> Callable[[], int]:
    """Step of the checkpoint that is read; 0 for none."""

    def found() -> int:
        state = read_checkpoint(tmp_path, surrogate.model)
        if state is None:
            return 0
        values = {float(p.max()) for n, p in surrogate.model.named_parameters() if "lora" in n}
        assert values == {float(state.step)}
        assert surrogate.model.task_loss == {"interest": [float(state.step)]}
        return state.step

    return found


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_last_two_are_kept(
    save: Callable[[int], None], read: Callable[[], int], tmp_path: Path
) -> None:
    assert read() == 0
    for step in (1, 2, 3):
        save(step)
        assert read() == step
    assert _names(tmp_path) == ["checkpoint-00000002", "checkpoint-00000003"]


def test_a_kill_at_any_step_leaves_the_one_before_or_the_new_one(
    save: Callable[[int], None],
    read: Callable[[], int],
    tmp_path: Path,
    killed_everywhere: KilledEverywhere,
) -> None:
    def afresh() -> None:
        for path in tmp_path.iterdir():
            shutil.rmtree(path)
        save(1)
        save(2)

    afresh()
    seen = []
    for _ in killed_everywhere(lambda: save(3)):
        seen.append(read())  # a warning would be an error: nothing is damaged
        save(4)
        assert read() == 4
        assert not [name for name in _names(tmp_path) if name.startswith(".")]
        afresh()
    assert seen == sorted(seen)
    assert set(seen) == {2, 3}


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty_folder(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


@pytest.mark.parametrize("name", ["complete.json", "weights.safetensors", "moments.safetensors"])
@pytest.mark.parametrize("damage", [_flip, _cut, Path.unlink, _empty_folder])
def test_a_damaged_one_is_named_and_the_one_before_is_read(
    save: Callable[[int], None],
    read: Callable[[], int],
    tmp_path: Path,
    damage: Callable[[Path], None],
    name: str,
) -> None:
    save(1)
    save(2)
    damage(tmp_path / "checkpoint-00000002" / name)
    named = "complete.json" if damage is _empty_folder else name
    with pytest.warns(InnerviewWarning, match=f"00000002/{named}: .*goes on from .*00000001"):
        assert read() == 1
    save(2)
    assert read() == 2


def test_where_all_are_damaged_the_training_starts_again_and_says_so(
    save: Callable[[int], None], read: Callable[[], int], tmp_path: Path
) -> None:
    save(5)
    save(6)
    for step in (5, 6):
        _flip(tmp_path / f"checkpoint-0000000{step}" / "weights.safetensors")
    with pytest.warns(InnerviewWarning, match="00000006.*; .*00000005.*starts again"):
        assert read() == 0
    save(1)
    assert _names(tmp_path) == ["checkpoint-00000001"]


@contextmanager
def _no_file_over(n_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_it_is_refused_in_one_line_and_undone(
    save: Callable[[int], None], read: Callable[[], int], tmp_path: Path
) -> None:
    save(1)
    save(2)
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(SurrogateError, match=r"03: no room for its \d+\.\d MB"),
        _no_file_over(4096),
    ):
        save(3)
    assert sorted(tmp_path.rglob("*")) == before
    assert read() == 2


def test_a_surrogate_that_finds_no_room_leaves_the_one_before(
    surrogate: Surrogate, tmp_path: Path
) -> None:
    folder = tmp_path / "surrogate"
    surrogate.save(folder, provenance={"seed": 0})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(SurrogateError, match="surrogate: no room"), _no_file_over(4096):
        surrogate.save(folder, provenance={"seed": 1})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert _names(tmp_path) == ["surrogate"]


def test_checkpoints_without_the_memory_they_were_trained_on_are_refused(
    surrogate: Surrogate, save: Callable[[int], None], tmp_path: Path
) -> None:
    save(1)
    with pytest.raises(SurrogateError, match=r"memory.safetensors is missing.*align the surrogate"):
        surrogate.memorize([], kept=tmp_path / "memory.safetensors")


def _log(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_a_log_is_cut_to_where_the_training_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "training.jsonl"
    assert cut_log(path, 7) == {}
    for step in (10, 20, 30):
        append_log(path, {"step": step, "loss": 1.0})
    assert cut_log(path, 25) == {"step": 20, "loss": 1.0}
    append_log(path, {"step": 30, "loss": 2.0})
    assert _log(path) == [10, 20, 30]
    assert cut_log(path, 0) == {}
    assert _log(path) == []


def test_a_torn_last_line_and_doubled_steps_are_repaired(tmp_path: Path) -> None:
    path = tmp_path / "training.jsonl"
    lines = [json.dumps({"step": step}) for step in (10, 20, 10, 20, 30)]
    path.write_bytes("\n".join(lines).encode() + b'\n{"step": 4')
    cut_log(path, 40)
    assert _log(path) == [10, 20, 30]
    whole = path.read_bytes()
    path.write_bytes(whole.removesuffix(b"\n"))
    cut_log(path, 40)
    assert _log(path) == [10, 20], "a line without its end may be any part of one"
