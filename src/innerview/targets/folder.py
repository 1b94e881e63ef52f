"""Any target as a folder, so that every stage of a run finds it again.

A bundle holds all of its model. A target behind an address is kept as that address, its catalogues
and what it answered to some cases. Of one that lives in a process the same is kept, without the
address: only the process that made it can be asked, or one that has made it again and has
registered it. What answers otherwise than it did is another model, and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from innerview.data.tables import Catalogue
from innerview.errors import BundleError
from innerview.files import recover_folder
from innerview.targets.bundle import BundleTarget
from innerview.targets.derived import DerivedTarget
from innerview.targets.export import CheckRecord, Provenance, save_bundle, write_live
from innerview.targets.http import HttpTarget
from innerview.targets.live import TorchTarget
from innerview.targets.load import (
    bundle_of,
    catalogues_of,
    check_scores_of,
    read_files,
    read_manifest,
)
from innerview.targets.manifest import Http, Live, Manifest
from innerview.targets.protocol import Case, FloatArray, QueryCounter, Target
from innerview.targets.recorded import fingerprint_of, probes, record_answers
from innerview.targets.replay import REPLAY_TOLERANCE, replay_difference

__all__ = ["RecordedTarget", "load_target", "register", "save_target"]

_LIVING: dict[str, Target] = {}
"""By name: the targets of this process that can be found again."""


class RecordedTarget(DerivedTarget):
    """A live target beside what it answered when its folder was made.

    Before it is first asked for scores, it is asked for those again. That is not counted here, nor
    what it is asked elsewhere.

    Args:
        target: that is asked.
        manifest: of its folder.
        scores: that were recorded, of the manifest's check cases.
        replay: whether it is compared with them.
    """

    def __init__(
        self, target: Target, manifest: Manifest, scores: FloatArray, *, replay: bool = True
    ) -> None:
        super().__init__(target)
        self.manifest, self.check_scores = manifest, scores
        self._queries = QueryCounter()
        self._compared = not replay or not manifest.capabilities.deterministic
        self._fingerprint = fingerprint_of(target, CheckRecord(manifest.check_cases, scores))

    @property
    def living(self) -> Target:
        """The target that is asked."""
        return self._target

    @property
    def fingerprint(self) -> str:
        """Hash of what was recorded."""
        return self._fingerprint

    @property
    def queries(self) -> QueryCounter:
        """Counts every case scored."""
        return self._queries

    def score(self, cases: Sequence[Case]) -> FloatArray:
        """(N, O) scores.

        Raises:
            BundleError: the target answers otherwise than it did.
        """
        if not self._compared:
            self._compare()
        scores = self._target.score(cases)
        self._queries.add(len(cases))
        return scores

    def _compare(self) -> None:
        recorded = self.manifest.check_cases
        missed = replay_difference(self._target, recorded, self.check_scores).max(axis=1)
        if missed.max() > REPLAY_TOLERANCE:
            worst = recorded[int(missed.argmax())].case_id
            raise BundleError(
                f"target {self.name!r} is another model than the one recorded: case {worst!r} now "
                f"scores {missed.max():.3g} away; record it again, and make a new run of it"
            )
        self._compared = True


def register(target: Target) -> None:
    """Let folders that were made of a live target find it in this process, by its name."""
    _LIVING[target.name] = target


def save_target(
    path: Path | str,
    target: Target,
    *,
    check_cases: Sequence[Case] = (),
    provenance: Provenance | None = None,
    overwrite: bool = False,
) -> BundleTarget | RecordedTarget:
    """Write a target as a folder, and load it back.

    A target of this process is registered by that: the folder holds what it answered, not what it
    is. Better is a bundle, where the model can be exported.

    Args:
        path: the folder to make.
        target: any; a bundle is written whole.
        check_cases: cases to record; by default some drawn from its parts.
        provenance: where it comes from.
        overwrite: replace the folder where it exists.

    Raises:
        BundleError: the folder exists, or cannot be written.
        TargetQueryError: the target fails to answer.
    """
    asked = list(check_cases) or probes(target)
    if isinstance(target, BundleTarget) and not isinstance(target, TorchTarget):
        known = list(target.contents.cases[: len(asked)])  # of a static target, no others
        return save_bundle(
            path,
            target.contents,
            check_cases=known or asked,
            provenance=provenance,
            overwrite=overwrite,
        )
    if isinstance(target, RecordedTarget):
        target = target.living
    record = record_answers(target, asked)
    spec: Http | Live = target.service if isinstance(target, HttpTarget) else Live()
    write_live(path, target, spec, record, provenance=provenance, overwrite=overwrite)
    register(target)
    return load_target(path)


def load_target(path: Path | str, *, replay: bool = True) -> BundleTarget | RecordedTarget:
    """The target of a folder, whatever its kind.

    Args:
        path: the folder.
        replay: refuse a target that answers otherwise than recorded; a bundle now, a live one
            before its first answer.

    Raises:
        BundleError: a file is damaged, or the target lives in another process; in one line.
        TargetQueryError: the folder names a host that may not be asked.
    """
    folder = Path(path)
    recover_folder(folder)
    manifest = read_manifest(folder)
    if not isinstance(manifest.encoder, Http | Live):
        return bundle_of(folder, manifest, replay=replay)
    data = read_files(folder, manifest)
    outcomes, parts = catalogues_of(manifest, data)
    scores = check_scores_of(manifest, data)
    if scores is None:
        raise BundleError(f"{folder / 'manifest.json'}: no recorded answers; record them again")
    if isinstance(manifest.encoder, Live):
        target = _living(folder, manifest.name, outcomes, parts)
    else:
        target = _remote(manifest, manifest.encoder, outcomes, parts)
    return RecordedTarget(target, manifest, scores, replay=replay)


def _living(folder: Path, name: str, outcomes: Catalogue, parts: Catalogue) -> Target:
    target = _LIVING.get(name)
    if target is None:
        raise BundleError(
            f"{folder}: target {name!r} lives in the process that made it; make it again and "
            "register it (innerview.targets.register), or export it as a bundle"
        )
    if (target.outcomes.ids, target.parts.ids) != (outcomes.ids, parts.ids):
        raise BundleError(f"{folder}: the target {name!r} of this process has other ids")
    return target


def _remote(manifest: Manifest, service: Http, outcomes: Catalogue, parts: Catalogue) -> Target:
    """The target behind an address: as it was made in this process, with its key, or anew."""
    known = _LIVING.get(manifest.name)
    same = isinstance(known, HttpTarget) and known.service == service
    if known is not None and same and (known.outcomes, known.parts) == (outcomes, parts):
        return known
    able = manifest.capabilities
    return HttpTarget(
        service,
        outcomes,
        parts,
        name=manifest.name,
        max_parts=able.max_parts,
        order_sensitive=able.order_sensitive,
        deterministic=able.deterministic,
        excludes_parts=able.excludes_parts,
    )
