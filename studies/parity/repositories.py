"""The official repositories: where they are, how to know one, how to import from it."""

import ast
import contextlib
import dataclasses
import importlib
import re
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deadpan.errors import DeadpanError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repository:
    """One official repository.

    Attributes:
        name: owner and name on GitHub.
        models: models of ours that it has code of.
        files: files that it must have, each with a text that it must hold.
    """

    name: str
    models: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def command(self) -> str:
        """The command that fetches it."""
        return f"git clone https://github.com/{self.name}"


REPOSITORIES = {
    "mult": Repository(
        name="yaohungt/Multimodal-Transformer",
        models=("MulT", "CTC", "metrics"),
        files={
            "src/models.py": "class MULTModel",
            "modules/transformer.py": "class TransformerEncoder",
            "modules/multihead_attention.py": "class MultiheadAttention",
            "modules/position_embedding.py": "class SinusoidalPositionalEmbedding",
            "src/ctc.py": "class CTCModule",
            "src/eval_metrics.py": "def eval_mosei_senti",
        },
    ),
    "mmsa": Repository(
        name="thuiar/MMSA",
        models=(
            *("MulT", "MFN", "LMF", "TFN", "LF-DNN", "EF-LSTM", "Graph-MFN", "MCTN"),
            "metrics",
        ),
        files={
            f"src/MMSA/models/singleTask/{name}.py": f"class {name}"
            for name in ("EF_LSTM", "LF_DNN", "LMF", "TFN", "MFN", "Graph_MFN", "MULT", "MCTN")
        }
        | {
            "src/MMSA/models/subNets/FeatureNets.py": "class SubNet",
            "src/MMSA/models/subNets/transformers_encoder/transformer.py": "TransformerEncoder",
            "src/MMSA/utils/metricsTop.py": "class MetricsTop",
        },
    ),
    "raven": Repository(
        name="victorywys/RAVEN",
        models=("RAVEN",),
        files={
            "code/model.py": "class Net",
            "code/layer.py": "class LSTM",
            "code/consts.py": "class global_consts",
        },
    ),
    "mfn": Repository(name="pliang279/MFN", models=("MFN",), files={"test_mosi.py": "class MFN"}),
    "mctn": Repository(
        name="hainow/MCTN",
        models=("MCTN",),
        files={"seq2seq/mctn_models.py": "def mctn_model"},
    ),
    "marn": Repository(
        name="A2Zadeh/MARN", models=("MARN",), files={"README.md": "Multi-attention Recurrent"}
    ),
}


def check(option: str, folder: Path) -> None:
    """Raise DeadpanError unless a folder is the repository that an option names."""
    repository = REPOSITORIES[option]
    for name, text in repository.files.items():
        try:
            content = (folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            content = None
        if content is None or text not in content:
            what = "has no" if content is None else f"has no '{text}' in"
            raise DeadpanError(
                f"--{option}: {folder} {what} {name}, so it is not {repository.name}; give the "
                f"folder that '{repository.command}' makes"
            )


def commit(folder: Path, files: Sequence[str]) -> str:
    """The commit of a clone, with a + if one of these files was changed; or "not a clone"."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", "-C", folder, *words], capture_output=True, text=True, check=False
        )

    top = git("rev-parse", "--show-toplevel")
    # A folder inside another repository is not of that one's commit.
    if top.returncode or Path(top.stdout.strip()).resolve() != folder.resolve():
        return "not a clone"
    changed = git("diff", "--quiet", "HEAD", "--", *files).returncode
    return git("rev-parse", "HEAD").stdout.strip()[:12] + ("+" if changed else "")


@contextlib.contextmanager
def importable(folder: Path, bare: Sequence[str] = ()) -> Iterator[None]:
    """Modules below a folder can be imported while the context lasts; nothing of them remains.

    Nothing is written into the folder either.

    Args:
        folder: that the modules lie in.
        bare: packages whose own __init__.py is not run, as it imports what is not needed here.
    """
    before, writes = dict(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        for name in bare:
            package = types.ModuleType(name)
            package.__path__ = [str(folder.joinpath(*name.split(".")))]
            sys.modules[name] = package
        yield
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            if name in bare or _is_below(module, folder):
                del sys.modules[name]
        # Modules of the same names that were there before, as 'src' might be.
        sys.modules.update({name: x for name, x in before.items() if name not in sys.modules})
        importlib.invalidate_caches()


def _is_below(module: types.ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    paths = [file] if file else list(getattr(module, "__path__", []))
    return any(Path(path).resolve().is_relative_to(folder.resolve()) for path in paths)


def python_2(folder: Path, names: Sequence[str]) -> list[types.ModuleType]:
    """Modules of Python 2 whose only difference is the print statement and what map returns.

    Each can import those before it.
    """
    modules: list[types.ModuleType] = []
    before = {name: sys.modules.get(name) for name in names}
    try:
        for name in names:
            file = folder / f"{name}.py"
            source = file.read_text(encoding="utf-8")
            source = re.sub(r"^(\s*)print (.*)$", r"\1print(\2)", source, flags=re.MULTILINE)
            module = types.ModuleType(name)
            module.__dict__["map"] = lambda function, *rows: list(map(function, *rows))
            sys.modules[name] = module
            exec(compile(source, str(file), "exec"), module.__dict__)
            modules.append(module)
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
    return modules


def obstacle(folder: Path) -> str:
    """Why the code of a folder cannot run here; "" where nothing stands in its way."""
    files = sorted(x for x in folder.rglob("*.py") if ".git" not in x.parts)
    if not files:
        return "the repository holds no code"
    told: list[str] = []
    for file in files:
        name = file.relative_to(folder).as_posix()
        source = file.read_text(encoding="utf-8", errors="replace")
        if re.search(r"^\s*(?:from|import) (?:keras|tensorflow)\b", source, re.MULTILINE):
            told.append(f"{name} needs Keras")
        try:
            ast.parse(source)
        except SyntaxError as error:
            told.append(f"{name} is Python 2 (line {error.lineno})")
    return "; ".join(told[:2])
