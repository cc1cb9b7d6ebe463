"""The recipe of an encoded modality: which encoder read which transcripts, and how."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Literal

from deadpan.errors import DataError, count_of

States = Literal["word", "token", "last"]
Casing = Literal["as_is", "lower"]
StoredPrecision = Literal["half", "single"]

ALL = "all"
"""The layers of an encoder that are all stored side by side, for a model that weighs them."""
TEXT_FIELD = "{text}"
"""What stands for the transcript in a template."""
DECIDING = ("layers", "states", "casing", "template", "context")
"""The options that decide features; ``precision`` only rounds them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodingOptions:
    """How an encoder reads transcripts, and what is stored of it.

    Attributes:
        layers: the hidden states that are stored: ``6`` is one, ``6-9`` the mean of them, ``5-8,9``
            blocks side by side, and ``all`` each by itself, side by side; 0 are the embeddings.
        states: ``word``: a step per word, the mean of its tokens; ``token``: a step per token;
            ``last``: one step, the last token of the prompt, for each part of a transcript that is
            longer than the encoder reads. Special tokens are no steps.
        casing: ``lower`` makes transcripts lower-case first.
        template: the prompt, with ``{text}`` where the transcript stands.
        context: number of clips, from 0 on, whose transcripts are read in front of a clip's own: up
            to as many before it in its split and group, the last one last. They stand where
            ``{text}`` does and are no steps.
        precision: ``half`` stores float16, ``single`` float32.
    """

    layers: str
    states: States = "word"
    casing: Casing = "as_is"
    template: str = TEXT_FIELD
    context: int = 0
    precision: StoredPrecision = "half"

    def __post_init__(self) -> None:
        """Refuse layers and templates that no encoder could read, and less context than none."""
        layer_groups(self.layers, depth=None)
        if self.context < 0:
            raise DataError(f"context {self.context}: give a number of clips, 0 for none")
        if self.template.count(TEXT_FIELD) != 1:
            raise DataError(
                f"template {self.template!r:.80} has {{text}} {self.template.count(TEXT_FIELD)} "
                f"times; give it once, where the transcript stands"
            )
        if self.states == "last" and self.template == TEXT_FIELD:
            raise DataError(
                "states last reads the end of a prompt, and there is no template; give one such as "
                "--template 'Review: {text} Sentiment:'"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(EncodingOptions):
    """All that is needed to encode other transcripts as those of a modality were.

    Attributes:
        encoder: the name of its folder, without the folders around it, or its name on the hub; an
            older recipe has the path as it was typed.
        files: SHA-256 of its configuration, weights and tokenizer, by file name.
        blocks: number of equally wide blocks of features in a step, one per group of layers; a
            model may weigh them.
        versions: of the libraries that computed it, by name.
    """

    encoder: str
    files: Mapping[str, str]
    blocks: int
    versions: Mapping[str, str]

    @property
    def name(self) -> str:
        """The encoder's name without the folder it is in."""
        return PurePath(self.encoder).name or self.encoder

    @property
    def dtype(self) -> str:
        """The type of the stored numbers, as numpy names it."""
        return "<f2" if self.precision == "half" else "<f4"

    @property
    def short_hash(self) -> str:
        """A hash of the encoder's files, short enough for a table."""
        return hashlib.sha256(json.dumps(sorted(self.files.items())).encode()).hexdigest()[:12]

    @property
    def digest(self) -> str:
        """Hash of all that decides features but for their rounding, in hexadecimal."""
        values = {name: getattr(self, name) for name in DECIDING}
        if not self.context:  # older recipes, which have none, keep their digest
            del values["context"]
        parts = [sorted(self.files.items()), *values.values()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def difference(self, other: "Recipe") -> str:
        """The first thing that makes other features, as "layers 6, not 7"; "" if none does."""
        if self.files != other.files:
            encoder, other_encoder = (f"{x.name} ({x.short_hash})" for x in (self, other))
            return f"encoder {encoder}, not {other_encoder}"
        for name in DECIDING:
            value, other_value = getattr(self, name), getattr(other, name)
            if value != other_value:
                return f"{name} {value}, not {other_value}"
        return ""

    def __str__(self) -> str:
        """The recipe in short, for a table."""
        parts = [f"{self.name} ({self.short_hash})", f"layers {self.layers}"]
        parts += [f"a step per {self.states}" if self.states != "last" else "the last token"]
        parts += ["lower case"] if self.casing == "lower" else []
        parts += [f"template {self.template!r}"] if self.template != TEXT_FIELD else []
        parts += [f"{count_of(self.context, 'clip')} of context"] if self.context else []
        return ", ".join([*parts, f"stored in {self.precision} precision"])


def layer_groups(layers: str, *, depth: int | None) -> tuple[tuple[int, ...], ...]:
    """Parse ``layers`` (see :class:`EncodingOptions`): the layers of each block, in order.

    Args:
        layers: what the user typed.
        depth: number of layers of the encoder; None if it is not known yet, where ``all`` has none.

    Raises:
        DataError: the text is no list of layers, or the encoder does not have one of them.
    """
    if layers == ALL:
        return tuple((layer,) for layer in range(depth + 1)) if depth is not None else ()
    groups: list[tuple[int, ...]] = []
    for part in layers.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise DataError(
                f"layers {layers!r:.60}: {part.strip()!r:.20} is no layer and no range of them; "
                f"give such as 6, 6-9, 5-8,9-12 or all"
            )
        groups.append(tuple(range(first, last + 1)))
    if depth is not None and (most := max(map(max, groups))) > depth:
        raise DataError(
            f"layers {layers}: the encoder has no layer {most}; give layers from 0 (embeddings) to "
            f"{depth}"
        )
    return tuple(groups)
