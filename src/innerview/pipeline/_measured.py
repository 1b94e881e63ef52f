"""What the stages that measure explanations begin with: a target, its cases, a surrogate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerview.alignment.cases import Cases
from innerview.alignment.records import FORMS, Form
from innerview.errors import RunError
from innerview.evaluation.given import Given, read_given
from innerview.evaluation.results import read_metrics
from innerview.pipeline._stage import Event, Say
from innerview.surrogate.manifest import fingerprint_of
from innerview.targets import Case, Target, load_target
from innerview.targets.check import FEW_OUTCOMES

if TYPE_CHECKING:
    from innerview.surrogate.surrogate import Surrogate

__all__ = [
    "fewest_queries",
    "figures_in",
    "fingerprint_in",
    "forms_of",
    "is_measured",
    "limits_of",
    "read_explanations",
    "readable_surrogate",
    "rescoring_target",
    "usable_cases",
]


def rescoring_target(run: Path) -> Target:
    """The target of a run.

    Raises:
        RunError: it cannot score a changed case.
    """
    target = load_target(run / "target")
    if not target.capabilities.rescoring:
        raise RunError(
            f"{run}: the target cannot score a changed case; nothing can be measured on it, but on "
            "a fold-in in its place: innerview target fold-in"
        )
    return target


def limits_of(target: Target) -> list[str]:
    """What is not offered, and why: of what a target cannot do, a sentence each."""
    able, found = target.capabilities, []
    if not able.vectors:
        found.append("The target gives no vectors: its surrogate has the behavior form alone.")
    if not able.rescoring:
        found.append(
            "The target scores no changed case: claims about one are untestable, and whole cases "
            "alone are learned from."
        )
    if not able.deterministic:
        found.append("The target answers differently each time: claims are untestable.")
    if (few := len(target.outcomes)) <= FEW_OUTCOMES:
        found.append(
            f"There are {few} outcomes: lists of five or ten say nothing of so few, the first "
            "place counts alone, and none is held out."
        )
    return found


def usable_cases(cases: Sequence[Case], target: Target) -> list[Case]:
    """As the target sees them; nothing can be taken from those of one part."""
    recent = (case.last(target.capabilities.max_parts) for case in cases)
    return [case for case in recent if len(set(case.parts)) > 1]


def fewest_queries(case: Case) -> int:
    """That Shapley values of a case need: for eight orders, and their reverses."""
    return 20 * len(case.parts)


def forms_of(target: Target) -> Sequence[Form]:
    """In which a surrogate can be asked."""
    return FORMS if target.capabilities.vectors else FORMS[:1]


def fingerprint_in(folder: Path) -> str | None:
    """Of the surrogate in a folder, if there is one; it is not loaded."""
    path = folder / "manifest.json"
    return fingerprint_of(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def figures_in(run: Path, name: str, target: Target) -> tuple[dict[str, Any], list[str]]:
    """What a file of the report folder holds, if it is of this target and this surrogate; else a
    remark, where there is one."""
    path = run / "report" / name
    found = read_metrics(path) if path.exists() else {}
    about = found.get("meta", {})
    surrogate = fingerprint_in(run / "surrogate")
    if not found:
        return {}, []
    if about.get("target") == target.fingerprint and about.get("surrogate") in (None, surrogate):
        return found, []
    return {}, [f"{name} is left out: it was measured of another target or surrogate."]


def is_measured(path: Path, what: str, made_from: str) -> bool:
    """Whether a file holds figures of something, made from the very same; where a control has
    failed, it holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return bool(found[what] and found["meta"]["made_from"] == made_from)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_explanations(
    given: Mapping[str, Path], target: Target, known: Cases, *, needs_text: bool = False
) -> dict[str, list[Given]]:
    """All files, before anything takes time."""
    usable = usable_cases([*known.test, *known.valid, *known.train], target) if given else []
    cases = {case.case_id: case for case in usable}
    return {
        name: read_given(path, target, cases, needs_text=needs_text) for name, path in given.items()
    }


def readable_surrogate(folder: Path, target: Target, say: Say) -> Surrogate | None:
    """The surrogate in a folder, if there is one whose memory can be read."""
    if not (folder / "manifest.json").exists():
        return None
    from innerview.surrogate.surrogate import Surrogate

    surrogate = Surrogate.load(folder, target)
    if surrogate.memory.edits:
        return surrogate
    say(Event("surrogate", f"{folder} has no memory to read claims in, and is left out"))
    return None
