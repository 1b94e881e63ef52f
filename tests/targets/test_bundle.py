"""A bundle survives a round trip, and a damaged or hostile one is refused in one line."""

from __future__ import annotations

import io
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load, save

from innerview.errors import BundleError
from innerview.targets import Contents, load_bundle, save_bundle
from innerview.targets.files import sha256

from .conftest import N_ITEMS, als_contents, cases_of, mean_contents

VECTORS, OUTCOMES, CHECK = "vectors.safetensors", "outcomes.parquet", "check.safetensors"


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Change a file *and* its hash: the content itself must then be refused."""
    (folder / name).write_bytes(data)
    record = {"sha256": sha256(data), "size": len(data)}
    edit(folder, lambda m: m["files"].__setitem__(name, record))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("seal", None)  # as one written by hand: what it says must be refused, not its seal
    change(manifest)
    path.write_text(json.dumps(manifest))


def tensor(folder: Path, change: Callable[[np.ndarray], np.ndarray], key: str = "outcomes") -> None:
    tensors = load((folder / VECTORS).read_bytes())
    tensors[key] = np.ascontiguousarray(change(tensors[key].copy()))
    rewrite(folder, VECTORS, save(tensors))


def frame(folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    buffer = io.BytesIO()
    change(pl.read_parquet((folder / OUTCOMES).read_bytes())).write_parquet(buffer)
    rewrite(folder, OUTCOMES, buffer.getvalue())


def with_nan(values: np.ndarray) -> np.ndarray:
    values[3, 1] = np.nan
    return values


def flip_byte(folder: Path) -> None:
    data = bytearray((folder / VECTORS).read_bytes())
    data[-5] ^= 1
    (folder / VECTORS).write_bytes(bytes(data))


def link_out(folder: Path) -> None:
    outside = folder.parent / "outside.safetensors"
    (folder / VECTORS).rename(outside)
    (folder / VECTORS).symlink_to(outside)


def fifo(folder: Path) -> None:
    (folder / VECTORS).unlink()
    os.mkfifo(folder / VECTORS)


def shifted(ids: pl.DataFrame) -> pl.DataFrame:
    return ids.with_columns(pl.col("item_id").gather((pl.int_range(pl.len()) + 1) % pl.len()))


def set_at(*path: str, value: object) -> Callable[[Path], None]:
    def change(manifest: dict[str, Any]) -> None:
        for step in path[:-1]:
            manifest = manifest[step]
        manifest[path[-1]] = value

    return lambda folder: edit(folder, change)


HUGE_HEADER = struct.pack("<Q", 2**40) + b"{}"
LYING_HEADER = struct.pack("<Q", 90) + (
    b'{"outcomes":{"dtype":"F32","shape":[30,6],"data_offsets":[0,9999999]}}'.ljust(90)
)

CORRUPTIONS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json: missing"),
    "manifest not json": (lambda f: (f / "manifest.json").write_text("{"), "manifest.json: "),
    "deep json": (lambda f: (f / "manifest.json").write_text("[" * 99999), "manifest.json: "),
    "unknown version": (set_at("version", value=2), "manifest.json: version"),
    "unknown field": (set_at("run", value="rm"), "manifest.json: run"),
    "unknown encoder": (set_at("encoder", value={"kind": "pickle"}), "manifest.json: encoder"),
    "file outside": (set_at("files", "../x.parquet", value={}), "manifest.json: files"),
    "absolute file": (set_at("files", "/etc/passwd", value={}), "manifest.json: files"),
    "pickle file": (set_at("files", "model.pkl", value={}), "manifest.json: files"),
    "file missing": (lambda f: (f / VECTORS).unlink(), "vectors.safetensors: missing"),
    "file flipped": (flip_byte, "vectors.safetensors: SHA-256"),
    "file cut": (
        lambda f: (f / OUTCOMES).write_bytes((f / OUTCOMES).read_bytes()[:50]),
        "outcomes.parquet: 50 bytes",
    ),
    "file not listed": (
        lambda f: edit(f, lambda m: m["files"].pop(OUTCOMES)),
        "outcomes.parquet is not listed",
    ),
    "symbolic link": (link_out, "vectors.safetensors: cannot be read"),
    "pipe": (fifo, "vectors.safetensors: not a plain file"),
    "huge header": (lambda f: rewrite(f, VECTORS, HUGE_HEADER), "vectors.safetensors: header"),
    "lying header": (lambda f: rewrite(f, VECTORS, LYING_HEADER), "vectors.safetensors: "),
    "empty vectors": (lambda f: rewrite(f, VECTORS, b""), "vectors.safetensors: header"),
    "nan": (lambda f: tensor(f, with_nan), "'outcomes' has NaN or infinity in row 3"),
    "infinite": (
        lambda f: tensor(f, lambda v: np.full_like(v, np.inf)),
        "NaN or infinity in row 0",
    ),
    "wrong width": (lambda f: tensor(f, lambda v: v[:, :5]), r"'outcomes' is \(30, 5\)"),
    "row missing": (lambda f: tensor(f, lambda v: v[1:]), r"'outcomes' is \(29, 6\)"),
    "wrong type": (lambda f: tensor(f, lambda v: v.astype(np.float64)), "'outcomes' is float64"),
    "one axis": (lambda f: tensor(f, np.ravel), r"'outcomes' is float32 \(180,\)"),
    "extra tensor": (
        lambda f: rewrite(f, VECTORS, save({"evil": np.zeros((1, 1), dtype=np.float32)})),
        r"vectors.safetensors: tensors \['evil'\]",
    ),
    "not parquet": (lambda f: rewrite(f, OUTCOMES, b"PAR1 nothing PAR1"), "outcomes.parquet: "),
    "id twice": (
        lambda f: frame(f, lambda t: t.with_columns(item_id=pl.lit("i7"))),
        "outcomes.parquet: id 'i7' is named twice",
    ),
    "ids are numbers": (
        lambda f: frame(f, lambda t: t.with_columns(item_id=pl.int_range(pl.len()))),
        "outcomes.parquet: columns item_id and title",
    ),
    "no title": (
        lambda f: frame(f, lambda t: t.with_columns(title=pl.lit(None, dtype=pl.String))),
        "outcomes.parquet: an id or a title is missing",
    ),
    "ids too few": (lambda f: frame(f, lambda t: t[1:]), "outcomes.parquet: 29 rows"),
    "ids shifted": (lambda f: frame(f, shifted), "check.safetensors: tensor 'scores'"),
    "ids reversed": (
        lambda f: frame(f, lambda t: t.with_columns(pl.col("item_id").reverse())),
        "check.safetensors: tensor 'scores'",
    ),
    "other vectors": (lambda f: tensor(f, lambda v: v[:, ::-1] * 2), "check.safetensors: "),
    "other alpha": (set_at("encoder", "alpha", value=4.0), "check.safetensors: "),
    "alpha not a number": (set_at("encoder", "alpha", value=None), "manifest.json: encoder"),
    "record missing": (lambda f: edit(f, lambda m: m["files"].pop(CHECK)), "check.safetensors: "),
    "record too short": (
        lambda f: edit(f, lambda m: m["check_cases"].pop()),
        "check.safetensors: tensor 'scores'",
    ),
    "record of strangers": (
        lambda f: edit(f, lambda m: m["check_cases"][0]["parts"].append("nobody")),
        "check_cases cannot be replayed: unknown id 'nobody'",
    ),
    "order claimed": (
        set_at("capabilities", "order_sensitive", value=True),
        "encoder 'als_fold_in' is not order-sensitive",
    ),
    "no parts allowed": (set_at("capabilities", "max_parts", value=0), "max_parts is 0"),
    "encoder missing": (
        set_at("encoder", value={"kind": "onnx", "session_length": 5}),
        "encoder.onnx: missing",
    ),
    "encoder no onnx": (
        lambda f: (
            set_at("encoder", value={"kind": "onnx", "session_length": 5})(f),
            rewrite(f, "encoder.onnx", b"\x80\x04pickle"),
        ),
        "encoder.onnx: onnxruntime refuses it",
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corrupted_bundle_is_refused_in_one_line(name: str, als_folder: Path) -> None:
    corrupt, message = CORRUPTIONS[name]
    corrupt(als_folder)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(als_folder)
    assert "\n" not in str(caught.value)


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
