"""A run as a folder to publish: what is in it, what is not, and that it loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from innerview import Explainer, pipeline
from innerview.alignment.cases import read_cases
from innerview.cli import app
from innerview.errors import RunError, SurrogateError
from innerview.files import sha256_of
from innerview.pipeline import Event, shipped_folder
from innerview.surrogate.manifest import read_manifest
from innerview.targets import load_bundle
from innerview.testing import ScriptedTarget

SHIPPED = shipped_folder()


def exported(out: Path, *, run: Path = SHIPPED, private: bool = False, cases: bool = False) -> str:
    said: list[str] = []

    def say(event: Event) -> None:
        said.append(event.text)

    pipeline.export(
        run, out, say, license="apache-2.0", name="org/films", private_target=private,
        with_cases=cases,
    )  # fmt: skip
    return "\n".join(said)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "films"
    exported(out)
    return out


def test_target_and_surrogate_are_what_they_were(folder: Path) -> None:
    target = load_bundle(folder / "target")
    assert target.fingerprint == load_bundle(SHIPPED / "target").fingerprint
    assert read_manifest(folder / "surrogate") == read_manifest(SHIPPED / "surrogate")
    for name in ("metrics.json", "fidelity.json"):
        assert sha256_of(folder / name) == sha256_of(SHIPPED / name)


def test_nobodys_history_is_in_it(folder: Path) -> None:
    known = read_cases(SHIPPED)
    people = {c.case_id for c in (*known.train, *known.valid, *known.test)}
    manifest = load_bundle(folder / "target").manifest
    assert manifest is not None
    tried = [case.case_id for case in manifest.check_cases]
    assert len(tried) == 16 and not people & set(tried)
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {
        "README.md", "fidelity.json", "metrics.json", "surrogate/lora/adapter_config.json",
        "surrogate/lora/adapter_model.safetensors", "surrogate/manifest.json",
        "surrogate/memory.safetensors", "surrogate/projectors.safetensors",
        "target/check.safetensors", "target/manifest.json", "target/outcomes.parquet",
        "target/vectors.safetensors",
    }  # fmt: skip


def test_the_card_tells_figures_with_intervals_and_what_fails(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    head = card.split("---\n")[1].splitlines()
    assert {key: json.loads(told) for key, _, told in (line.partition(": ") for line in head)} == {
        "license": "apache-2.0",
        "library_name": "innerview",
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "tags": ["innerview", "explainability", "surrogate"],
    }
    assert 'Explainer.load("org/films")' in card
    metrics = json.loads((folder / "metrics.json").read_text())["alignment"]
    own = metrics["hybrid"]["attribution_accuracy"]
    assert f"{own['value']:.3f} [{own['low']:.3f}, {own['high']:.3f}]" in card
    assert read_manifest(folder / "surrogate")["target"] in card
    fails = card[card.index("## What fails") : card.index("## Whose data")]
    assert "Text that the surrogate writes freely: may they be shown? **No.**" in fails
    assert "never met in training it knows next to nothing from text" in fails
    assert "Asked with titles and vectors it goes by vectors" in fails
    assert "No cases are in this folder" in card


def test_a_private_target_stays_at_home(tmp_path: Path) -> None:
    out = tmp_path / "private"
    exported(out, private=True)
    assert not (out / "target").exists()
    assert pl.read_parquet(out / "catalogue.parquet").height == 2414
    card = (out / "README.md").read_text(encoding="utf-8")
    assert 'target=load_bundle("FOLDER")' in card and "The target is private" in card
    with pytest.raises(RunError, match=r"holds no target, as that is private; .*target=load_"):
        Explainer.load(out)
    with pytest.raises(SurrogateError, match="was aligned with target a75895b2b520"):
        Explainer.load(out, target=ScriptedTarget([[1.0, 0.0], [0.0, 1.0]]))


def test_cases_are_put_in_only_if_asked_for(tmp_path: Path) -> None:
    exported(tmp_path / "films", cases=True)
    assert read_cases(tmp_path / "films") == read_cases(SHIPPED)
    assert "holds 4,333 cases" in (tmp_path / "films" / "README.md").read_text(encoding="utf-8")


def test_figures_of_another_surrogate_are_not_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(SHIPPED, run)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["meta"]["surrogate"] = "0" * 64
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / "fidelity.json").unlink()
    said = exported(tmp_path / "films", run=run)
    assert "is of another target or surrogate" in said and "fidelity.json is missing" in said
    card = (tmp_path / "films" / "README.md").read_text(encoding="utf-8")
    assert "## How far it can be trusted\n\nNot measured." in card
    assert not (tmp_path / "films" / "metrics.json").exists()


def test_an_export_can_be_exported_again(folder: Path, tmp_path: Path) -> None:
    exported(tmp_path / "again", run=folder)
    for name in ("target/manifest.json", "README.md"):
        assert sha256_of(tmp_path / "again" / name) == sha256_of(folder / name)


def test_what_cannot_be_exported_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="exists already; remove it"):
        exported(tmp_path)
    shutil.copytree(SHIPPED / "target", tmp_path / "run" / "target")
    with pytest.raises(RunError, match="surrogate is missing; make it with: innerview align"):
        exported(tmp_path / "out", run=tmp_path / "run")


def test_the_command_says_where_it_is(tmp_path: Path) -> None:
    out = tmp_path / "films"
    words = ["export", "--run", str(SHIPPED), "--out", str(out), "--license", "mit"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and done.stdout.strip() == str(out)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert 'license: "mit"' in card and "# films" in card
