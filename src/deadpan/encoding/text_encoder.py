"""Frozen text encoders of transformers: opened from a folder or by name, and run up to a layer."""

import dataclasses
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deadpan.data.containers.files import file_sha256, printable
from deadpan.errors import DataError, DeadpanError
from deadpan.files import home_path

CONFIG = "config.json"
WEIGHTS = "model*.safetensors"
TOKENIZER = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
"""Files by any of which a folder has a tokenizer."""
READ = (
    *(CONFIG, WEIGHTS, "model.safetensors.index.json", *TOKENIZER, "merges.txt"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
"""The files that decide what an encoder gives, which are hashed."""
LIBRARIES = ("torch", "transformers", "tokenizers")
UNUSED = "pooler"
"""What the names of weights have that no hidden state depends on; files often lack them."""
SAMPLE = "a sample of text"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens of a prompt.

    Attributes:
        ids: their numbers, special tokens included.
        spans: start and end of the characters of the prompt that each is made of, in order; a
            special token has none.
        special: whether each is a special token, which the tokenizer added.
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    special: tuple[bool, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """A frozen encoder and its tokenizer.

    Attributes:
        name: the name of its folder, without the folders around it, or its name on the hub.
        files: SHA-256 of each file in ``READ`` that it has, by name.
        model: the transformer, in evaluation mode and float32.
        tokenizer: its fast tokenizer.
        depth: number of its layers.
        width: numbers in a hidden state.
        longest: tokens that it reads at most; None if nothing limits them.
        layers: its layers in order; none if their inputs are not its hidden states.
    """

    name: str
    files: Mapping[str, str]
    model: Any
    tokenizer: Any
    depth: int
    width: int
    longest: int | None
    layers: Sequence[nn.Module] = ()

    def tokens(self, prompt: str) -> Tokens:
        """Split a prompt into tokens, however long it is."""
        encoding = self.tokenizer(
            prompt, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False
        )
        special = tuple(map(bool, encoding["special_tokens_mask"]))
        spans: list[tuple[int, int]] = []
        for (start, end), added in zip(encoding["offset_mapping"], special, strict=True):
            before = spans[-1][1] if spans else 0
            spans.append((before, before) if added else (start, end))
        return Tokens(ids=tuple(encoding["input_ids"]), spans=tuple(spans), special=special)

    @torch.inference_mode()
    def hidden_states(
        self, texts: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> dict[int, Float[Tensor, "text token width"]]:
        """The hidden states of some layers, as transformers numbers them: 0 are the embeddings.

        The encoder is run no further than the highest of these layers. A state is what the next
        layer reads, so that a norm after the last layer changes that layer's state alone.

        Args:
            texts: numbers of tokens; texts are padded at the end, where no state means anything.
            layers: from 0 to ``depth``.
        """
        inputs = self._padded(texts)
        if not self.layers or max(layers) == self.depth:
            states = self.model(**inputs, output_hidden_states=True).hidden_states
            return {layer: states[layer] for layer in layers}
        return inputs_of_layers(self.model, self.layers, inputs, layers)

    def _padded(self, texts: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        shape = len(texts), max(map(len, texts))
        # Models with absolute positions count those that are not this number.
        padding = self.tokenizer.pad_token_id
        ids = torch.full(shape, 0 if padding is None else padding, dtype=torch.long)
        mask = torch.zeros(shape, dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        return {"input_ids": ids, "attention_mask": mask}


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


def open_encoder(name: str, *, download: bool = True) -> TextEncoder:
    """Open an encoder from a folder, or by its name on the hub.

    Args:
        name: a folder, or a name on the hub.
        download: get it from the hub if it is not in the hub's cache; else the network is not used.

    Raises:
        DataError: there is no such encoder, its files do not fit each other, or it reads no text.
        DeadpanError: transformers is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise DeadpanError(
            "encoding text needs transformers; run: pip install 'deadpan[encoders]'"
        ) from None
    folder = _folder(name, download=download)
    with _quiet(transformers):
        model = _load_model(transformers, folder)
        tokenizer = _load_tokenizer(transformers, folder)
    vocabulary, embeddings = len(tokenizer), model.get_input_embeddings().num_embeddings
    if vocabulary > embeddings:
        raise DataError(
            f"{folder}: its tokenizer does not fit: it has {vocabulary:,} tokens, and the encoder "
            f"embeddings of {embeddings:,}; give the tokenizer of this encoder"
        )
    longest = _longest(model, tokenizer)
    depth, width, layers = _stack(folder, model, tokenizer(SAMPLE)["input_ids"][:longest] or [0])
    return TextEncoder(
        name=encoder_name(name),
        files={path.name: file_sha256(path) for path in sorted(_files(folder, READ))},
        model=model,
        tokenizer=tokenizer,
        depth=depth,
        width=width,
        longest=longest,
        layers=layers,
    )


def encoder_name(name: str) -> str:
    """The name of an encoder without the folders around its own: they decide no feature."""
    folder = home_path(name)
    if not folder.is_dir():
        return name  # on the hub
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def versions() -> dict[str, str]:
    """The versions of the libraries that compute hidden states."""
    return {library: version(library) for library in LIBRARIES}


def _folder(name: str, *, download: bool) -> Path:
    """The folder of an encoder; that of a name on the hub is in the hub's cache."""
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
                allow_patterns=list(READ),
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
            f"{name}: no such folder, and the hub gave none of this name ({_line(error)}); give "
            f"the folder of an encoder"
        ) from error


def _files(folder: Path, patterns: Sequence[str]) -> set[Path]:
    return {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}


def _load_model(transformers: Any, folder: Path) -> Any:  # noqa: ANN401 - transformers has no types
    """The model in float32, of which every weight but those of a pooler is in the file."""
    if not (folder / CONFIG).is_file():
        inside = "; give the folder inside it" if any(folder.glob(f"*/{CONFIG}")) else ""
        raise DataError(f"{folder}: has no {CONFIG}, so it is no encoder{inside}")
    if not _files(folder, (WEIGHTS,)):
        pickled = any(folder.glob("pytorch_model*.bin"))
        remedy = (
            "its weights are a pickle, which is never opened; save them as safetensors "
            "(transformers: model.save_pretrained)"
            if pickled
            else "copy model.safetensors into it"
        )
        raise DataError(f"{folder}: has no weights ({WEIGHTS}); {remedy}")
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
        raise DataError(f"{folder}: cannot be loaded ({_line(error)}); give an encoder") from error
    absent = sorted(key for key in loading["missing_keys"] if UNUSED not in key)
    if absent:
        raise DataError(
            f"{folder}: its weights lack '{printable(absent[0])}' and {len(absent) - 1} more "
            f"that {CONFIG} asks for; give the weights of this encoder"
        )
    if getattr(config, "is_encoder_decoder", False):
        model = model.get_encoder()
    embeddings = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if model.main_input_name != "input_ids" or embeddings is None:
        raise DataError(
            f"{folder}: is no text encoder ({config.model_type} reads {model.main_input_name}); "
            f"give one that reads text"
        )
    if getattr(model, "is_quantized", False):
        raise DataError(
            f"{folder}: {CONFIG} says that its weights are quantised, and states are computed in "
            f"single precision; save it with other weights (transformers: model.dequantize())"
        )
    model.config.use_cache = False  # of a causal model: nothing is generated
    return model.float().eval().requires_grad_(False)


def _load_tokenizer(transformers: Any, folder: Path) -> Any:  # noqa: ANN401 - as above
    """The tokenizer, which must be a fast one: others do not know the characters of a token."""
    if not _files(folder, TOKENIZER):
        raise DataError(
            f"{folder}: has no tokenizer ({', '.join(TOKENIZER)}); copy tokenizer.json into it"
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # of many types, none of them documented
        raise DataError(
            f"{folder}: its tokenizer cannot be read ({_line(error)}); give it a tokenizer.json"
        ) from error
    if not tokenizer.is_fast:
        raise DataError(f"{folder}: its tokenizer is no fast one; give it a tokenizer.json")
    return tokenizer


def _longest(model: Any, tokenizer: Any) -> int | None:  # noqa: ANN401 - transformers has no types
    """The number of tokens that an encoder reads; None if nothing limits it."""
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        # RoBERTa's positions begin behind the number of its padding.
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            limits.append(module.num_embeddings - padding - 1)
    lengths = [int(limit) for limit in limits if limit is not None and 0 < limit < 1e9]
    return min(lengths, default=None)


def _stack(
    folder: Path,
    model: Any,  # noqa: ANN401 - transformers has no types
    sample: Sequence[int],
) -> tuple[int, int, Sequence[nn.Module]]:
    """Depth and width of a model and, if their inputs are its hidden states, its layers.

    All are found by reading a sample, as transformers' models have no common structure.
    """
    ids = torch.tensor([sample])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        try:
            wanted = model(**inputs, output_hidden_states=True).hidden_states
            depth, width = len(wanted) - 1, wanted[0].shape[-1]
        except Exception as error:  # whatever a model of something else than text raises
            raise DataError(
                f"{folder}: cannot read text ({_line(error)}); give a text encoder"
            ) from error
        stacks = (x for x in model.modules() if isinstance(x, nn.ModuleList))
        layers = next((tuple(stack) for stack in stacks if len(stack) == depth), ())
        try:
            states = inputs_of_layers(model, layers, inputs, range(depth)) if layers else {}
            same = bool(states) and all(torch.equal(states[k], wanted[k]) for k in range(depth))
        except Exception:  # noqa: BLE001 - its layers are called in another way: run it as a whole
            same = False
    return depth, width, layers if same else ()


@contextmanager
def _quiet(transformers: Any) -> Generator[None, None, None]:  # noqa: ANN401 - has no types
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


def _line(error: Exception) -> str:
    """The first line of an error that says something, at most 200 characters of it."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:200]
