"""The doctor tells what is here, and never fails."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from innerview import doctor
from innerview.cli import app
from innerview.surrogate import base


def test_json_names_versions_device_extras_and_base_models() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["innerview"] == importlib.metadata.version("innerview")
    assert found["packages"]["torch"] == importlib.metadata.version("torch")
    assert {"als", "sasrec", "plot", "dev"} <= found["extras"].keys()
    assert found["extras"]["dev"]["pytest"] == pytest.__version__
    assert found["device"]["cpus"] >= found["device"]["cpus_usable"] >= 1
    assert isinstance(found["device"]["bfloat16_in_hardware"], bool)
    assert base.DEFAULT_BASE in found["base_models"]
    assert found["cache"]


def test_text_has_a_line_for_each_thing() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    starts = [line.split()[0] for line in result.stdout.splitlines()]
    assert starts[:4] == ["innerview", "python", "cpu", "cuda"]
    assert {"base", "cache", "core", "extra"} <= set(starts)


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNERVIEW_CACHE", str(tmp_path / "cache"))
    found = doctor.diagnose()
    assert found["base_models"][base.DEFAULT_BASE]["converted"] is None
    assert found["cache"] == str(tmp_path / "cache")
    assert not list(tmp_path.iterdir())


def test_whatever_is_broken_becomes_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("driver\nmismatch")

    monkeypatch.setattr(base, "has_fast_bfloat16", broken)
    monkeypatch.setattr(base, "cache_folder", broken)
    found = doctor.diagnose()
    assert found["device"] == {}
    assert found["problems"] == [
        "base models: RuntimeError: driver mismatch",
        "device: RuntimeError: driver mismatch",
        "cache: RuntimeError: driver mismatch",
    ]
    assert "problem" in doctor.to_text(found)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    found = doctor.diagnose()
    assert found["innerview"] is None
    assert "torch is missing" in found["problems"]
    assert "implicit MISSING" in doctor.to_text(found)
