"""What the README promises must be there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_example_shows_every_kind_of_ending() -> None:
    first_screen = README[: README.index("## Your own recommender")]
    assert "[verified]" in first_screen
    assert "[refuted]" in first_screen


def test_the_target_by_hand_runs_and_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (block,) = [own for own in _blocks("python") if "CallableTarget" in own]
    assert len(block.splitlines()) <= 30
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.split()
    assert printed in [own.split() for own in _blocks("")], "but for where lines are broken"


def _blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return [block for own, block in fenced if own == language]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in set(re.findall(r"`?make ([a-z-]+)", README)):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_commands_exist() -> None:
    from typer.testing import CliRunner

    from innerview.cli import app

    for name in set(re.findall(r"(?:^|`)innerview ([a-z]+)", README, re.MULTILINE)):
        result = CliRunner().invoke(app, [name, "--help"])
        assert result.exit_code == 0, name
