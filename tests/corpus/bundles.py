"""The kept corpus of damaged targets: every damage we know, with the line that refuses it.

Each is a sound folder that was changed afterwards, with its hashes put right where it is the
content that must be refused. The promised lines stand in ``bundle_outcomes.json``; ``{path}`` in
them is the folder, and a line that ends in ``…`` goes on in another library's words.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import polars as pl
from safetensors.numpy import load, save

from innerview.targets import (
    BundleTarget,
    CallableTarget,
    Contents,
    Http,
    HttpTarget,
    ridge_fold_in,
    save_bundle,
)
from innerview.targets.export import record_answers, write_live
from innerview.targets.files import sha256
from innerview.targets.manifest import Live
from innerview.testing import ScriptedTarget
from targets.conftest import (
    als_contents,
    cases_of,
    item_item_contents,
    mean_contents,
    random_vectors,
    static_contents,
)

Kind = Literal["als", "mean", "item_item", "onnx", "static", "fold_in", "http", "live"]
Damage = Callable[[Path], object]

VECTORS, OUTCOMES, CHECK = "vectors.safetensors", "outcomes.parquet", "check.safetensors"
CASES, PARTS, ENCODER = "cases.parquet", "parts.parquet", "encoder.onnx"
_PROMISED: dict[str, str] = json.loads(
    Path(__file__).with_name("bundle_outcomes.json").read_text(encoding="utf-8")
)


def promised(name: str) -> str:
    """The line that refuses a damaged folder."""
    return _PROMISED[name]


# -- sound folders ---------------------------------------------------------------------------------


def write_sound(kind: Kind, folder: Path) -> None:
    """A sound folder of a kind."""
    for name, data in _sound(kind).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


@cache
def _sound(kind: Kind) -> dict[str, bytes]:
    with TemporaryDirectory() as place:
        folder = Path(place) / "made"
        if kind in ("http", "live"):
            _write_live(kind, folder)
        else:
            contents = _CONTENTS[kind]()
            cases = contents.cases[:10] or cases_of(contents.parts.ids)
            save_bundle(folder, contents, check_cases=cases)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def _write_live(kind: Kind, folder: Path) -> None:
    model = ScriptedTarget(random_vectors(12, 12), max_parts=5)
    settings = {"max_parts": 5, "order_sensitive": False}
    record = record_answers(model, cases_of(model.parts.ids))
    if kind == "http":
        service = Http(url="http://localhost:9/v1")
        write_live(folder, HttpTarget(service, model.outcomes, **settings), service, record)
    else:
        nobody = CallableTarget(lambda own: own, model.outcomes, name="elsewhere", **settings)
        write_live(folder, nobody, Live(), record)


def _onnx_contents() -> Contents:
    from targets.test_contract import onnx_contents

    return onnx_contents()


_CONTENTS: dict[Kind, Callable[[], Contents]] = {
    "als": als_contents,
    "mean": mean_contents,
    "item_item": item_item_contents,
    "onnx": _onnx_contents,
    "static": static_contents,
    "fold_in": lambda: ridge_fold_in(BundleTarget(static_contents())),
}

# -- ways to damage one ----------------------------------------------------------------------------


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Change a file *and* its hash: the content itself must then be refused."""
    (folder / name).write_bytes(data)
    record = {"sha256": sha256(data), "size": len(data)}
    edit(folder, lambda m: m["files"].__setitem__(name, record))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest, as one written by hand: what it says must be refused, not its seal."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest.pop("seal", None)
    change(manifest)
    path.write_text(json.dumps(manifest))


def set_at(*path: str, value: object) -> Damage:
    """Another value somewhere in the manifest."""

    def change(manifest: dict[str, Any]) -> None:
        for step in path[:-1]:
            manifest = manifest[step]
        manifest[path[-1]] = value

    return lambda folder: edit(folder, change)


def drop_file(name: str) -> Damage:
    """A file that the manifest no longer lists."""
    return lambda folder: edit(folder, lambda m: m["files"].pop(name))


def tensor(
    folder: Path,
    change: Callable[[np.ndarray], np.ndarray],
    key: str = "outcomes",
    name: str = VECTORS,
) -> None:
    """Change a tensor."""
    tensors = load((folder / name).read_bytes())
    tensors[key] = np.ascontiguousarray(change(tensors[key].copy()))
    rewrite(folder, name, save(tensors))


def tensor_of(key: str, change: Callable[[np.ndarray], np.ndarray], name: str = VECTORS) -> Damage:
    """The same, as damage."""
    return lambda folder: tensor(folder, change, key, name)


def frame(
    folder: Path, change: Callable[[pl.DataFrame], pl.DataFrame], name: str = OUTCOMES
) -> None:
    """Change a table."""
    buffer = io.BytesIO()
    change(pl.read_parquet((folder / name).read_bytes())).write_parquet(buffer)
    rewrite(folder, name, buffer.getvalue())


def frame_of(name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Damage:
    """The same, as damage."""
    return lambda folder: frame(folder, change, name)


def with_nan(values: np.ndarray) -> np.ndarray:
    """One number is none."""
    values[min(3, len(values) - 1), 1] = np.nan
    return values


def shifted(table: pl.DataFrame) -> pl.DataFrame:
    """The ids one row further down."""
    return table.with_columns(pl.col("item_id").gather((pl.int_range(pl.len()) + 1) % pl.len()))


def _rolled(values: np.ndarray) -> np.ndarray:
    return np.roll(values, 1, axis=0)


def _flip_byte(folder: Path) -> None:
    data = bytearray((folder / VECTORS).read_bytes())
    data[-5] ^= 1
    (folder / VECTORS).write_bytes(bytes(data))


def _link_out(name: str) -> Damage:
    def link(folder: Path) -> None:
        outside = folder.parent / f"outside-{name}"
        (folder / name).rename(outside)
        (folder / name).symlink_to(outside)

    return link


def _pipe(folder: Path) -> None:
    (folder / VECTORS).unlink()
    os.mkfifo(folder / VECTORS)


def _into_folder(name: str) -> Damage:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return make


def _large_manifest(folder: Path) -> None:
    with (folder / "manifest.json").open("ab") as file:
        file.truncate(2**25)


def _whole_header(folder: Path) -> None:
    """A header that is as long as it says, and longer than any should be."""
    head = b'{"outcomes":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}'.ljust(2**20 + 8)
    rewrite(folder, VECTORS, struct.pack("<Q", len(head)) + head + bytes(4))


def _moved_cases(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col("parts").gather((pl.int_range(pl.len()) + 1) % pl.len()))


def _with_parts(*first: list[str]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Other parts of the first cases."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        rest = table["parts"].to_list()[len(first) :]
        return table.with_columns(parts=pl.Series([*first, *rest], dtype=pl.List(pl.String)))

    return change


def _without_tensor(folder: Path, key: str) -> None:
    tensors = load((folder / VECTORS).read_bytes())
    del tensors[key]
    rewrite(folder, VECTORS, save(tensors))


def _narrower(folder: Path) -> None:
    """Vectors of another width than what the encoder makes."""
    tensor(folder, lambda v: v[:, :5])
    set_at("width", value=5)(folder)


def _data_outside(folder: Path) -> None:
    import onnx

    model = onnx.load_from_string((folder / ENCODER).read_bytes())
    with TemporaryDirectory() as place:
        path = Path(place) / "e.onnx"
        onnx.save(model, path, save_as_external_data=True, size_threshold=0)
        rewrite(folder, ENCODER, path.read_bytes())


def _fixed_batch(folder: Path) -> None:
    import onnx

    model = onnx.load_from_string((folder / ENCODER).read_bytes())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    rewrite(folder, ENCODER, model.SerializeToString())


def _no_onnx(folder: Path) -> None:
    set_at("encoder", value={"kind": "onnx", "session_length": 5})(folder)
    rewrite(folder, ENCODER, b"\x80\x04pickle")


def _reseal(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"max_parts": 5', '"max_parts": 4'))


_HUGE_HEADER = struct.pack("<Q", 2**40) + b"{}"
_LYING_HEADER = struct.pack("<Q", 90) + (
    b'{"outcomes":{"dtype":"F32","shape":[30,6],"data_offsets":[0,9999999]}}'.ljust(90)
)
_HALF = struct.pack("<Q", 64) + (
    b'{"outcomes":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}'.ljust(64) + bytes(4)
)

_ONNX = {"kind": "onnx", "session_length": 5}


def _manifest_text(text: str) -> Damage:
    return lambda folder: (folder / "manifest.json").write_text(text)


def _as_utf16(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_text().encode("utf-16"))


DAMAGES: dict[str, tuple[Kind, Damage]] = {
    # what the manifest says
    "no_folder": ("als", shutil.rmtree),
    "no_manifest": ("als", lambda f: (f / "manifest.json").unlink()),
    "manifest_is_a_folder": ("als", _into_folder("manifest.json")),
    "manifest_is_a_link": ("als", _link_out("manifest.json")),
    "manifest_too_large": ("als", _large_manifest),
    "manifest_not_json": ("als", _manifest_text("{")),
    "manifest_empty": ("als", _manifest_text("")),
    "manifest_a_list": ("als", _manifest_text("[]")),
    "manifest_too_deep": ("als", _manifest_text("[" * 99_999)),
    "manifest_utf16": ("als", _as_utf16),
    "manifest_changed": ("als", _reseal),
    "unknown_version": ("als", set_at("version", value=2)),
    "unknown_field": ("als", set_at("run", value="rm")),
    "unknown_domain": ("als", set_at("domain", value="zoo")),
    "unknown_encoder": ("als", set_at("encoder", value={"kind": "pickle"})),
    "unknown_capability": ("als", set_at("capabilities", "sudo", value=True)),
    "capability_missing": ("als", lambda f: edit(f, lambda m: m["capabilities"].pop("vectors"))),
    "name_empty": ("als", set_at("name", value="")),
    "no_outcomes": ("als", set_at("n_outcomes", value=0)),
    "more_parts_than_outcomes": ("als", set_at("n_parts", value=31)),
    "width_negative": ("als", set_at("width", value=-1)),
    "no_parts_allowed": ("als", set_at("capabilities", "max_parts", value=0)),
    "order_claimed": ("als", set_at("capabilities", "order_sensitive", value=True)),
    "alpha_not_a_number": ("als", set_at("encoder", "alpha", value=None)),
    "alpha_nan": ("als", set_at("encoder", "alpha", value=float("nan"))),
    "alpha_zero": ("als", set_at("encoder", "alpha", value=0)),
    # which files it names
    "file_outside": ("als", set_at("files", "../x.parquet", value={})),
    "file_absolute": ("als", set_at("files", "/etc/passwd", value={})),
    "file_of_pickle": ("als", set_at("files", "model.pkl", value={})),
    "file_missing": ("als", lambda f: (f / VECTORS).unlink()),
    "file_not_listed": ("als", drop_file(OUTCOMES)),
    "vectors_not_listed": ("als", drop_file(VECTORS)),
    "hash_no_hash": ("als", set_at("files", VECTORS, "sha256", value="yes")),
    "size_negative": ("als", set_at("files", VECTORS, "size", value=-1)),
    "file_flipped": ("als", _flip_byte),
    "file_cut": ("als", lambda f: (f / OUTCOMES).write_bytes((f / OUTCOMES).read_bytes()[:50])),
    "symbolic_link": ("als", _link_out(VECTORS)),
    "pipe": ("als", _pipe),
    "file_is_a_folder": ("als", _into_folder(OUTCOMES)),
    # vectors
    "huge_header": ("als", lambda f: rewrite(f, VECTORS, _HUGE_HEADER)),
    "oversized_header": ("als", _whole_header),
    "lying_header": ("als", lambda f: rewrite(f, VECTORS, _LYING_HEADER)),
    "header_no_json": ("als", lambda f: rewrite(f, VECTORS, struct.pack("<Q", 4) + b"evil")),
    "vectors_empty": ("als", lambda f: rewrite(f, VECTORS, b"")),
    "vectors_a_pickle": ("als", lambda f: rewrite(f, VECTORS, b"\x80\x04K\x01." + bytes(20))),
    "nan": ("als", tensor_of("outcomes", with_nan)),
    "infinite": ("als", tensor_of("outcomes", lambda v: np.full_like(v, np.inf))),
    "wrong_width": ("als", tensor_of("outcomes", lambda v: v[:, :5])),
    "row_missing": ("als", tensor_of("outcomes", lambda v: v[1:])),
    "doubles": ("als", tensor_of("outcomes", lambda v: v.astype(np.float64))),
    "half_floats": ("als", lambda f: rewrite(f, VECTORS, _HALF)),
    "one_axis": ("als", tensor_of("outcomes", np.ravel)),
    "extra_tensor": (
        "als",
        lambda f: rewrite(f, VECTORS, save({"evil": np.zeros((1, 1), dtype=np.float32)})),
    ),
    "vectors_shifted": ("als", tensor_of("outcomes", _rolled)),
    "other_vectors": ("als", tensor_of("outcomes", lambda v: v[:, ::-1] * 2)),
    "other_alpha": ("als", set_at("encoder", "alpha", value=4.0)),
    # catalogues
    "not_parquet": ("als", lambda f: rewrite(f, OUTCOMES, b"PAR1 nothing PAR1")),
    "id_twice": ("als", frame_of(OUTCOMES, lambda t: t.with_columns(item_id=pl.lit("i7")))),
    "ids_are_numbers": (
        "als",
        frame_of(OUTCOMES, lambda t: t.with_columns(item_id=pl.int_range(pl.len()))),
    ),
    "ids_missing": ("als", frame_of(OUTCOMES, lambda t: t.drop("item_id"))),
    "title_missing": (
        "als",
        frame_of(OUTCOMES, lambda t: t.with_columns(title=pl.lit(None, dtype=pl.String))),
    ),
    "ids_too_few": ("als", frame_of(OUTCOMES, lambda t: t[1:])),
    "ids_shifted": ("als", frame_of(OUTCOMES, shifted)),
    "ids_reversed": (
        "als",
        frame_of(OUTCOMES, lambda t: t.with_columns(pl.col("item_id").reverse())),
    ),
    # the record
    "record_missing": ("als", drop_file(CHECK)),
    "record_too_short": ("als", lambda f: edit(f, lambda m: m["check_cases"].pop())),
    "record_nan": ("als", tensor_of("scores", with_nan, CHECK)),
    "record_without_scores": ("als", lambda f: rewrite(f, CHECK, save({}))),
    "record_of_strangers": (
        "als",
        lambda f: edit(f, lambda m: m["check_cases"][0]["parts"].append("nobody")),
    ),
    "record_of_nothing": (
        "als",
        lambda f: edit(f, lambda m: m["check_cases"][0].__setitem__("parts", [])),
    ),
    # parts of their own
    "parts_not_listed": ("mean", drop_file(PARTS)),
    "part_vectors_missing": ("mean", lambda f: _without_tensor(f, "parts")),
    "part_vectors_shifted": ("mean", tensor_of("parts", _rolled)),
    "part_ids_shifted": ("mean", frame_of(PARTS, shifted)),
    "part_twice": ("mean", frame_of(PARTS, lambda t: t.with_columns(item_id=pl.lit("word-1")))),
    # an item-item matrix
    "matrix_claims_vectors": ("item_item", set_at("capabilities", "vectors", value=True)),
    "matrix_of_another_shape": ("item_item", tensor_of("item_item", lambda v: v[:, 1:])),
    "matrix_nan": ("item_item", tensor_of("item_item", with_nan)),
    "matrix_transposed": ("item_item", tensor_of("item_item", np.transpose)),
    # an encoder
    "encoder_missing": ("als", set_at("encoder", value=_ONNX)),
    "encoder_no_onnx": ("als", _no_onnx),
    "encoder_cut": (
        "onnx",
        lambda f: rewrite(f, ENCODER, (f / ENCODER).read_bytes()[:100]),
    ),
    "encoder_of_another_width": ("onnx", _narrower),
    "encoder_of_another_length": ("onnx", set_at("encoder", "session_length", value=7)),
    "encoder_too_short": ("onnx", set_at("capabilities", "max_parts", value=6)),
    "encoder_of_one_batch": ("onnx", _fixed_batch),
    "encoder_reads_elsewhere": ("onnx", _data_outside),
    # static models and fold-ins
    "cases_missing": ("static", lambda f: (f / CASES).unlink()),
    "cases_not_listed": ("static", drop_file(CASES)),
    "cases_not_parquet": ("static", lambda f: rewrite(f, CASES, b"no")),
    "case_too_few": ("static", frame_of(CASES, lambda t: t[1:])),
    "no_case": ("static", frame_of(CASES, lambda t: t[:0])),
    "cases_without_parts": ("static", frame_of(CASES, lambda t: t.drop("parts"))),
    "case_twice": ("static", frame_of(CASES, lambda t: t.with_columns(case_id=pl.lit("a")))),
    "cases_of_the_same_parts": ("static", frame_of(CASES, _with_parts(["i1", "i2"], ["i2", "i1"]))),
    "case_of_strangers": ("static", frame_of(CASES, _with_parts(["nobody"]))),
    "case_of_nothing": ("static", frame_of(CASES, _with_parts([]))),
    "cases_shifted": ("static", frame_of(CASES, _moved_cases)),
    "case_vectors_narrower": ("static", tensor_of("cases", lambda v: v[:, :5])),
    "case_vectors_nan": ("static", tensor_of("cases", with_nan)),
    "static_claims_rescoring": ("static", set_at("capabilities", "rescoring", value=True)),
    "fold_in_without_agreement": ("fold_in", set_at("encoder", "agreement", value=None)),
    "fold_in_that_agrees_too_well": (
        "fold_in",
        set_at("encoder", "agreement", "same_top10", value=1.5),
    ),
    "fold_in_without_penalty": ("fold_in", set_at("encoder", "regularization", value=0)),
    "prior_missing": ("fold_in", lambda f: _without_tensor(f, "prior")),
    "prior_cut": ("fold_in", tensor_of("prior", lambda v: v[1:])),
    "prior_of_another": ("fold_in", tensor_of("prior", lambda v: v[:, ::-1])),
    # targets that live elsewhere
    "address_of_a_file": ("http", set_at("encoder", "url", value="file:///etc/passwd")),
    "address_with_a_password": ("http", set_at("encoder", "url", value="http://u:p@localhost/")),
    "address_of_a_stranger": ("http", set_at("encoder", "url", value="http://metadata.internal/")),
    "batch_of_nothing": ("http", set_at("encoder", "batch_cases", value=0)),
    "endless_patience": ("http", set_at("encoder", "timeout_s", value=float("inf"))),
    "address_without_a_record": (
        "http",
        lambda f: edit(f, lambda m: (m["files"].pop(CHECK), m.__setitem__("check_cases", []))),
    ),
    "living_elsewhere": ("live", lambda f: None),
}
"""By name: the kind of folder, and what is done to it."""
