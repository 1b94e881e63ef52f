"""What the README promises must be there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_example_shows_every_kind_of_ending() -> None:
    first_screen = README[: README.index("## Your own recommender")]
    assert "[verified]" in first_screen
    assert "[refuted]" in first_screen


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
