"""The report's curves with their bands, as plain geometry for small drawings; no markup.

A chart is a box of 300 by 180 units with its origin at the upper left. Nothing needs a plotting
library, so the page always has its pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from innerview.alignment.records import FORMS
from innerview.evaluation._tables import CURVES, FORM_NAMES, METHODS, spaced
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.fidelity import CURVE_SIZES

__all__ = ["Chart", "Curve", "calibration_chart", "decile_charts", "fidelity_charts"]

WIDTH, HEIGHT = 300, 180
_RIVALS = ("distilled", "popularity")
"""Drawn beside the surrogate, without bands."""

_SHOWN = (
    "grounded", *(f"surrogate_{form}" for form in FORMS), "leave_one_out", "lime", "random",
    "control_permuted_target", "control_shuffled",
)  # fmt: skip
"""Explainers whose curves are drawn unasked."""
_GOLDEN_ANGLE = 137.508
"""Between the hues of the others, so that any two differ."""

_LEAST_DRAWN = 10

Points = Sequence[tuple[float, Figure]]
"""Where, from 0 to 1, and a share."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through figures and the band of their intervals.

    Attributes:
        name: whose.
        line, band: as SVG writes points; no band is "".
        dots: of the figures, in units.
        shown: unasked.
        hue: of its colour, in degrees; None where the page has one for it.
    """

    name: str
    label: str
    line: str
    band: str
    dots: tuple[tuple[float, float], ...]
    shown: bool = True
    hue: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves in one box; both axes go from 0 to 1.

    Attributes:
        says: what is to be seen, for who does not see it.
        x_ticks: place in units, and label.
        reference: the line of chance, or of the truth, as SVG writes points.
        zones: place and width in units, and label, of stretches that are marked.
    """

    says: str
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    reference: str
    curves: tuple[Curve, ...]
    zones: tuple[tuple[float, float, str], ...] = ()


def decile_charts(metrics: Mapping[str, Any]) -> list[Chart]:
    """How often yes is said, and how far outcomes are in order, by tenth of the ranking."""
    found: Mapping[str, Any] = metrics.get("deciles", {})
    forms = [form for form in FORMS if form in found]
    if not forms:
        return []
    said = [_curve(form, _label(form), _by_tenth(found[form]["yes"])) for form in forms]
    ordered = [
        _curve(name, _label(name), _by_tenth(found[name]["order"]), with_band=name in forms)
        for name in (*forms, *_RIVALS)
        if name in found
    ]
    axis = "tenth of the target's ranking"
    ticks = tuple((round(_middle(n) * WIDTH, 2), str(n)) for n in range(1, 11))
    yes = Chart(
        says="Share of yes by tenth of the target's ranking, from best to worst.",
        x_label=axis,
        y_label="share of yes",
        x_ticks=ticks,
        reference="",
        curves=tuple(said),
        zones=((0.2 * WIDTH, 0.3 * WIDTH, "asked nowhere else"),),
    )
    order = Chart(
        says="Share of pairs in the target's order by tenth of its ranking.",
        x_label=axis,
        y_label="pairs in order",
        x_ticks=ticks,
        reference=_written([(0, HEIGHT / 2), (WIDTH, HEIGHT / 2)]),
        curves=tuple(ordered),
    )
    return [yes, order]


def calibration_chart(metrics: Mapping[str, Any]) -> Chart | None:
    """What share of outcomes the target likes, by the probability that the surrogate gives them.

    Bins of fewer than ten cases are left to the table: their intervals cannot see what no case
    showed, and would look sure.
    """
    found: Mapping[str, Any] = metrics.get("calibration", {})
    drawn = [
        _curve(
            form,
            _label(form),
            [
                (own["probability"].value, own["liked"])
                for own in found[form].values()
                if own["liked"].n >= _LEAST_DRAWN
            ],
        )
        for form in FORMS
        if form in found
    ]
    if not drawn:
        return None
    return Chart(
        says="Share that the target likes by the surrogate's probability of yes.",
        x_label="probability of yes",
        y_label="share that the target likes",
        x_ticks=tuple((tenth / 10 * WIDTH, f"{tenth / 10:g}") for tenth in range(0, 11, 2)),
        reference=_written([(0, HEIGHT), (WIDTH, 0)]),
        curves=tuple(drawn),
    )


def fidelity_charts(metrics: Mapping[str, Any]) -> list[Chart]:
    """What is left of an outcome's place while parts go, or stay alone, in each explainer's order;
    nothing where no curve was kept."""
    found = {
        name: branch["curves"]
        for name, branch in metrics.get("fidelity", {}).items()
        if "curves" in branch
    }
    if not found:
        return []
    names = [*(n for n in _SHOWN if n in found), *(n for n in found if n not in _SHOWN)]
    return [
        Chart(
            says=f"1 / log2(1 + rank) by explainer; {says}.",
            x_label=says,
            y_label="1 / log2(1 + rank)",
            x_ticks=tuple((_along(size) * WIDTH, str(size)) for size in CURVE_SIZES),
            reference="",
            curves=tuple(
                replace(
                    _curve(
                        name.removeprefix("surrogate_"),
                        spaced(name),
                        [(_along(size), found[name][curve][str(size)]) for size in CURVE_SIZES],
                    ),
                    shown=name in _SHOWN,
                    hue=None if name in _SHOWN else round(number * _GOLDEN_ANGLE % 360),
                )
                for number, name in enumerate(names)
            ),
        )
        for curve, says in CURVES.items()
    ]


def _along(size: int) -> float:
    """Where a number of parts stands, from 0 to 1."""
    return (size - 0.5) / CURVE_SIZES[-1]


def _middle(tenth: int) -> float:
    return (tenth - 0.5) / 10


def _label(name: str) -> str:
    return FORM_NAMES.get(name, METHODS[name])


def _by_tenth(figures: Mapping[str, Figure]) -> list[tuple[float, Figure]]:
    return [(_middle(int(tenth)), figure) for tenth, figure in figures.items()]


def _curve(name: str, label: str, points: Points, *, with_band: bool = True) -> Curve:
    dots = tuple(_place(x, figure.value) for x, figure in points)
    upper = [_place(x, figure.high) for x, figure in points]
    lower = [_place(x, figure.low) for x, figure in reversed(points)]
    return Curve(name, label, _written(dots), _written(upper + lower) if with_band else "", dots)


def _place(x: float, y: float) -> tuple[float, float]:
    return round(x * WIDTH, 2), round((1 - y) * HEIGHT, 2)


def _written(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
