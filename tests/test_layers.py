"""The house: rooms import only from rooms above them, and each library has one room."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "innerview"
FILES = sorted(SOURCE.rglob("*.py"))

OWNERS = {
    **dict.fromkeys(("implicit", "rectools", "lightning", "pytorch_lightning"), "targets"),
    **dict.fromkeys(("onnx", "onnxruntime", "onnxscript", "pandas"), "targets"),
    **dict.fromkeys(("transformers", "peft", "accelerate", "gguf", "tokenizers"), "surrogate"),
    "huggingface_hub": "surrogate",
    **dict.fromkeys(("matplotlib", "shap"), "explanation"),
}
"""Library -> the only room that may import it."""

LIGHT = {"onnxruntime"}
"""Owned, but a core dependency that imports fast."""


def _room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    return []


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        yield from _names(node)


def _at_import_time(body: list[ast.stmt]) -> Iterator[str]:
    """What importing a module imports: not what stands in functions or under TYPE_CHECKING."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _at_import_time(node.orelse)
            continue
        yield from _names(node)
        for inner in ("body", "orelse", "finalbody", "handlers"):
            for part in getattr(node, inner, []):
                nested = part.body if isinstance(part, ast.ExceptHandler) else [part]
                yield from _at_import_time(nested)


def test_rooms_import_only_from_rooms_above() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_each_library_is_imported_by_its_room_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strangers = {name for name in _imports(tree) if OWNERS.get(name, _room(path)) != _room(path)}
    assert not strangers
    heavy = set(_at_import_time(tree.body)) & (OWNERS.keys() - LIGHT)
    assert not heavy, "import it inside the function that needs it"


STUDENT = SOURCE / "evaluation" / "distilled.py"
"""A rival that is a network itself; imported only where one is to be taught."""


def test_only_the_surrogate_and_the_targets_import_torch_at_import_time() -> None:
    rooms = {
        _room(path)
        for path in FILES
        if path != STUDENT
        and "torch" in _at_import_time(ast.parse(path.read_text(encoding="utf-8")).body)
    }
    assert rooms <= {"surrogate", "targets"}
    for path in FILES:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        imported = [node.module for node in body if isinstance(node, ast.ImportFrom)]
        assert "innerview.evaluation.distilled" not in imported, path
