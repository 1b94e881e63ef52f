"""The other half of a round trip: bundles are loaded by Innerview and held against the library.

Runs in Innerview's environment, which has none of the libraries. ``compare.py OUT JSON`` adds a
row for each bundle under ``OUT`` and fails if one does not agree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from innerview.errors import BundleError
from innerview.targets import BundleTarget, Case, load_bundle

TOLERANCE = 1e-4
"""Largest difference, relative to the largest score of the library."""
TOP = 20


def compared(place: Path) -> dict[str, Any]:
    """One row of the table."""
    told = json.loads((place / "told.json").read_text("utf-8"))
    row: dict[str, Any] = {key: told[key] for key in ("model", "asked", "libraries", "python")}
    try:
        target = load_bundle(place / "bundle")
    except BundleError as error:
        return row | {"refused": str(error), "agrees": False}
    cases = [Case(case_id, tuple(parts)) for case_id, parts in told["cases"]]
    columns = np.argsort(target.outcomes.rows(told["ids"]))
    library = load_file(place / "library.safetensors")["scores"][:, columns]
    ours = target.score(cases)
    difference = float(np.abs(library - ours).max() / np.abs(library).max())
    same = np.mean([_same_top(target, *each) for each in zip(cases, library, ours, strict=True)])
    able, manifest = target.capabilities, target.manifest
    assert manifest is not None
    return row | {
        "encoder": manifest.encoder.kind,
        "vectors": able.vectors,
        "rescoring": able.rescoring,
        "order_sensitive": able.order_sensitive,
        "width": manifest.width,
        "n_items": len(target.outcomes),
        "n_cases": len(cases),
        "max_difference": difference,
        "same_top20": float(same),
        "agrees": bool(difference <= TOLERANCE and same == 1.0),
    }


def _same_top(target: BundleTarget, case: Case, library: Any, ours: Any) -> bool:
    """Whether the best items are the same ones in the same order; of a tie any order is."""
    tops = []
    for given in (library, ours):
        scores = given.copy()
        scores[target.outcomes.rows(case.parts)] = -np.inf
        tops.append(np.argsort(-scores, kind="stable")[:TOP])
    same, other = library[tops[0]], library[tops[1]]
    tie = 1e-6 * np.abs(library).max()
    return bool(np.all((tops[0] == tops[1]) | (np.abs(same - other) <= tie)))


def main() -> int:
    """Print a line for each model; 1 if one does not agree."""
    out, path = Path(sys.argv[1]), Path(sys.argv[2])
    rows = [compared(told.parent) for told in sorted(out.glob("*/told.json"))]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        if "refused" in row:
            print(f"{row['model']}: refused: {row['refused']}")
        else:
            print(
                f"{row['model']}: {row['encoder']}, {row['n_cases']} cases x {row['n_items']} "
                f"items, differs by {row['max_difference']:.1e}, "
                f"same top {TOP} in {row['same_top20']:.1%}"
            )
    return 0 if rows and all(row["agrees"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
