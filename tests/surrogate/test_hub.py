"""A folder by path, or by its name on a hub: here a cache laid out as the hub's own, no network."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from innerview.errors import RunError
from innerview.files import whole_folder
from innerview.surrogate.hub import find_folder, name_on_hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache on a machine without a network, with ``org/films`` in it."""
    cache = tmp_path / "hub"
    monkeypatch.setenv("INNERVIEW_CACHE", str(tmp_path / "ours"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    repository = cache / "models--org--films"
    snapshot = repository / "snapshots" / COMMIT / "surrogate"
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "blobs" / "a1").write_text("{}")
    (snapshot / "manifest.json").symlink_to(Path("../../../blobs/a1"))
    return cache


def test_a_path_is_taken_before_a_name(hub: Path) -> None:
    Path("org/films").mkdir(parents=True)
    assert find_folder("org/films") == Path("org/films")
    assert find_folder(Path("org")) == Path("org")


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_repository_comes_as_plain_files(hub: Path, revision: str | None) -> None:
    folder = find_folder("org/films", revision=revision)
    manifest = folder / "surrogate" / "manifest.json"
    assert manifest.read_text() == "{}" and not manifest.is_symlink()
    assert folder.name == COMMIT
    made = manifest.stat().st_mtime_ns
    assert find_folder("org/films", revision=revision) == folder
    assert manifest.stat().st_mtime_ns == made, "made once"


def test_what_came_later_is_there_too(hub: Path) -> None:
    find_folder("org/films")
    snapshot = hub / "models--org--films" / "snapshots" / COMMIT
    (snapshot / "target").mkdir()
    (snapshot / "target" / "manifest.json").symlink_to(Path("../../../blobs/a1"))
    assert (find_folder("org/films") / "target" / "manifest.json").read_text() == "{}"


def test_without_links_the_hubs_own_folder_is_taken(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []

    def fake(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        with whole_folder(hub / "plain") as beside:
            (beside / "README.md").touch()
        return str(hub / "plain")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    assert find_folder("org/films", revision="v2") == hub / "plain"
    assert asked == [("org/films", "v2")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere is missing; give the folder of a run"),
        ("/no/where", "/no/where is missing"),
        ("../films", r"\.\./films is missing"),
        ("a/b/c", "a/b/c is missing"),
        (Path("org/films"), "org/films is missing"),
        ("org/unknown", "org/unknown is no folder here, and the hub gives nothing by that name: "),
        ("org/--films", "org/--films is missing"),
        ("org/fi..lms", "org/fi..lms is no folder here"),
    ],
)
def test_what_is_neither_is_one_line(hub: Path, name: Path | str, message: str) -> None:
    with pytest.raises(RunError, match=rf"^{message}") as caught:
        find_folder(name)
    assert "\n" not in str(caught.value)


def test_a_base_model_that_is_a_folder_has_no_name_on_a_hub(tmp_path: Path) -> None:
    assert name_on_hub("smollm2-135m-instruct") == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert name_on_hub("org/model") == "org/model"
    assert name_on_hub(str(tmp_path)) is None
