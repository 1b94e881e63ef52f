"""Run the cells of notebooks in order, and keep what they print.

    python scripts/run_notebooks.py [--check] notebooks/*.ipynb

``--check`` prints it instead. No Jupyter is needed: cells are plain Python, and show things by
printing them.
"""

from __future__ import annotations

import argparse
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def run(notebook: dict[str, Any]) -> None:
    """Run a notebook's cells and put what they print into it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, start=1):
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
        text = printed.getvalue().splitlines(keepends=True)
        stream = {"output_type": "stream", "name": "stdout", "text": text}
        cell["execution_count"], cell["outputs"] = number, [stream] if text else []


def main() -> None:
    parser = argparse.ArgumentParser(description="Run notebooks and keep what they print.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="print it, and change no file")
    given = parser.parse_args()
    for path in given.notebooks:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        run(notebook)
        if given.check:
            print("".join(line for cell in notebook["cells"] for out in cell.get("outputs", ())
                          for line in out["text"]))  # fmt: skip
        else:
            text = json.dumps(notebook, indent=1, ensure_ascii=False)
            path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
