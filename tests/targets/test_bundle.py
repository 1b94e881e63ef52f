"""A bundle survives a round trip, and a damaged or hostile one is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import corpus.bundles
from corpus.bundles import DAMAGES, Kind, promised, write_sound
from innerview.errors import BundleError, TargetQueryError
from innerview.targets import Contents, check_bundle, load_bundle, load_target, save_bundle

from .conftest import N_ITEMS, als_contents, cases_of, mean_contents


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_target_is_refused_in_its_line(name: str, tmp_path: Path) -> None:
    kind, damage = DAMAGES[name]
    folder = tmp_path / "target"
    write_sound(kind, folder)
    damage(folder)
    with pytest.raises((BundleError, TargetQueryError)) as caught:
        load_target(folder)
    said = str(caught.value)
    assert "\n" not in said
    line = promised(name).replace("{path}", str(folder))
    assert said.startswith(line[:-1]) if line.endswith("…") else said == line
    report = check_bundle(folder)
    assert not report.ok
    assert all("\n" not in finding.text for finding in report.findings)


@pytest.mark.parametrize("kind", ["als", "mean", "item_item", "onnx", "static", "fold_in"])
def test_what_is_damaged_was_sound(kind: Kind, tmp_path: Path) -> None:
    write_sound(kind, tmp_path / "target")
    load_target(tmp_path / "target")
    assert check_bundle(tmp_path / "target").findings == ()


def test_the_corpus_keeps_a_line_for_each_damage() -> None:
    kept = Path(corpus.bundles.__file__).with_name("bundle_outcomes.json")
    assert list(json.loads(kept.read_text(encoding="utf-8"))) == list(DAMAGES)
    assert len(DAMAGES) >= 60


def test_every_single_byte_flip_is_refused(als_folder: Path) -> None:
    generator = np.random.default_rng(0)
    names = [path.name for path in als_folder.iterdir()]
    for _ in range(200):
        path = als_folder / str(generator.choice(names))
        whole = path.read_bytes()
        data = bytearray(whole)
        data[generator.integers(len(data))] ^= 1 << generator.integers(8)
        path.write_bytes(bytes(data))
        with pytest.raises(BundleError):
            load_bundle(als_folder)
        path.write_bytes(whole)
    load_bundle(als_folder)


@pytest.mark.parametrize("contents", [als_contents, mean_contents])
def test_round_trip_keeps_everything(contents: Callable[[], Contents], tmp_path: Path) -> None:
    made = contents()
    cases = cases_of(made.parts.ids)
    target = save_bundle(tmp_path / "b", made, check_cases=cases)
    np.testing.assert_array_equal(target.outcome_vectors, made.outcome_vectors)
    np.testing.assert_array_equal(target.part_vectors, made.part_vectors)
    assert (target.outcomes, target.parts) == (made.outcomes, made.parts)
    assert target.capabilities == made.capabilities
    assert (target.outcomes is target.parts) == (made.outcomes is made.parts)
    assert target.queries.used == 0  # the replay at load is not the user's


def test_fingerprint_follows_the_scores_and_nothing_else(tmp_path: Path) -> None:
    made = als_contents()
    cases = cases_of(made.parts.ids)
    one = save_bundle(tmp_path / "one", made, check_cases=cases)
    two = save_bundle(tmp_path / "two", made, check_cases=cases[:3])
    assert one.fingerprint == two.fingerprint
    made.outcome_vectors[0, 0] += 1
    assert save_bundle(tmp_path / "three", made, check_cases=cases).fingerprint != one.fingerprint


def test_existing_folder_is_kept_unless_overwriting(als_folder: Path) -> None:
    contents = als_contents()
    cases = cases_of(contents.parts.ids)
    with pytest.raises(BundleError, match="exists already"):
        save_bundle(als_folder, contents, check_cases=cases)
    save_bundle(als_folder, contents, check_cases=cases, overwrite=True)
    assert [path.name for path in als_folder.parent.iterdir()] == ["als"]  # nothing left beside


def test_failed_write_leaves_the_old_bundle_in_place(
    als_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_bundle(als_folder).fingerprint
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if self.name == ".als.part":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(BundleError, match="No space left on device"):
        save_bundle(als_folder, als_contents(), overwrite=True)
    assert load_bundle(als_folder).fingerprint == before
    assert [path.name for path in als_folder.parent.iterdir()] == ["als"]


def test_bundle_with_nan_is_not_written(tmp_path: Path) -> None:
    contents = als_contents()
    contents.outcome_vectors[0, 0] = np.nan
    with pytest.raises(BundleError, match="'outcomes' must be finite float32"):
        save_bundle(tmp_path / "b", contents)
    assert not (tmp_path / "b").exists()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nowhere: no such folder"):
        load_bundle(tmp_path / "nowhere")


def test_scores_are_the_same_to_the_bit_alone_and_in_a_batch(als_folder: Path) -> None:
    target = load_bundle(als_folder)
    cases = cases_of(target.parts.ids, n=64)
    alone = np.concatenate([target.score([case]) for case in cases])
    np.testing.assert_array_equal(target.score(cases), alone)
    assert alone.shape == (64, N_ITEMS)
