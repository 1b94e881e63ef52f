"""The table of round trips in docs/targets.md, out of the JSON files that they left.

python scripts/targets/table.py [docs/roundtrips]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "roundtrips"
MAIN = {"replay": "replay-rec"}
"""The package whose version is told, where it is not named as the library is."""
HEAD = (
    "| library | model | Python | encoder | vectors | changed cases | asked for its own scores by "
    "| largest difference | same top 20 |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


def table(folder: Path) -> str:
    """Markdown, a row for each model of each library."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text("utf-8"))
        name = MAIN.get(path.stem, path.stem)
        versions = [row["libraries"][name] for row in told if name in row["libraries"]]
        rows += [_row(" ".join([path.stem, *versions[:1]]), row) for row in told]
    return HEAD + "".join(rows)


def _row(library: str, row: dict[str, Any]) -> str:
    n = round(row["same_top20"] * row["n_cases"])
    cells = [
        library,
        row["model"],
        row["python"].rpartition(".")[0],
        f"`{row['encoder']}`",
        "yes" if row["vectors"] else "no",
        "yes" if row["rescoring"] else "no",
        f"`{row['asked']}`",
        f"{row['max_difference']:.0e}",
        f"{n} of {row['n_cases']}",
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(table(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER), end="")
