"""Progress: plain lines that do not flood a log, a bar on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from innerview.cli._progress import bars, lines, time_left
from innerview.pipeline import Event as Step


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _written(events: list[tuple[float, Step]]) -> list[str]:
    stream, clock = io.StringIO(), Clock()
    say = lines(stream, clock=clock)
    for now, event in events:
        clock.now = 100 + now
        say(event)
    return stream.getvalue().splitlines()


def test_events_without_fraction_are_all_told() -> None:
    events = [(i, Step("labels", f"note {i}")) for i in range(3)]
    assert _written(events) == ["labels   note 0", "labels   note 1", "labels   note 2"]


def test_steps_are_thinned_out_but_first_and_last_stay() -> None:
    events = [(float(i), Step("align", f"step {i}", i / 40)) for i in range(41)]
    assert _written(events) == [
        "align    step 0 (0%)",
        "align    step 10 (25%, 30 s left)",
        "align    step 20 (50%, 20 s left)",
        "align    step 30 (75%, 10 s left)",
        "align    step 40 (100%)",
    ]


def test_each_stage_has_its_own_clock() -> None:
    events = [
        (0, Step("labels", "a", 0.5)),
        (600, Step("align", "b", 0.0)),
        (700, Step("align", "c", 0.25)),
    ]
    assert _written(events)[-1] == "align    c (25%, 5 min left)"


def test_an_event_is_one_line_whatever_it_holds() -> None:
    assert _written([(0, Step("data", "two\nlines\tand more"))]) == ["data     two lines and more"]


def test_time_left_is_silent_at_both_ends() -> None:
    assert time_left(10, 0.0) == time_left(10, 1.0) == ""
    assert time_left(60, 0.5) == "60 s"
    assert time_left(600, 0.5) == "10 min"


def test_bar_shows_stage_and_text_as_they_are() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    with bars(console) as say:
        say(Step("labels", "[red]not markup[/red]"))
        say(Step("align", "step [1/2]", 0.5))
        say(Step("align", "step [2/2]", 1.0))
    shown = stream.getvalue()
    assert "[red]not markup[/red]" in shown
    assert "step [2/2]" in shown
    assert "100%" in shown
