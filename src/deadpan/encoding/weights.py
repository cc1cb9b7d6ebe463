"""Opening the folders of frozen encoders of transformers, and running them up to a layer."""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deadpan.data.containers.files import printable
from deadpan.errors import DataError
from deadpan.files import home_path

CONFIG = "config.json"
WEIGHTS = ("model*.safetensors", "model.safetensors.index.json")
UNUSED = "pooler"
"""What the names of weights have that no hidden state depends on; files often lack them."""


def encoder_name(name: str) -> str:
    """The name of an encoder without the folders around its own: they decide no feature."""
    folder = home_path(name)
    if not folder.is_dir():
        return name  # on the hub
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def encoder_folder(name: str, patterns: Sequence[str], *, download: bool = True) -> Path:
    """The folder of an encoder; that of a name on the hub is in the hub's cache.

    Args:
        name: a folder, or a name on the hub.
        patterns: of the names of its files that are needed.
        download: get it from the hub if need be; else the network is not used.
    """
    folder = home_path(name)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DataError(f"{name}: is a file; give the folder that it is in")
    is_hub_name = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) and not name.startswith(".")
    if download and not is_hub_name:
        raise DataError(f"{name}: no such folder; give that of an encoder, or its name on the hub")
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                allow_patterns=list(patterns),
                ignore_patterns=["*/*"],
                local_files_only=not download,
            )
        )
    except Exception as error:  # of the network, of the disk, or a name that the hub does not have
        if not download:
            raise DataError(
                f"{name}: no such folder here, and none of this name in the hub's cache; give the "
                f"encoder with --encoder FOLDER_OR_NAME"
            ) from error
        raise DataError(
            f"{name}: no such folder, and the hub gave none of this name ({first_line(error)}); "
            "give the folder of an encoder"
        ) from error


def files_of(folder: Path, patterns: Sequence[str]) -> set[Path]:
    """The files of a folder whose names have one of these patterns."""
    return {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}


def load_weights(transformers: Any, folder: Path) -> Any:  # noqa: ANN401 - transformers has no types
    """The model of a folder, of which every weight but those of a pooler is in the file.

    Raises:
        DataError: there is none, or its weights are no safetensors, lack some or are quantised.
    """
    if not (folder / CONFIG).is_file():
        inside = "; give the folder inside it" if any(folder.glob(f"*/{CONFIG}")) else ""
        raise DataError(f"{folder}: has no {CONFIG}, so it is no encoder{inside}")
    if not files_of(folder, WEIGHTS[:1]):
        pickled = any(folder.glob("pytorch_model*.bin"))
        remedy = (
            "its weights are a pickle, which is never opened; save them as safetensors "
            "(transformers: model.save_pretrained)"
            if pickled
            else "copy model.safetensors into it"
        )
        raise DataError(f"{folder}: has no weights ({WEIGHTS[0]}); {remedy}")
    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        model, loading = transformers.AutoModel.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # of many types, none of them documented
        raise DataError(
            f"{folder}: cannot be loaded ({first_line(error)}); give an encoder"
        ) from error
    absent = sorted(key for key in loading["missing_keys"] if UNUSED not in key)
    if absent:
        raise DataError(
            f"{folder}: its weights lack '{printable(absent[0])}' and {len(absent) - 1} more "
            f"that {CONFIG} asks for; give the weights of this encoder"
        )
    if getattr(model, "is_quantized", False):
        raise DataError(
            f"{folder}: {CONFIG} says that its weights are quantised, and states are computed in "
            f"single precision; save it with other weights (transformers: model.dequantize())"
        )
    return model


@contextmanager
def quiet(transformers: Any) -> Generator[None, None, None]:  # noqa: ANN401 - has no types
    """Keep transformers from printing: what matters becomes an error."""
    log = transformers.utils.logging
    verbosity, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bar:
            log.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The first line of an error that says something, at most 200 characters of it."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:200]


class _Reached(Exception):
    """The highest layer that is needed has its input."""


def inputs_of_layers(
    model: nn.Module,
    stack: Sequence[nn.Module],
    inputs: Mapping[str, Tensor],
    layers: Sequence[int],
) -> dict[int, Tensor]:
    """Run a model until some layers of its stack have their inputs, and return these."""
    states: dict[int, Tensor] = {}
    top = max(layers)

    def record(layer: int, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        states[layer] = arguments[0] if arguments else named["hidden_states"]
        if layer == top:
            raise _Reached

    with ExitStack() as hooks:
        for layer in set(layers):
            hook = stack[layer].register_forward_pre_hook(
                lambda _, arguments, named, layer=layer: record(layer, arguments, named),
                with_kwargs=True,
            )
            hooks.callback(hook.remove)
        with suppress(_Reached):
            model(**inputs)
    return states


def find_stack(
    model: nn.Module, inputs: Mapping[str, Tensor]
) -> tuple[int, int, Sequence[nn.Module]]:
    """Depth and width of a model and, if their inputs are its hidden states, its layers.

    All are found by reading a sample, as transformers' models have no common structure; whatever
    the model raises for it goes on.
    """
    with torch.inference_mode():
        wanted = model(**inputs, output_hidden_states=True).hidden_states
        depth, width = len(wanted) - 1, wanted[0].shape[-1]
        stacks = (x for x in model.modules() if isinstance(x, nn.ModuleList))
        layers = next((tuple(stack) for stack in stacks if len(stack) == depth), ())
        try:
            states = inputs_of_layers(model, layers, inputs, range(depth)) if layers else {}
            same = bool(states) and all(torch.equal(states[k], wanted[k]) for k in range(depth))
        except Exception:  # noqa: BLE001 - its layers are called in another way: run it as a whole
            same = False
    return depth, width, layers if same else ()


@torch.inference_mode()
def states_of_layers(
    model: nn.Module,
    stack: Sequence[nn.Module],
    inputs: Mapping[str, Tensor],
    layers: Sequence[int],
    *,
    depth: int,
) -> dict[int, Tensor]:
    """The hidden states of some layers, as transformers numbers them: 0 are the embeddings.

    The model is run no further than the highest of these layers, if its stack is known. A state is
    what the next layer reads, so that a norm after the last layer changes that layer's state alone.
    """
    if not stack or max(layers) == depth:
        states = model(**inputs, output_hidden_states=True).hidden_states
        return {layer: states[layer] for layer in layers}
    return inputs_of_layers(model, stack, inputs, layers)
