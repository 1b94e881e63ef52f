"""Tells whoever waits what is going on: a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Happening", "Say", "bars", "lines", "progress", "time_left"]

_LINE_EVERY_S = 10.0


class Happening(Protocol):
    """What the pipeline tells; its ``Event`` is one."""

    @property
    def stage(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def fraction(self) -> float | None: ...


Say = Callable[[Happening], None]


@contextmanager
def progress() -> Iterator[Say]:
    """To stderr, in the form that suits it."""
    if not sys.stderr.isatty():
        yield lines(sys.stderr)
        return
    from rich.console import Console

    with bars(Console(stderr=True)) as say:
        yield say


def time_left(since_s: float, fraction: float) -> str:
    """How long the rest takes at the pace so far: ``40 s``, ``12 min``; empty at either end."""
    if not 0 < fraction < 1:
        return ""
    left = since_s * (1 - fraction) / fraction
    return f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"


def lines(stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> Say:
    """One line for each event; those that only count up are thinned out."""
    stage, began, written = "", 0.0, 0.0

    def say(event: Happening) -> None:
        nonlocal stage, began, written
        now = clock()
        fresh = event.stage != stage
        if fresh:
            stage, began = event.stage, now
        counting = event.fraction is not None and event.fraction < 1
        if counting and not fresh and now - written < _LINE_EVERY_S:
            return
        written = now
        tail = _tail(event.fraction, now - began)
        print(f"{event.stage:<8} {_one_line(event.text)}{tail}", file=stream, flush=True)

    return say


def _tail(fraction: float | None, since_s: float) -> str:
    if fraction is None:
        return ""
    left = time_left(since_s, fraction)
    return f" ({fraction:.0%}{f', {left} left' if left else ''})"


@contextmanager
def bars(console: Console) -> Iterator[Say]:
    """A bar with the time left for the stage that counts, lines above it for the rest."""
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[stage]:<8}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as shown:
        tasks: dict[str, TaskID] = {}

        def say(event: Happening) -> None:
            text = escape(_one_line(event.text))
            if event.fraction is None:
                console.print(f"{escape(event.stage):<8} {text}", highlight=False)
                return
            if event.stage not in tasks:
                tasks[event.stage] = shown.add_task(text, total=1.0, stage=escape(event.stage))
            shown.update(tasks[event.stage], completed=event.fraction, description=text)

        yield say


def _one_line(text: str) -> str:
    return " ".join(text.split())
