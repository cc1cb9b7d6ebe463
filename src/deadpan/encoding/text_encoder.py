"""Frozen text encoders of transformers: opened from a folder or by name, and run up to a layer."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deadpan.data.containers.files import file_sha256
from deadpan.encoding.weights import (
    CONFIG,
    WEIGHTS,
    encoder_folder,
    encoder_name,
    files_of,
    find_stack,
    first_line,
    load_weights,
    quiet,
    states_of_layers,
)
from deadpan.errors import DataError, DeadpanError

TOKENIZER = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
"""Files by any of which a folder has a tokenizer."""
READ = (
    *(CONFIG, *WEIGHTS, *TOKENIZER, "merges.txt"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
"""The files that decide what an encoder gives, which are hashed."""
LIBRARIES = ("torch", "transformers", "tokenizers")
SAMPLE = "a sample of text"
FEWEST = 0.9
"""Share of the embeddings that a tokenizer that fits has tokens for, at least.

Makers pad the embeddings to a round number, by a few in ten thousand (Qwen, T5) to two in a hundred
(Phi-2); where a tenth has no token, the tokenizer is more likely another encoder's.
"""


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
        warnings: what makes it doubtful that the tokenizer is this encoder's.
    """

    name: str
    files: Mapping[str, str]
    model: Any
    tokenizer: Any
    depth: int
    width: int
    longest: int | None
    layers: Sequence[nn.Module] = ()
    warnings: tuple[str, ...] = ()

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

    def hidden_states(
        self, texts: Sequence[Sequence[int]], layers: Sequence[int]
    ) -> dict[int, Float[Tensor, "text token width"]]:
        """The hidden states of some layers, as transformers numbers them: 0 are the embeddings.

        Args:
            texts: numbers of tokens; texts are padded at the end, where no state means anything.
            layers: from 0 to ``depth``.
        """
        inputs = self._padded(texts)
        return states_of_layers(self.model, self.layers, inputs, layers, depth=self.depth)

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
    folder = encoder_folder(name, READ, download=download)
    with quiet(transformers):
        model = _load_model(transformers, folder)
        tokenizer = _load_tokenizer(transformers, folder)
    warnings = tuple(_tokenizer_warnings(folder, encoder_name(name), model, tokenizer))
    longest = _longest(model, tokenizer)
    sample = torch.tensor([tokenizer(SAMPLE)["input_ids"][:longest] or [0]])
    inputs = {"input_ids": sample, "attention_mask": torch.ones_like(sample)}
    try:
        depth, width, layers = find_stack(model, inputs)
    except Exception as error:  # whatever a model of something else than text raises
        raise DataError(
            f"{folder}: cannot read text ({first_line(error)}); give a text encoder"
        ) from error
    return TextEncoder(
        name=encoder_name(name),
        files={path.name: file_sha256(path) for path in sorted(files_of(folder, READ))},
        model=model,
        tokenizer=tokenizer,
        depth=depth,
        width=width,
        longest=longest,
        layers=layers,
        warnings=warnings,
    )


def versions() -> dict[str, str]:
    """The versions of the libraries that compute hidden states."""
    return {library: version(library) for library in LIBRARIES}


def _load_model(transformers: Any, folder: Path) -> Any:  # noqa: ANN401 - transformers has no types
    """The model in float32, which reads text."""
    model = load_weights(transformers, folder)
    config = model.config
    if getattr(config, "is_encoder_decoder", False):
        model = model.get_encoder()
    embeddings = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if model.main_input_name != "input_ids" or embeddings is None:
        raise DataError(
            f"{folder}: is no text encoder ({config.model_type} reads {model.main_input_name}); "
            f"give one that reads text"
        )
    model.config.use_cache = False  # of a causal model: nothing is generated
    return model.float().eval().requires_grad_(False)


def _load_tokenizer(transformers: Any, folder: Path) -> Any:  # noqa: ANN401 - as above
    """The tokenizer, which must be a fast one: others do not know the characters of a token."""
    if not files_of(folder, TOKENIZER):
        raise DataError(
            f"{folder}: has no tokenizer ({', '.join(TOKENIZER)}); copy tokenizer.json into it"
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # of many types, none of them documented
        raise DataError(
            f"{folder}: its tokenizer cannot be read ({first_line(error)}); give it a "
            "tokenizer.json"
        ) from error
    if not tokenizer.is_fast:
        raise DataError(f"{folder}: its tokenizer is no fast one; give it a tokenizer.json")
    return tokenizer


def _tokenizer_warnings(
    folder: Path,
    name: str,
    model: Any,  # noqa: ANN401 - transformers has no types
    tokenizer: Any,  # noqa: ANN401 - as above
) -> Iterator[str]:
    """What speaks against a tokenizer that is not certainly another encoder's.

    Raises:
        DataError: it is: its numbers have no embeddings, or it pads with another one.
    """
    vocabulary, embeddings = len(tokenizer), model.get_input_embeddings().num_embeddings
    if vocabulary > embeddings:
        raise DataError(
            f"{folder}: its tokenizer does not fit: it has {vocabulary:,} tokens, and the encoder "
            f"embeddings of {embeddings:,}; give the tokenizer of this encoder"
        )
    padding, wanted = tokenizer.pad_token_id, getattr(model.config, "pad_token_id", None)
    # Some configurations write -1 for none.
    if padding is not None and wanted is not None and wanted >= 0 and padding != wanted:
        raise DataError(
            f"{folder}: its tokenizer does not fit: it pads with token {padding:,}, and {CONFIG} "
            f"says {wanted:,} (pad_token_id); give the tokenizer of this encoder, all its files"
        )
    if vocabulary < FEWEST * embeddings:
        yield (
            f"the tokenizer of {name} has {vocabulary:,} tokens, and the encoder embeddings of "
            f"{embeddings:,}; if it is not the encoder's own, these states mean nothing"
        )


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
