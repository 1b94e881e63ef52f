"""A run as a folder to publish: its surrogate, its target, its figures, and a card.

The files of the surrogate are copied as they are, so its fingerprint stays. Of the target
everything stays but the cases that it is tried with, which are people's: made-up ones take their
place.
"""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import save as save_tensors

from innerview.alignment.cases import read_cases
from innerview.errors import RunError
from innerview.evaluation.card import Published, model_card
from innerview.evaluation.results import read_metrics
from innerview.files import BLANK_SEAL, recover_folder, room_for, seal, whole_folder
from innerview.pipeline._stage import Event, Say
from innerview.surrogate.hub import name_on_hub
from innerview.surrogate.manifest import fingerprint_of, read_manifest
from innerview.targets import BundleTarget, Case, RecordedTarget, load_target
from innerview.targets.export import record_answers
from innerview.targets.files import sha256
from innerview.targets.manifest import FileName, FileRecord

__all__ = ["export"]

_N_MADE_UP, _PARTS_MADE_UP = 16, 5
_MEASURED = ("metrics.json", "fidelity.json")


def export(
    run: Path,
    out: Path,
    say: Say,
    *,
    license: str,
    name: str | None = None,
    private_target: bool = False,
    with_cases: bool = False,
) -> Path:
    """Write a folder that ``Explainer.load`` takes, from here or from a model hub.

    Args:
        run: with a target and a surrogate.
        out: the folder to make.
        say: told what is in it.
        license: of surrogate and target together, as hubs write it: ``apache-2.0``.
        name: of the repository, for the card; the folder's by default.
        private_target: leave the target out but for its catalogue; it must be given to load.
        with_cases: put the run's cases in as well, and those that the target was tried with. They
            are personal data, where they are people's histories.

    Raises:
        RunError: the folder exists, the run has no surrogate, or its target needs its own cases.
        BundleError, SurrogateError: a file of theirs is damaged.
    """
    if out.exists():
        raise RunError(f"{out} exists already; remove it, or choose another folder with --out")
    target = load_target(run / "target")
    surrogate = run / "surrogate"
    recover_folder(surrogate)
    if not (surrogate / "manifest.json").exists():
        raise RunError(f"{surrogate} is missing; make it with: innerview align --run {run}")
    manifest = read_manifest(surrogate)
    if manifest["target"] != target.fingerprint:
        raise RunError(f"{surrogate} was aligned with another target; align it anew")
    cases = read_cases(run) if with_cases else None
    measured = _measured(run, target.fingerprint, fingerprint_of(manifest), say)
    files = {f"surrogate/{n}": (surrogate / n).read_bytes()
             for n in (*manifest["sha256"], "manifest.json")}  # fmt: skip
    published = Published(
        name=name or out.name,
        license=license,
        target=_about_target(target),
        surrogate=_about_surrogate(manifest, sum(map(len, files.values()))),
        base_on_hub=name_on_hub(manifest["base"]),
        private=private_target,
        n_cases=sum(map(len, (cases.train, cases.valid, cases.test))) if cases else 0,
        metrics={key: own for each in measured.values() for key, own in each.items()},
    )
    if private_target:
        files["catalogue.parquet"] = _catalogue(target)
    elif isinstance(target, RecordedTarget):
        raise RunError(
            f"{run / 'target'}: the target is not in its folder, which only says where it lives; "
            "publish the surrogate alone, with --private-target"
        )
    else:
        bundle = _bundle_files(run / "target", target, with_cases=with_cases)
        files |= {f"target/{n}": data for n, data in bundle.items()}
    if cases:
        files["labels/cases.parquet"] = (run / "labels" / "cases.parquet").read_bytes()
    files |= {n: _figures_file(run, n).read_bytes() for n in measured}
    files["README.md"] = model_card(published).encode()
    size = sum(map(len, files.values()))
    with room_for(out, size, RunError), whole_folder(out) as beside:
        for file, data in files.items():
            (beside / file).parent.mkdir(parents=True, exist_ok=True)
            (beside / file).write_bytes(data)
    say(Event("export", f"{len(files)} files, {size / 1e6:.1f} MB in {out}", 1.0))
    return out


def _figures_file(run: Path, name: str) -> Path:
    """In a run's report, or beside a surrogate that was published before."""
    own = run / "report" / name
    return own if own.exists() else run / name


def _measured(run: Path, target: str, surrogate: str, say: Say) -> dict[str, dict[str, Any]]:
    """Figures by file, of this very target and surrogate."""
    found = {}
    for name in _MEASURED:
        path = _figures_file(run, name)
        if not path.exists():
            say(Event("export", f"{name} is missing: the card says that nothing was measured"))
            continue
        figures = read_metrics(path)
        meta = figures.get("meta", {})
        if (meta.get("target"), meta.get("surrogate")) == (target, surrogate):
            found[name] = figures
        else:
            say(Event("export", f"{path} is of another target or surrogate, and is left out"))
    return found


def _about_target(target: BundleTarget | RecordedTarget) -> dict[str, str]:
    manifest = target.manifest
    assert manifest is not None
    parts = "" if target.parts is target.outcomes else f", {len(target.parts):,} parts"
    told = {
        "name": target.name,
        "answers": f"{len(target.outcomes):,} outcomes ({target.outcomes.noun}){parts}",
        "case vector": f"{manifest.encoder.kind}, {manifest.width} numbers",
        "fingerprint": target.fingerprint,
    }
    own, fixed = (manifest.training.get(name) for name in ("target", "popularity"))
    if isinstance(own, dict) and isinstance(fixed, dict):
        told["HR@10 of held-out events"] = f"{own.get('hr10')} (popularity {fixed.get('hr10')})"
    if manifest.data_sha256:
        told["trained on, SHA-256"] = manifest.data_sha256
    return told


def _about_surrogate(manifest: Mapping[str, Any], size: int) -> dict[str, str]:
    training = manifest.get("training", {})
    base = manifest["base"]
    told = {
        "base model": Path(base).name if Path(base).is_absolute() else base,
        "fingerprint": fingerprint_of(manifest),
        "size": f"{size / 1e6:.1f} MB, without the base model",
    }
    if training:
        told["training"] = (
            f"{manifest.get('n_records', 0):,} records, {training['steps']:,} steps, "
            f"{training['seconds'] / 60:.0f} minutes"
        )
    return told


def _bundle_files(folder: Path, target: BundleTarget, *, with_cases: bool) -> dict[str, bytes]:
    """Of the target; without cases, the record of what it answered is of some that are made up."""
    assert target.manifest is not None
    if with_cases:
        return {n: (folder / n).read_bytes() for n in (*target.manifest.files, "manifest.json")}
    if not target.capabilities.rescoring:
        raise RunError(
            f"{folder}: the target scores no made-up case, so its files need its own; publish them "
            "with --with-cases, or keep it with --private-target"
        )
    record = record_answers(target, _made_up(target))
    data: dict[FileName, bytes] = {
        name: (folder / name).read_bytes()
        for name in target.manifest.files
        if name != "check.safetensors"
    }
    data["check.safetensors"] = save_tensors({"scores": record.scores})
    manifest = target.manifest.model_copy(
        update={
            "files": {n: FileRecord(sha256=sha256(b), size=len(b)) for n, b in data.items()},
            "check_cases": record.cases,
            "seal": BLANK_SEAL,
        }
    )
    written: dict[str, bytes] = {"manifest.json": seal(manifest.model_dump_json(indent=1).encode())}
    written.update(data.items())
    return written


def _made_up(target: BundleTarget) -> list[Case]:
    draw = random.Random(0)
    n = min(_PARTS_MADE_UP, target.capabilities.max_parts, len(target.parts) - 1)
    return [
        Case(f"made-up-{number}", tuple(draw.sample(target.parts.ids, max(1, n))))
        for number in range(1, _N_MADE_UP + 1)
    ]


def _catalogue(target: BundleTarget | RecordedTarget) -> bytes:
    buffer = io.BytesIO()
    target.outcomes.to_frame().write_parquet(buffer, compression="zstd", statistics=False)
    return buffer.getvalue()
