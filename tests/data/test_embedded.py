from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import polars as pl

import innerview.data
from innerview.data import k_core, load_embedded

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_embedded_data.py"


def test_embedded_data_has_its_published_size() -> None:
    data = load_embedded()
    sizes = data.interactions.n_users, data.interactions.n_items, len(data.interactions)
    assert sizes == (4333, 2414, 68055)
    assert len(data.catalogue) == 2414
    assert data.catalogue.noun == "film"
    assert set(data.catalogue.attributes) == {"genre", "year"}
    assert data.notes == ()


def test_embedded_data_is_a_sorted_core_with_unique_titles() -> None:
    data = load_embedded()
    frame = data.interactions.frame
    assert frame.schema == {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
    assert frame.equals(frame.sort("user_id", "timestamp", maintain_order=True))
    assert not frame.select("user_id", "item_id").is_duplicated().any()
    assert len(k_core(data.interactions, 5)) == len(frame)
    assert set(frame["item_id"]) == set(data.catalogue.ids)
    assert len(set(data.catalogue.titles)) == 2414
    assert "The Thing (1982)" in data.catalogue.titles  # there are two in the raw data
    assert all(len(item) >= 7 for item in data.catalogue.ids)  # leading zeros are there


def test_embedded_files_are_small_and_come_with_their_licence() -> None:
    folder = files("innerview.data").joinpath("files", "movietweetings")
    sizes = {entry.name: len(entry.read_bytes()) for entry in folder.iterdir()}
    assert sum(sizes.values()) < 1_500_000
    assert set(sizes) == {"interactions.parquet", "items.parquet", "LICENSE", "README.md"}
    assert "Simon Dooms" in folder.joinpath("LICENSE").read_text()


def test_the_script_makes_the_same_bytes_twice(tmp_path: Path) -> None:
    source = tmp_path / "raw"
    source.mkdir()
    pairs = [(user, film) for user in range(5) for film in range(5)]
    (source / "ratings.dat").write_text("".join(f"{u}::{f:07d}::5::{u + f}\n" for u, f in pairs))
    (source / "movies.dat").write_text("".join(f"{f:07d}::F{f} (199{f})::D\n" for f in range(6)))
    (source / "LICENSE").write_text("MIT")
    spec = importlib.util.spec_from_file_location("make_embedded_data", SCRIPT)
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name in ("one", "two"):
        script.main(source, tmp_path / name)
    for file in ("interactions.parquet", "items.parquet", "LICENSE"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert pl.read_parquet(tmp_path / "one" / "items.parquet").height == 5


def test_all_is_sorted_and_everything_in_it_exists() -> None:
    names = innerview.data.__all__
    constants_first = sorted(names, key=lambda name: (not name.isupper(), name))
    assert names == constants_first
    assert all(hasattr(innerview.data, name) for name in names)


def test_importing_the_data_room_loads_no_model_library() -> None:
    code = (
        "import innerview.data, sys; "
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
