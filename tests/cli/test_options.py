"""Durations, choices, and what the help says."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner

from innerview.cli import _options as opt
from innerview.cli import _run, app
from innerview.cli._options import named_files, seconds
from innerview.cli._result import show_fidelity, show_overview
from innerview.data.formats import DataFormat
from innerview.data.splits import HoldOut
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.results import write_metrics
from innerview.explainer import Claiming, Refuted
from innerview.explanation.style import AUDIENCES, LENGTHS, TONES
from innerview.pipeline import RunSettings, benchmark

COMMANDS = [
    ["demo"],
    ["run"],
    ["label"],
    ["align"],
    ["evaluate"],
    ["evidence"],
    ["fidelity"],
    ["benchmark"],
    ["stability"],
    ["judge"],
    ["overview"],
    ["compare"],
    ["report"],
    ["explain"],
    ["doctor"],
    ["target"],
    ["target", "train"],
    ["target", "check"],
    ["data"],
    ["data", "check"],
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("90", 90),
        ("25m", 1500),
        ("25min", 1500),
        ("1h", 3600),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1h0m5s", 3605),
        (" 2M ", 120),
    ],
)
def test_durations_become_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "m", "-5m", "5x", "1m1h", "25 m", "nan", "inf", "٣s", "1e3", "9" * 400]
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no duration; write 90s, 25m or 1h30m"):
        seconds(text)


def test_bad_duration_on_the_command_line_starts_nothing() -> None:
    result = CliRunner().invoke(app, ["demo", "--time-budget", "soon"])
    assert result.exit_code == 2
    assert "'soon' is no duration" in result.stderr
    assert not result.stdout


def test_choices_are_those_of_the_rooms_that_own_them() -> None:
    assert get_args(get_args(opt.Format)[0]) == get_args(DataFormat)
    assert set(get_args(get_args(opt.Split)[0])) == {"auto", *get_args(HoldOut)}
    assert get_args(get_args(opt.RefutedReasons)[0]) == get_args(Refuted)
    assert get_args(get_args(opt.Claims)[0]) == get_args(Claiming)
    assert get_args(get_args(opt.Audience)[0]) == AUDIENCES
    assert get_args(get_args(opt.Length)[0]) == LENGTHS
    assert get_args(get_args(opt.Tone)[0]) == TONES


def test_defaults_are_those_of_the_pipeline() -> None:
    here = inspect.signature(_run.run).parameters
    there = inspect.signature(RunSettings).parameters
    for name in here.keys() & there.keys():
        if here[name].default is not inspect.Parameter.empty and name not in {"items"}:
            assert here[name].default == there[name].default, name
    assert seconds(_run.BUDGET) == there["time_budget_s"].default


def test_the_battery_takes_what_its_stages_take() -> None:
    battery = inspect.signature(_run.benchmark).parameters
    for name, stage in (
        ("reader", _run.fidelity), ("beside", _run.stability), ("n_reasons", _run.evaluate),
    ):  # fmt: skip
        own = inspect.signature(stage).parameters[name]
        assert (battery[name].default, battery[name].annotation) == (own.default, own.annotation)
        assert inspect.signature(benchmark).parameters[name].default == own.default


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: innerview {' '.join(command)} ")
    assert not result.stderr


def test_help_names_every_command_in_whole_words() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert all(f"  {command[0]} " in text for command in COMMANDS)
    assert "..." not in text.partition("Commands:")[2]


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("innerview 0.")


def test_files_are_named_by_what_comes_before_their_ending() -> None:
    assert named_files([]) == {}
    assert named_files([Path("a/mine.jsonl"), Path("theirs.jsonl")]) == {
        "given_mine": Path("a/mine.jsonl"),
        "given_theirs": Path("theirs.jsonl"),
    }
    assert named_files([Path("a/ann.csv")], prefix="") == {"ann": Path("a/ann.csv")}
    with pytest.raises(typer.BadParameter, match="rename one of them"):
        named_files([Path("a/mine.jsonl"), Path("b/mine.jsonl")])


def test_skill_is_shown_a_line_each_and_what_is_not_known_as_a_dash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = Figure(0.973, 0.9, 1.0, 40)
    tree = {
        "grounded": {"deletion": known, "deletion_skill": known, "coverage": known},
        "given_mine": {"deletion": known},
    }
    path = tmp_path / "fidelity.json"
    write_metrics(path, {"fidelity": tree})
    show_fidelity(path)
    heading, first, second, last = capsys.readouterr().out.splitlines()
    assert heading.split() == ["skill", "of", "the", "order", "deletion"]
    assert first.split() == ["grounded", "0.97"]
    assert second.split() == ["given", "mine", "–"]
    assert last == str(path)


def test_an_overview_shows_attributes_and_lets_no_title_move_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    share = Figure(0.5, 0.4, 0.6, 4).to_dict()
    part = {"part": "p", "title": "A\x1b[2JB", "present": 1234, "strongest": 1}
    group = {"attribute": "genre", "value": "Drama", "tried": 3}
    found = {
        "n_cases": 4,
        "figures": {"one_part": share, "several_parts": share, "no_part": share},
        "few_parts": {"one_part": share},
        "many_parts": {"one_part": share},
        "parts": [{**part, "decides": 2, "helps_decide": 1}],
        "groups": [{**group, "speaks_for": 2, "speaks_against": 0}],
        "outcomes": [{"outcome": "o", "title": "O", "cases": 4, "parts": [["p", "A\x1b", 2]]}],
    }
    path = tmp_path / "overview.json"
    path.write_text(json.dumps(found))
    show_overview(path)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    lines = told.splitlines()
    assert lines[1].split() == ["all", "fewest", "parts"]
    assert lines[2].split()[-2:] == ["0.50", "0.50"] and lines[3].split()[-2:] == ["0.50", "–"]
    assert [line.split() for line in lines if "x1b[2J" in line] == [
        ["2", "1", "1,234", "A\\x1b[2JB"]
    ]
    assert any(line.split() == ["2", "0", "3", "genre", "Drama"] for line in lines)
    assert any(line.split() == ["4", "O:", "A\\x1b", "(2)"] for line in lines)
