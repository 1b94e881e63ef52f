"""Seal the manifests of a run that was made before manifests had seals.

    python scripts/seal_manifests.py runs/mine [more runs]

Target and surrogate keep their fingerprints; nothing is trained or asked again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from innerview.files import BLANK_SEAL, seal, write_whole
from innerview.surrogate.surrogate import read_manifest, sealed_manifest
from innerview.targets import load_bundle
from innerview.targets.manifest import Manifest


def main(run: Path) -> None:
    path = run / "target" / "manifest.json"
    bundle = Manifest.model_validate_json(path.read_bytes())
    if bundle.seal is None:
        text = bundle.model_copy(update={"seal": BLANK_SEAL}).model_dump_json(indent=1)
        _write(path, seal(text.encode()))
    load_bundle(run / "target")
    path = run / "surrogate" / "manifest.json"
    if not path.exists():
        return
    manifest = json.loads(path.read_bytes())
    if manifest["version"] == 1:
        stage = path.with_name("stage.json")
        mark = {k: json.loads(stage.read_bytes())[k] for k in ("made_from",) if stage.exists()}
        _write(path, sealed_manifest({**manifest, **mark, "version": 2}))
    read_manifest(run / "surrogate")


def _write(path: Path, data: bytes) -> None:
    write_whole(path, lambda beside: beside.write_bytes(data))
    print(f"sealed {path}")


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        main(Path(folder))
