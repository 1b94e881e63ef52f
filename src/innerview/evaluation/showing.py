"""Can I show these? An answer from what was measured, by rules that stand beside it.

What was not measured is not guessed: the command that measures it is named instead. Knows figures
and explanations, and nothing of how they are drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from innerview.alignment.records import FORMS
from innerview.evaluation._tables import FLOORS, METHODS
from innerview.evaluation.bootstrap import Figure
from innerview.evaluation.fidelity import CONTROL_LIMIT, failed_controls
from innerview.evaluation.sheets import three_decimals
from innerview.explanation.claims import Verdict
from innerview.explanation.explanation import Explanation

__all__ = [
    "MAY_SHOW",
    "READ_OFF_LIMIT",
    "UNCHECKED_LIMIT",
    "MayShow",
    "Ruling",
    "Showing",
    "can_show",
]

MayShow = Literal["yes", "no", "unknown"]
"""``unknown`` is for what was not measured, or has nothing to show."""

MAY_SHOW: Mapping[MayShow, str] = {"yes": "Yes", "no": "No", "unknown": "Not known"}
"""For people."""

READ_OFF_LIMIT = 0.99
"""Claims that are read off the target are true before they are replayed. The rest is room for
those about attributes, which compare with random groups that are drawn anew."""

UNCHECKED_LIMIT = 0.95
"""A choice, not a law of nature: of what is shown without a check one in twenty may be wrong."""

_NOT_MEASURED = "Over many cases not measured."
_FIDELITY = "innerview fidelity --run RUN"


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether one kind of statement may be shown.

    Attributes:
        what: is shown.
        answer: by the rule.
        because: what was measured, in words.
        rule: that decided.
        command: that measures what is missing; empty where nothing is.
    """

    what: str
    answer: MayShow
    because: str
    rule: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Showing:
    """The answer for a run, and the rulings that it rests on."""

    answer: MayShow
    headline: str
    rulings: tuple[Ruling, ...]


def can_show(metrics: Mapping[str, Any], explanations: Sequence[Explanation]) -> Showing:
    """Whether these explanations can be shown, and which others could.

    No, where an explainer that knows nothing shows skill, or claims that were read off the target
    fail when it is asked again; yes, where neither was seen and claims were verified; else unknown.

    Args:
        metrics: as ``metrics.json`` and ``fidelity.json`` hold them, with ``failed_controls`` where
            those speak against every figure; what is absent was not measured.
        explanations: of the run.
    """
    fidelity: Mapping[str, Mapping[str, Figure]] = metrics.get("fidelity", {})
    controls = _controls(fidelity, metrics.get("failed_controls", ()))
    read_off = _read_off(fidelity.get("grounded", {}), explanations)
    rulings = [
        controls,
        read_off,
        _replayed(fidelity, explanations),
        *(_unchecked(form, fidelity.get(f"surrogate_{form}", {})) for form in FORMS),
        _free_prose(fidelity.get("free_prose", {})),
        _stand_in(metrics.get("alignment", {})),
    ]
    answer, headline = _in_short(controls, read_off, explanations)
    return Showing(answer, headline, tuple(one for one in rulings if one is not None))


def _in_short(
    controls: Ruling, read_off: Ruling, explanations: Sequence[Explanation]
) -> tuple[MayShow, str]:
    if controls.answer == "no":
        return "no", "An explainer that knows nothing shows skill: no figure here can be believed."
    if read_off.answer == "no":
        return "no", "Claims that were read off the target fail when it is asked again."
    if not explanations:
        return "unknown", "No case was explained in this run."
    if not any(c.verdict == "verified" for one in explanations for c in one.claims):
        return "unknown", "No claim could be verified, so there is no reason to show."
    return "yes", (
        "The texts, which state verified claims alone, and all claims with their verdicts. "
        "Below, what may be shown without a verdict."
    )


def _controls(fidelity: Mapping[str, Mapping[str, Figure]], told: Sequence[str]) -> Ruling:
    """Whether the measures can be fooled; if so, nothing else counts."""
    skills = [
        figure
        for name, own in fidelity.items()
        if name.startswith("control_")
        for measure, figure in own.items()
        if measure.endswith("_skill")
    ]
    answer: MayShow = "yes" if skills else "unknown"
    because = _NOT_MEASURED
    if skills:
        n = max(figure.n for figure in skills)
        because = (
            f"Of {len(skills)} skills of explainers that know nothing, over {n:,} cases, none is "
            f"surely farther from 0 than {CONTROL_LIMIT}."
        )
    if failed := [*told, *failed_controls(fidelity)]:
        answer, because = "no", "; ".join(failed)
    return Ruling(
        "Any figure below",
        answer,
        because,
        "Who knows nothing must show no skill.",
        "" if skills or failed else _FIDELITY,
    )


def _read_off(figures: Mapping[str, Figure], explanations: Sequence[Explanation]) -> Ruling:
    """What is shown by default, in these explanations and over many cases."""
    here = _verdicts(explanations, read_off=True)
    tested = here["verified"] + here["refuted"]
    told, known = [], []
    if here.total():
        told.append(f"Here {here['verified']:,} of {tested:,} that were tested held.")
        known += [here["verified"] / tested] if tested else []
    if (share := figures.get("verified_share")) is not None:
        told.append(f"Of those about {share.n:,} cases {_share(share)} held.")
        known.append(share.low)
    if (coverage := figures.get("coverage")) is not None:
        told.append(f"For {_share(coverage)} of the cases one that names a part is left.")
    return Ruling(
        "Texts, and claims read off the target",
        _at_least(READ_OFF_LIMIT, known),
        " ".join([*told, *([] if share else [_NOT_MEASURED])]),
        f"At least {READ_OFF_LIMIT} hold when the target is asked again, here and at the lower end "
        "of the interval. To every audience: only the words differ.",
        "" if share else _FIDELITY,
    )


def _replayed(
    fidelity: Mapping[str, Mapping[str, Figure]], explanations: Sequence[Explanation]
) -> Ruling:
    here = _verdicts(explanations, read_off=False)
    tested = here["verified"] + here["refuted"]
    told = [f"Here {here['verified']:,} of {tested:,} that were tested held."] if tested else []
    left = [
        f"{figure.value:.1f} from {METHODS[form]}"
        for form in FORMS
        if (figure := fidelity.get(f"surrogate_{form}", {}).get("claims_left")) is not None
    ]
    if left:
        told.append(f"Of a case there are left: {', '.join(left)}.")
    return Ruling(
        "Claims of the surrogate, replayed",
        "yes" if told else "unknown",
        " ".join([*told, *([] if left else [_NOT_MEASURED])]),
        "With their verdicts, or without those that were refuted (--refuted drop).",
        "" if left else _FIDELITY,
    )


def _unchecked(form: str, figures: Mapping[str, Figure]) -> Ruling | None:
    if (share := figures.get("verified_share")) is None:
        return None
    return Ruling(
        f"Claims of the surrogate, unchecked, from {METHODS[form]}",
        _at_least(UNCHECKED_LIMIT, [share.low]),
        f"Of those about {share.n:,} held-out cases {_share(share)} held.",
        f"At least {UNCHECKED_LIMIT} hold, at the lower end of the interval.",
    )


def _free_prose(figures: Mapping[str, Figure]) -> Ruling:
    skill = figures.get("necessity_skill")
    return Ruling(
        "Text that the surrogate writes freely",
        "no",
        f"The first part it names has a skill of {_interval(skill)} over {skill.n:,} cases; "
        "naming one at random has 0."
        if skill
        else _NOT_MEASURED,
        "Never: it states nothing that could be replayed.",
        "" if skill else _FIDELITY,
    )


def _stand_in(alignment: Mapping[str, Mapping[str, Figure]]) -> Ruling:
    """Whether the surrogate may answer for the target; of its forms the one that knows most."""
    form = next((form for form in reversed(FORMS) if form in alignment), FORMS[0])
    # Of five outcomes or fewer all are named, and only which one is first was measured.
    few = "retrieval_first" in alignment.get(form, {})
    metric = "retrieval_first" if few else "retrieval_hr5"
    said, fixed = (
        ("Its first", "the best fixed one is")
        if few
        else ("Among its five", "among the best fixed list's")
    )
    own = alignment.get(form, {}).get(metric)
    floors = [f.value for name in FLOORS if (f := alignment.get(name, {}).get(metric))]
    best = max(floors, default=0.0)
    answer: MayShow = "unknown"
    if own is not None:
        answer = "yes" if own.low >= UNCHECKED_LIMIT and own.low > best else "no"
    return Ruling(
        "Answers of the surrogate instead of the target's",
        answer,
        f"{said} is the target's first for {_share(own)} of {own.n:,} held-out cases, "
        f"from {METHODS[form]}; {fixed} for {best:.3f}."
        if own
        else _NOT_MEASURED,
        f"At least {UNCHECKED_LIMIT}, at the lower end, and more than any fixed list.",
        "" if own else "innerview evaluate --run RUN",
    )


def _verdicts(explanations: Sequence[Explanation], *, read_off: bool) -> Counter[Verdict]:
    """Of claims that were read off the target, or of all others."""
    return Counter(
        checked.verdict
        for one in explanations
        for checked in one.claims
        if (checked.claim.source == "evidence") == read_off
    )


def _at_least(limit: float, shares: Sequence[float]) -> MayShow:
    if not shares:
        return "unknown"
    return "yes" if min(shares) >= limit else "no"


def _share(figure: Figure) -> str:
    """Nothing short of all is rounded up to it."""
    value, low, high = (x if x == 1.0 else min(x, 0.999) for x in _ends(figure))
    return _interval(Figure(value, low, high, figure.n))


def _interval(figure: Figure) -> str:
    value, low, high = (three_decimals(x) for x in _ends(figure))
    return f"{value} [{low}, {high}]"


def _ends(figure: Figure) -> tuple[float, float, float]:
    return figure.value, figure.low, figure.high
