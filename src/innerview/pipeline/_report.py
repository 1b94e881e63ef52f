"""Explanations of held-out cases, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from innerview.alignment.cases import read_cases
from innerview.alignment.records import FORMS
from innerview.errors import RunError
from innerview.evaluation.agreement import CaseAgreement, case_agreements
from innerview.evaluation.findings import Findings
from innerview.evaluation.report import write_report
from innerview.explanation.explanation import Explanation
from innerview.explanation.style import Style
from innerview.pipeline._measured import figures_in, limits_of
from innerview.pipeline._overview import overviews_of
from innerview.pipeline._shards import Shards
from innerview.pipeline._stage import Event, Say, digest
from innerview.targets import load_target
from innerview.targets.static import approximation_of

if TYPE_CHECKING:
    from innerview.explainer import Claiming, Refuted

__all__ = ["explain", "report"]

_STYLE = Style()
_SHARD = 20
_NAMES = {"als": "ALS", "sasrec": "SASRec"}


def explain(
    run: Path,
    say: Say,
    *,
    case_ids: Sequence[str] | None = None,
    n: int = 20,
    refuted: Refuted = "keep",
    claims: Claiming = "grounded",
    style: Style = _STYLE,
) -> Path:
    """Explain what the target puts first for held-out cases, one JSON line each.

    Explanations that are there already are kept, so a killed run goes on where it stopped.

    Args:
        run: with a target, and a surrogate if there is one.
        say: told how far it is.
        case_ids: which; by default the first ``n`` of an ordinary length.
        n: how many, if no ids are given.
        refuted, claims, style: as of ``Explainer``.
    """
    from innerview.explainer import Explainer

    explainer = Explainer.load(run, refuted=refuted, claims=claims, style=style)
    wanted = list(case_ids) if case_ids is not None else _worth_showing(run, n)
    fingerprint = explainer.surrogate.fingerprint if explainer.surrogate else "none"
    usual = ("keep", "grounded", _STYLE)
    how = [str(own) for own in (refuted, claims, style) if own not in usual]
    made_from = digest([explainer.target.fingerprint, fingerprint, *how])[:12]
    path = run / "explanations" / f"{made_from}.jsonl"
    written = Shards(path)
    done = {e.case_id for e in _explanations(path)}
    left = [c for c in dict.fromkeys(wanted) if c not in done]
    for start in range(0, len(left), _SHARD):
        shard = left[start : start + _SHARD]
        share = (len(wanted) - len(left) + start) / max(1, len(wanted))
        say(Event("explain", f"{len(wanted) - len(left) + start}/{len(wanted)} cases", share))
        written.add([json.dumps(e.to_dict(), ensure_ascii=False) for e in explainer(list(shard))])
    written.finish()
    say(Event("explain", f"{len(wanted)} explanations in {path}", 1.0))
    return path


def _worth_showing(run: Path, n: int) -> list[str]:
    """The first held-out cases of an ordinary length, so that pages stay readable."""
    test = read_cases(run).test
    ordinary = [c.case_id for c in test if len(c.parts) >= 4]
    return (ordinary or [c.case_id for c in test])[:n]


def _explanations(path: Path) -> list[Explanation]:
    """What a file holds, without a last line that is being written or that a kill cut off."""
    data = path.read_bytes() if path.exists() else b""
    found: list[Explanation] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            if line:
                found.append(Explanation.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}:{number}: no explanation ({error!r}); remove the file to explain anew"
            ) from None
    return found


def _agreements(run: Path, metrics: Mapping[str, Any]) -> list[CaseAgreement]:
    """By case, of the form that knows most; nothing without the answers that were measured."""
    path = run / "report" / "predictions.parquet"
    asked = [form for form in FORMS if form in metrics.get("deciles", {})]
    return case_agreements(path, asked[-1]) if asked and path.exists() else []


def report(run: Path, say: Say) -> Path:
    """Write ``report/index.html`` from whatever the run folder has."""
    target = load_target(run / "target")
    written = sorted((run / "explanations").glob("*.jsonl"), key=lambda p: p.stat().st_mtime)
    explanations = _explanations(written[-1]) if written else []
    measured = {
        name: figures_in(run, f"{name}.json", target)
        for name in ("metrics", "fidelity", "stability", "judges")
    }
    fidelity, _ = measured["fidelity"]
    metrics = measured["metrics"][0] | {
        "fidelity": fidelity.get("fidelity", {}),
        "fidelity_differences": fidelity.get("fidelity_differences", {}),
        "failed_controls": fidelity.get("meta", {}).get("failed_controls", []),
        "stability": measured["stability"][0].get("stability", {}),
    }
    path = run / "report" / "index.html"
    provenance = {
        "target": _NAMES.get(target.name, target.name),
        "target fingerprint": target.fingerprint[:16],
        "innerview": version("innerview"),
    }
    approximation = approximation_of(target)
    if approximation is not None:
        provenance["approximation"] = approximation
    if target.manifest and "baseline" in target.manifest.settings:
        provenance["without a part"] = str(target.manifest.settings["baseline"])
    surrogate = run / "surrogate" / "manifest.json"
    if surrogate.exists():
        manifest = json.loads(surrogate.read_text(encoding="utf-8"))
        provenance["base language model"] = str(manifest["base"])
        provenance["aligned on"] = f"{manifest.get('training', {}).get('examples', 0):,} examples"
    labels = run / "labels" / "stage.json"
    stage = json.loads(labels.read_text(encoding="utf-8")) if labels.exists() else {}
    findings = Findings(
        explanations=explanations,
        metrics=metrics,
        agreements=_agreements(run, metrics),
        judges=measured["judges"][0],
        overviews=overviews_of(run / "report", target),
        target_report=target.manifest.training if target.manifest else {},
        provenance=provenance,
        domain=target.outcomes.domain,
        notes=[
            *limits_of(target),
            *stage.get("notes", ()),
            *(note for _, own in measured.values() for note in own),
        ],
    )
    write_report(path, findings)
    said = findings.showing
    say(Event("report", f"can I show these? {said.answer}: {said.headline}"))
    say(Event("report", f"report: {path}", 1.0))
    return path
