"""The house rules that a machine can hold: floors, names, free imports, docstrings, pins."""

import ast
import collections
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "deadpan"
MODULES = sorted(PACKAGE.rglob("*.py"))
PUBLIC = [p for p in MODULES if not p.name.startswith("_") or p.name == "__init__.py"]
HEAVY = {"torch", "numpy", "scipy", "sklearn", "matplotlib", "lightning_fabric"}


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_imports_flow_down():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    linter = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linter.returncode == 0, linter.stdout + linter.stderr


def test_no_public_class_or_function_stands_twice():
    places = collections.defaultdict(set)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                places[node.name].add(name_of(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("module", ["deadpan", "deadpan.errors", "deadpan.cli"])
def test_importing_is_free_and_silent(module: str):
    # A process of its own: this one has loaded torch for other tests, and checks of shapes.
    script = f"import sys, {module}; sys.stderr.write(' '.join({HEAVY} & set(sys.modules)))"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


@pytest.mark.parametrize("path", PUBLIC, ids=name_of)
def test_a_public_module_says_what_it_is(path: Path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{name_of(path)} has no docstring"
    assert docstring.splitlines()[0].endswith((".", "?", "!")), "its first line is a sentence"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_direct_dependency_is_pinned_and_nothing_else_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(need for extra in extras for need in extra)]
    pins = [
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert all(len(pin) == 2 for pin in pins), "a pin is name==version"
    assert {normal(name) for name, _ in pins} == {
        normal(re.split(r"[^\w.-]", need, maxsplit=1)[0]) for need in wanted
    }
