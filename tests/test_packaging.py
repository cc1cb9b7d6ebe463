"""What a release is made of: the C inside its wheel, one version, and what indexes show of it."""

import ast
import importlib.util
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
import yaml

import deadpan

ROOT = Path(__file__).resolve().parents[1]
NATIVE = "src/deadpan/layers/native"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def hook_module(monkeypatch):
    """``hatch_build.py``, beside a stand-in for hatchling, which only pip's builds have."""

    class Interface:
        def __class_getitem__(cls, item):
            return cls

    stand_in = types.ModuleType("hatchling.builders.hooks.plugin.interface")
    stand_in.BuildHookInterface = Interface
    parts = stand_in.__name__.split(".")
    for end in range(1, len(parts)):
        name = ".".join(parts[:end])
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build_data_of(module, root, reason):
    """What the hook asks hatchling for, and its warnings, where compiling ends with a reason."""
    (root / NATIVE).mkdir(parents=True)
    text = (ROOT / NATIVE / "build.py").read_text(encoding="utf-8")
    text += f"\n\ndef compile_library():\n    return {reason!r}\n"
    (root / NATIVE / "build.py").write_text(text, encoding="utf-8")
    hook, warnings, data = module.NativeHook(), [], {"artifacts": [], "pure_python": True}
    hook.root, hook.app = str(root), types.SimpleNamespace(display_warning=warnings.append)
    hook.initialize("standard", data)
    return data, warnings


def test_a_wheel_holds_the_library_and_is_of_one_platform(hook_module, tmp_path, monkeypatch):
    monkeypatch.setattr(hook_module.sysconfig, "get_platform", lambda: "linux-x86_64")
    data, warnings = build_data_of(hook_module, tmp_path, None)
    assert data == {
        "artifacts": [f"{NATIVE}/kernels.so"],
        "pure_python": False,
        "tag": "py3-none-linux_x86_64",
    }
    assert warnings == []


def test_a_wheel_without_the_library_says_why_and_is_of_any_platform(hook_module, tmp_path):
    data, warnings = build_data_of(hook_module, tmp_path, "no C compiler")
    assert data == {"artifacts": [f"{NATIVE}/not_built.txt"], "pure_python": True}
    assert warnings == ["the C is not compiled, torch will compute: no C compiler"]


def test_a_python_for_two_processors_makes_a_wheel_for_its_own(hook_module, monkeypatch):
    monkeypatch.setattr(hook_module.sysconfig, "get_platform", lambda: "macosx-11.0-universal2")
    monkeypatch.setattr(hook_module.platform, "machine", lambda: "arm64")
    assert hook_module.platform_tag() == "macosx_11_0_arm64"


def test_the_library_is_looked_for_where_the_wheel_has_it(hook_module):
    from deadpan.layers.native.build import FOLDER

    assert Path(hook_module.FOLDER) == Path(NATIVE)
    assert FOLDER.parts[-3:] == Path(NATIVE).parts[-3:]


def test_nothing_in_the_package_compiles_but_the_build():
    """Wherever ``compile_library`` stands, code could be compiled while deadpan is in use."""
    sources = (ROOT / "src").rglob("*.py")
    named = [path.name for path in sources if "compile_library" in path.read_text(encoding="utf-8")]
    assert named == ["build.py"]


def test_the_version_is_that_of_pyproject():
    """Nowhere else does it stand but in CITATION.cff, which a test holds to it."""
    version = PYPROJECT["project"]["version"]
    assert deadpan.__version__ == version
    told = subprocess.run(
        [sys.executable, "-m", "deadpan", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"deadpan {version}\n"


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == deadpan.__version__
    assert citation["license"] == PYPROJECT["project"]["license"]


def test_types_are_for_others_too():
    assert Path(deadpan.__file__).with_name("py.typed").is_file()
    assert "Typing :: Typed" in PYPROJECT["project"]["classifiers"]


def test_a_library_whose_internals_are_used_is_bounded():
    (need,) = (x for x in PYPROJECT["project"]["dependencies"] if x.startswith("pyfive"))
    assert "<" in need


def test_an_installation_has_no_use_for_what_only_tests_need():
    names = {"sklearn", "h5py", "hypothesis", "pytest"}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not names & {alias.name.split(".")[0] for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in names, path


def test_github_runs_what_ci_runs():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert any(command.strip().endswith(".ci/run") for command in commands)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
