"""The whole way: from tables, or with what comes with the package."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from innerview.alignment.cases import read_cases
from innerview.alignment.chat import read_chat
from innerview.errors import RunError, TargetQueryError
from innerview.pipeline._align import align, label
from innerview.pipeline._evaluate import evaluate
from innerview.pipeline._fidelity import fidelity
from innerview.pipeline._measured import figures_in, usable_cases
from innerview.pipeline._overview import overview_of, write_overview
from innerview.pipeline._report import explain, report
from innerview.pipeline._stage import Event, RunSettings, Say
from innerview.pipeline._target import train_target
from innerview.targets import Case, Target, load_target

__all__ = ["demo", "run", "shipped_folder"]

_DEMO_MARK = ".innerview-demo"
_TARGET_FRAC = 0.5
"""Of the time budget, for training a target."""
_OVERVIEW_CASES = 400
"""Some seconds, where the target is as fast as those that are trained here."""
_CONTROL_CASES = 200
"""For explainers that know nothing: 30 seconds of such a target. Of fewer, luck looks like skill;
of planted tables of 40 to 60 users a control failed on half, and none on 200 cases."""
_CONTROL_FRAC = 0.25
"""Of the time budget, for these, if it is spent."""
_CONTROL_QUERIES = 1000
"""About as many a case, with those of the explainers beside them."""
_PROBE = 64


def run(settings: RunSettings, say: Say) -> Path:
    """From tables to a report within about ``time_budget_s``; every stage is resumable.

    Raises:
        RunError: a control shows skill, so that no figure could be believed; the report says so.
    """
    began = time.monotonic()
    if settings.chat is not None:
        read_chat(settings.chat)  # what is wrong with it is better known now than after the target
    train_target(settings, say, max_seconds=_TARGET_FRAC * settings.time_budget_s)
    label(settings.out, say, n_test=settings.n_test, seed=settings.seed)
    # Alignment gets what is left after target and labels, less what explaining will take.
    left = settings.time_budget_s - (time.monotonic() - began)
    align(
        settings.out,
        say,
        base=settings.base,
        chat=settings.chat,
        max_seconds=max(60.0, 0.6 * left),
        seed=settings.seed,
    )
    left = settings.time_budget_s - (time.monotonic() - began)
    evaluate(
        settings.out, say, unaligned=False, distilled=False, channels=False,
        max_seconds=max(30.0, 0.6 * left), seed=settings.seed,
    )  # fmt: skip
    explain(settings.out, say, n=settings.n_explain)
    left = settings.time_budget_s - (time.monotonic() - began)
    failed = _failed_controls(settings, say, left_s=left)
    if time.monotonic() - began < settings.time_budget_s:
        _what_drives_it(settings.out, say, seed=settings.seed)
    page = report(settings.out, say)
    if failed:
        raise RunError(f"no figure can be believed: {'; '.join(failed)}; see {page}")
    return page.parent.parent


def shipped_folder() -> Path:
    """Where the target and surrogate that come with the package lie."""
    return Path(str(files("innerview").joinpath("shipped")))


def demo(out: Path, say: Say, *, n: int = 20) -> Path:
    """Explain held-out cases of the shipped target afresh, with the shipped surrogate.

    Raises:
        RunError: the package was built without the shipped run, or ``out`` holds another run,
            which is not touched.
    """
    shipped = shipped_folder()
    if not (shipped / "surrogate" / "manifest.json").exists():
        raise RunError(f"{shipped} holds no surrogate; make it with: innerview demo --from-scratch")
    mark = out / _DEMO_MARK
    if out.exists() and any(out.iterdir()) and not mark.exists():
        raise RunError(f"{out} holds something that is no demo; choose another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    mark.touch()
    for name in ("target", "labels", "surrogate"):
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.copytree(shipped / name, out / name)
    (out / "report").mkdir(parents=True, exist_ok=True)
    for name in ("metrics.json", "fidelity.json"):
        if (shipped / name).exists():
            shutil.copy(shipped / name, out / "report" / name)
    for old in (out / "explanations").glob("*.jsonl"):
        old.unlink()
    explain(out, say, n=n)
    _what_drives_it(out, say, seed=0)
    report(out, say)
    return out


def _what_drives_it(out: Path, say: Say, *, seed: int) -> None:
    """For the report, unless it is known; a target that cannot be asked for it does without."""
    target = load_target(out / "target")
    known = out / "report" / "overview.json"
    if not target.capabilities.rescoring or overview_of(known, target):
        return
    try:
        write_overview(out, say, n_cases=_OVERVIEW_CASES, seed=seed)
    except (RunError, TargetQueryError) as error:
        say(Event("overview", f"left out: {error}"))


def _failed_controls(settings: RunSettings, say: Say, *, left_s: float) -> list[str]:
    """Explainers that know nothing, and show skill all the same. They are tried without a language
    model, unless the report has figures of them, which may be of more cases."""
    out = settings.out
    target = load_target(out / "target")
    if not target.capabilities.rescoring:
        return []
    if figures_in(out, "fidelity.json", target)[0]:
        say(Event("fidelity", "unchanged, kept"))
    else:
        _try_controls(settings, target, say, left_s=left_s)
    meta = figures_in(out, "fidelity.json", target)[0].get("meta", {})
    return list(meta.get("failed_controls", ()))


def _try_controls(settings: RunSettings, target: Target, say: Say, *, left_s: float) -> None:
    """Unless there are too few cases, or the target takes too long over them."""
    known = read_cases(settings.out)
    usable = usable_cases([*known.test, *known.valid, *known.train], target)
    if len(usable) < _CONTROL_CASES:
        told = f"left out: {len(usable)} cases are too few to tell skill from luck"
        say(Event("fidelity", told))
        return
    try:
        takes = _CONTROL_CASES * _CONTROL_QUERIES * _seconds_per_query(target, usable[:_PROBE])
        if takes > max(left_s, _CONTROL_FRAC * settings.time_budget_s):
            told = f"it would take {takes / 60:.0f} min; ask for it with innerview fidelity"
            say(Event("fidelity", f"left out: {told}"))
            return
        fidelity(
            settings.out, say, n_cases=_CONTROL_CASES, n_surrogate=0, unaligned=False,
            seed=settings.seed,
        )  # fmt: skip
    except (RunError, TargetQueryError) as error:
        say(Event("fidelity", str(error)))


def _seconds_per_query(target: Target, some: Sequence[Case]) -> float:
    """How long the target takes for one of some cases together."""
    target.score(some)  # the first time may take longer
    began = time.monotonic()
    target.score(some)
    return (time.monotonic() - began) / len(some)
