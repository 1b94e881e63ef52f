"""Explanations that somebody else made, read from a file to be measured beside our own.

One JSON object a line: ``case_id``, ``outcome_id`` (left out: what the target puts first),
``reasons`` (ids of parts, those that matter most first), ``text``. Without ``reasons``, those parts
count that the text names by title, in its order. Other keys are ignored, so that the lines of
``innerview explain`` can be given as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from innerview.errors import DataError
from innerview.evaluation.bootstrap import Figure, bootstrap_mean
from innerview.evaluation.free_prose import foreign_titles, named_parts
from innerview.evaluation.orders import Order, named_first
from innerview.evaluation.prose import text_figures
from innerview.explanation._ask import first_outcomes
from innerview.targets.protocol import Case, Target, top_outcomes

__all__ = ["Given", "foreign_figures", "given_figures", "given_orders", "read_given"]

_COMPARED = 10
"""An outcome's rank up to which a text may compare what it explains with it."""
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Given:
    """One explanation.

    Attributes:
        case: as the target sees it.
        outcome: id of what is explained.
        reasons: ids in the order given; they need not be parts of the case.
        text: may be empty.
    """

    case: Case
    outcome: str
    reasons: tuple[str, ...]
    text: str


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    case_id: str
    outcome_id: str | None = None
    reasons: list[str] | None = None
    text: str = ""


def read_given(
    path: Path, target: Target, cases: Mapping[str, Case], *, needs_text: bool = False
) -> list[Given]:
    """Read a file of explanations.

    Args:
        path: JSON Lines, UTF-8.
        target: whose outcomes are explained.
        cases: by id, as the target sees them.
        needs_text: reasons alone will not do.

    Raises:
        DataError: the file is missing, empty or no UTF-8, or a line is no such object, names a
            case or an outcome that is not known, has neither reasons nor text (or no text where it
            is needed), or comes twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise DataError("no such file; give one of explanations", path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error}); save it as UTF-8", path=path) from None
    read = [(n, _parsed(text, path, n)) for n, text in enumerate(lines, start=1) if text.strip()]
    if not read:
        raise DataError("no explanations in it; write one JSON object a line", path=path)
    for number, line in read:
        if line.case_id not in cases:
            problem = f"the run has no case {line.case_id!r} with two parts or more"
            raise DataError(problem, path=path, line=number, column="case_id")
    wholes = [cases[line.case_id] for _, line in read]
    firsts = first_outcomes(target, [(case, case) for case in wholes])
    found: dict[tuple[str, str], Given] = {}
    for (number, line), case, first in zip(read, wholes, firsts, strict=True):
        fault = partial(DataError, path=path, line=number)
        if needs_text and not line.text.strip():
            raise fault("no text to be rated; write one, or leave the line out", column="text")
        one = _given(line, case, first, target, fault)
        if (case.case_id, one.outcome) in found:
            problem = f"a second explanation of {one.outcome!r} for case {case.case_id!r}; one each"
            raise fault(problem)
        found[case.case_id, one.outcome] = one
    return list(found.values())


def _parsed(text: str, path: Path, number: int) -> _Line:
    try:
        return _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        column = str(first["loc"][0]) if first["loc"] else None
        raise DataError(first["msg"], path=path, line=number, column=column) from None


def _given(
    line: _Line, case: Case, first: str, target: Target, fault: Callable[..., DataError]
) -> Given:
    outcome = line.outcome_id if line.outcome_id is not None else first
    if outcome not in target.outcomes.index:
        raise fault(f"the target has no outcome {outcome!r}", column="outcome_id")
    if target.capabilities.excludes_parts and outcome in case.parts:
        problem = f"{outcome!r} is a part of its case, so the target never puts it forward"
        raise fault(problem, column="outcome_id")
    if line.reasons is None and not line.text.strip():
        raise fault("neither reasons nor text; give one of them", column="reasons")
    reasons = named_parts(line.text, case, target) if line.reasons is None else line.reasons
    return Given(case, outcome, tuple(dict.fromkeys(reasons)), line.text)


def given_orders(given: Sequence[Given], *, draws: int, seed: int = 0) -> list[list[Order]]:
    """Draws of each case's parts in the order in which they are given as reasons, the rest by
    chance. A reason that is no part of the case does not count."""
    return [
        [named_first(one.case, one.reasons, seed=seed + draw) for one in given]
        for draw in range(draws)
    ]


def given_figures(given: Sequence[Given], *, seed: int = 0) -> dict[str, Figure]:
    """What can be said of explanations without asking the target.

    ``reasons``
        how many parts of the case are given as reasons;
    ``ungrounded``
        explanations with a reason that is no part of their case;
    ``unexplained``
        explanations without any reason that is;

    and of those that have texts what ``text_figures`` says. Numbers in them take asking: see
    ``numbers.number_figures``.
    """
    cases = [one.case.case_id for one in given]
    own = [len(set(one.reasons) & set(one.case.parts)) for one in given]
    stray = [bool(set(one.reasons) - set(one.case.parts)) for one in given]
    figures = {
        "reasons": bootstrap_mean([float(n) for n in own], cases, seed=seed),
        "ungrounded": bootstrap_mean([float(flag) for flag in stray], cases, seed=seed),
        "unexplained": bootstrap_mean([float(not n) for n in own], cases, seed=seed),
    }
    texts = [one.text for one in given]
    return figures | (text_figures(texts, cases, seed=seed) if any(texts) else {})


def foreign_figures(given: Sequence[Given], target: Target, *, seed: int = 0) -> dict[str, Figure]:
    """``foreign_titles``: the share of texts that name something of the catalogues which has
    nothing to do with the case.

    What may be named: the case's parts, what is explained, and the outcomes that the target has
    among the case's first ten, as whoever explains may say what came close. So it is foreign, too,
    if a text names an outcome from farther down to say that it was not chosen, or a part to say
    what it would change. Only what is surely a title counts: one of two words or more that is no
    value of an attribute, or any in double quotes. A title that the catalogues do not have is not
    seen.

    Nothing where no explanation has a text.

    Args:
        given: explanations; those without text are left out.
        target: scores each whole case once.
        seed: of the interval.
    """
    told = [one for one in given if one.text.strip()]
    if not told:
        return {}
    flags = []
    for start in range(0, len(told), _AT_ONCE):
        chunk = told[start : start + _AT_ONCE]
        for one, scores in zip(chunk, target.score([o.case for o in chunk]), strict=True):
            near = top_outcomes(target, one.case, scores, _COMPARED)
            named = foreign_titles(one.text, one.case, target, outcomes={one.outcome, *near})
            flags.append(float(bool(named)))
    return {"foreign_titles": bootstrap_mean(flags, [o.case.case_id for o in told], seed=seed)}
