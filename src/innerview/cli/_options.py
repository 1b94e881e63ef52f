"""Options that several commands share, declared once. Their meaning is the pipeline's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "About",
    "AsJson",
    "Audience",
    "Base",
    "Beside",
    "Budget",
    "Chat",
    "Claims",
    "Format",
    "InteractionsFile",
    "ItemCol",
    "ItemsFile",
    "KCore",
    "Length",
    "NExplain",
    "NReasons",
    "NTest",
    "NoTime",
    "Noun",
    "RatingCol",
    "Reader",
    "Run",
    "Seed",
    "Split",
    "TargetName",
    "TimeCol",
    "TitleCol",
    "Tone",
    "UserCol",
    "seconds",
]

# The choices stand here again, because the rooms that own them take long to import; a test
# compares the two.
Format = Annotated[
    Literal["auto", "table", "movielens", "movietweetings", "amazon", "compact"],
    typer.Option(help="Of the data; auto goes by what is there."),
]
Split = Annotated[
    Literal["auto", "last", "random"],
    typer.Option(
        help="Which item of each user is held out; auto: random for als, last for sasrec."
    ),
]

InteractionsFile = Annotated[
    Path, typer.Option(help="Table of who met what and when, or the folder of a data set.")
]
ItemsFile = Annotated[
    Path | None, typer.Option(help="Table of items and their titles; without it ids are titles.")
]
UserCol = Annotated[str, typer.Option(help="Column of user ids.", metavar="NAME")]
ItemCol = Annotated[str, typer.Option(help="Column of item ids, in both tables.", metavar="NAME")]
TimeCol = Annotated[str, typer.Option(help="Column of times.", metavar="NAME")]
RatingCol = Annotated[
    str | None,
    typer.Option(
        help="Column of the users' ratings; by default rating, if there is one.", metavar="NAME"
    ),
]
NoTime = Annotated[
    bool, typer.Option("--no-time", help="There are no times: rows are in their order.")
]
TitleCol = Annotated[str, typer.Option(help="Column of titles.", metavar="NAME")]
Noun = Annotated[str, typer.Option(help="What one item is called: film, book.", metavar="WORD")]
KCore = Annotated[
    int, typer.Option(min=1, help="Keep users and items with at least this many events.")
]
TargetName = Annotated[
    str, typer.Option(help="als, sasrec, or the folder of a target.", metavar="TARGET")
]
Base = Annotated[str, typer.Option(help="Base language model: the default, a folder, or a hub id.")]
Budget = Annotated[
    str, typer.Option(help="About how long it may take: 90s, 25m, 1h30m.", metavar="DURATION")
]
Chat = Annotated[
    Path | None,
    typer.Option(
        help="JSON Lines of prompt and answer that keep the base model's speech; without it the "
        "base model answers some itself."
    ),
]
NTest = Annotated[int, typer.Option(min=1, help="Cases kept for the test.")]
NExplain = Annotated[int, typer.Option(min=0, help="Test cases to explain in the run.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything random.")]
Run = Annotated[Path, typer.Option(help="Folder of a run.")]
RefutedReasons = Annotated[
    Literal["keep", "drop", "retry"],
    typer.Option(
        help="What becomes of the surrogate's own reasons that the target refutes: kept beside the "
        "verdict, dropped, or asked for once more."
    ),
]
Claims = Annotated[
    Literal["grounded", "surrogate"],
    typer.Option(
        help="Whose answers claims are read off: the target's, or the surrogate's own, checked "
        "afterwards."
    ),
]
Audience = Annotated[
    Literal["support", "customer", "engineer", "auditor"],
    typer.Option(help="For whom: with ranks, without any, with scores too, with proofs."),
]
Length = Annotated[
    Literal["line", "short", "full"],
    typer.Option(help="The most telling claim, up to four, or all that are verified."),
]
Tone = Annotated[
    Literal["plain", "warm"],
    typer.Option(help="warm: to customers, of their own parts and of what we would choose."),
]
About = Annotated[
    str | None, typer.Option(help="An attribute to speak of first: genre.", metavar="ATTRIBUTE")
]
NCases = Annotated[
    int, typer.Option(min=1, help="Cases for explainers that ask the target, or nobody.")
]
NSurrogate = Annotated[
    int, typer.Option(min=0, help="Held-out cases for what the surrogate claims unasked.")
]
TargetOnly = Annotated[
    bool, typer.Option("--target-only", help="Only what needs no language model.")
]
Explanations = Annotated[
    list[Path] | None,
    typer.Option(
        help="Somebody else's explanations to measure as well, one JSON object a line: case_id,"
        " reasons (ids of parts) or text, and outcome_id. May be given again.",
    ),
]
Reader = Annotated[
    str | None,
    typer.Option(help="A base model that reads those explanations as well.", metavar="MODEL"),
]
Beside = Annotated[
    Path | None,
    typer.Option(help="Folder of another surrogate of the same target.", metavar="FOLDER"),
]
NReasons = Annotated[
    int,
    typer.Option(min=0, help="Cases of which the strongest reason is asked: it takes long."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(
    r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+(?:\.\d+)?)s?)?",
    re.ASCII,
)


def seconds(duration: str) -> float:
    """Seconds of ``90s``, ``25m``, ``1h30m``, ``1.5h``, or a bare number of seconds.

    Raises:
        typer.BadParameter: it is none of these, or zero.
    """
    match = _DURATION.fullmatch(duration.strip().lower())
    parts = {unit: n for unit, n in match.groupdict().items() if n} if match else {}
    total = sum(float(n) * _UNITS[unit] for unit, n in parts.items())
    if not 0 < total < float("inf"):
        raise typer.BadParameter(f"{duration!r} is no duration; write 90s, 25m or 1h30m")
    return total


def named_files(paths: Sequence[Path], *, prefix: str = "given_") -> dict[str, Path]:
    """Files by the names that their figures get: the prefix and the file's name without ending.

    Raises:
        typer.BadParameter: two would get the same.
    """
    found: dict[str, Path] = {}
    for path in paths:
        name = f"{prefix}{path.stem}"
        if name in found:
            raise typer.BadParameter(f"{found[name]} and {path} have one name; rename one of them")
        found[name] = path
    return found
