"""``encode_dataset``: from a data set with transcripts to a store with a modality of an encoder."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.data.containers.files import printable
from deadpan.data.conversion import new_store, provenance
from deadpan.data.dataset import ChangedClips, Clip, Dataset, step_counts
from deadpan.data.loading import load_transcripts
from deadpan.data.recipe import EncodingOptions, Recipe, layer_groups
from deadpan.data.store.reading import store_dataset, store_source
from deadpan.data.store.writing import write_store
from deadpan.encoding.batches import EncodedPieces, EncodingWatch
from deadpan.encoding.context import context_warnings, contexts_of
from deadpan.encoding.pieces import Pieces, split_transcript
from deadpan.encoding.text_encoder import TextEncoder, open_encoder, versions
from deadpan.errors import DataError, count_of
from deadpan.files import home_path
from deadpan.locks import alone, beside
from deadpan.types import TEXT, Modality, in_order, is_reserved


def encode_dataset(
    source: str | Path,
    out: str | Path,
    encoder: str,
    options: EncodingOptions,
    *,
    modality: Modality = TEXT,
    download: bool = True,
    watch: EncodingWatch | None = None,
    **data_options: Any,
) -> Dataset:
    """Encode the transcripts of a data set as a modality, and write the store.

    Its other modalities are kept; one of the same name is replaced. What was interrupted goes on
    with the batch in which it stopped, and ends with the same bytes, if it is called again with the
    same options, libraries and number of threads; else it begins anew.

    Args:
        source: a data set's name or a path, whose clips have transcripts, or words.
        out: the file to write, which must not exist.
        encoder: the folder of an encoder, or its name on the hub.
        options: how it reads; if they are a ``Recipe``, the encoder must be that of the recipe.
        modality: the name of the modality that is written.
        download: get the encoder from the hub if need be; else the network is not used.
        watch: is called as encoding proceeds.
        **data_options: options of the source.

    Returns:
        The data set, read from its store.

    Raises:
        DataError: the source has no transcripts, the encoder cannot be used or is not that of the
            recipe, or the file cannot be written.
        DeadpanError: transformers is not installed, or another process writes the file.
    """
    _check_name(modality)
    open_it = partial(open_encoder, encoder, download=download)
    if dataset := _finished(source, home_path(out), open_it, options, modality, data_options):
        return dataset
    with new_store(source, out, data_options) as path:
        dataset = load_transcripts(source, **data_options)
        transcripts = _transcripts(dataset)
        opened = open_it()
        recipe = recipe_of(opened, options)
        contexts = contexts_of(dataset, transcripts, recipe.context)
        pieces = {
            clip: split_transcript(opened, recipe, text, context=contexts.get(clip, ""))
            for clip, text in transcripts.items()
        }
        distinct = list(dict.fromkeys(chain.from_iterable(pieces.values())))
        with closing(EncodedPieces(part_file(path), opened, recipe, distinct)) as encoded:
            encoded.compute(watch)
            result = _with_modality(dataset, modality, recipe, pieces, encoded)
            said = (*opened.warnings, *context_warnings(dataset, recipe, pieces, contexts))
            warnings = (*result.warnings, *(f"{modality}: {text}" for text in said))
            result = dataclasses.replace(result, warnings=warnings)
            write_store(result, path, source=provenance(source, data_options))
        part_file(path).unlink()
        return store_dataset(path)


def _check_name(modality: Modality) -> None:
    """Raise DataError if no modality can have this name."""
    if not modality or not all(c.isalnum() or c in "-_" for c in modality):
        raise DataError(
            f"modality '{printable(modality)}': a name has letters, digits, - and _; give another"
        )
    if is_reserved(modality):
        raise DataError(f"modality '{modality}': no model takes one of this name; give another")


def _finished(
    source: str | Path,
    path: Path,
    open_it: Callable[[], TextEncoder],
    options: EncodingOptions,
    modality: Modality,
    data_options: Mapping[str, Any],
) -> Dataset | None:
    """The store of an encoding that was killed before it removed its part file; None if not so."""
    part = part_file(path)
    if not (part.is_file() and path.is_file()):
        return None
    with alone(beside(path)):
        try:
            dataset, origin = store_dataset(path), store_source(path)
        except DataError:  # a file of another's, which is in the way
            return None
        recipe = dataset.recipes.get(modality)
        if not isinstance(recipe, Recipe) or origin != provenance(source, data_options):
            return None
        wanted = recipe_of(open_it(), options)
        if (recipe.digest, recipe.precision) != (wanted.digest, wanted.precision):
            return None
        part.unlink()
        return dataset


def part_file(out: Path) -> Path:
    """Where an encoding keeps what it has computed until the store is written."""
    return out.with_name(f".{out.name}.part")


def _transcripts(dataset: Dataset) -> dict[str, str]:
    """The transcript of each clip, by id; its words where it has none."""
    clips = chain.from_iterable(dataset.splits.values())
    transcripts = {clip.id: clip.transcript or " ".join(clip.words) for clip in clips}
    if not any(text.strip() for text in transcripts.values()):
        raise DataError(
            f"{dataset.name}: no clip has a transcript; give data with one (the column of a table: "
            f"--data_options.text NAME)"
        )
    return transcripts


def recipe_of(encoder: TextEncoder, options: EncodingOptions) -> Recipe:
    """The recipe of these options; DataError if they are a recipe of another encoder."""
    fields = [field.name for field in dataclasses.fields(EncodingOptions)]
    recipe = Recipe(
        **{name: getattr(options, name) for name in fields},
        encoder=encoder.name,
        files=encoder.files,
        blocks=len(layer_groups(options.layers, depth=encoder.depth)),
        versions=versions(),
    )
    if isinstance(options, Recipe) and (difference := recipe.difference(options)):
        raise DataError(
            f"{encoder.name}: the recipe is of another ({difference}); give that with --encoder"
        )
    return recipe


def _with_modality(
    dataset: Dataset, modality: Modality, recipe: Recipe, pieces: Pieces, encoded: EncodedPieces
) -> Dataset:
    """The data set with a modality of encoded pieces, which are read on access."""
    steps = {clip: sum(len(piece.steps) for piece in parts) for clip, parts in pieces.items()}

    def change(clip: Clip) -> Clip:
        sequences = {name: x for name, x in clip.sequences.items() if name != modality}
        if steps[clip.id]:
            sequences[modality] = np.concatenate([encoded[piece] for piece in pieces[clip.id]])
        words = tuple(word for piece in pieces[clip.id] for word in piece.words)
        changed = dataclasses.replace(
            clip, sequences={name: sequences[name] for name in in_order(sequences)}
        )
        if modality != TEXT:
            return _untimed(changed, modality)
        # Else the text is lost where it was in the words alone, and a step is no word.
        transcript = clip.transcript or " ".join(clip.words)
        changed = dataclasses.replace(changed, words=words, transcript=transcript)
        # Words are the steps of text: where they are the same, so are its steps.
        times = clip.times.get(TEXT, words)
        same = bool(words) and words == clip.words and len(times) == len(words)
        return changed if same else _untimed(changed, TEXT)

    return dataclasses.replace(
        dataset,
        widths={
            name: encoded.width if name == modality else dataset.widths[name]
            for name in in_order([*dataset.widths, modality])
        },
        splits={name: ChangedClips(clips, change) for name, clips in dataset.splits.items()},
        padding={name: x for name, x in dataset.padding.items() if name != modality},
        alignment=_alignment(dataset, modality, steps),
        recipes={**dataset.recipes, modality: recipe},
        unscaled={**dataset.unscaled, modality: "states of an encoder"},
        repairs=_repairs(dataset, modality, pieces),
        warnings=tuple(_warnings(dataset, modality, recipe, pieces, steps)),
    )


def _untimed(clip: Clip, modality: Modality) -> Clip:
    """The clip without what is known of the steps of a modality, which are others now."""
    times = {name: x for name, x in clip.times.items() if name != modality}
    truth = clip.truth and dataclasses.replace(
        clip.truth, salient={name: x for name, x in clip.truth.salient.items() if name != modality}
    )
    return dataclasses.replace(clip, times=times, truth=truth)


def _alignment(dataset: Dataset, modality: Modality, steps: Mapping[str, int]) -> str:
    """What the data set says of its alignment, if that holds with the new steps.

    A clip that lacks the modality tells nothing.
    """
    others = [name for name in dataset.widths if name != modality]
    if not others or not dataset.alignment:
        return ""
    for clips in dataset.splits.values():
        for clip, counts in zip(clips, step_counts(clips, others), strict=True):
            encoded = steps[clip.id]
            if encoded and any(count not in (0, encoded) for count in counts.tolist()):
                return f"steps are not aligned: those of {modality} were encoded by themselves"
    return dataset.alignment


def _repairs(dataset: Dataset, modality: Modality, pieces: Pieces) -> dict[str, int]:
    """The repairs of the other modalities, and the words of which no token was made."""
    repairs = {k: x for k, x in dataset.repairs.items() if not k.startswith(f"{modality}: ")}
    every = chain.from_iterable(pieces.values())
    if empty := sum(first == end for piece in every for first, end in piece.steps):
        repairs[f"{modality}: words without a token set to 0"] = empty
    return repairs


def _warnings(
    dataset: Dataset,
    modality: Modality,
    recipe: Recipe,
    pieces: Pieces,
    steps: Mapping[str, int],
) -> Iterator[str]:
    """The warnings of the data set without those of an earlier encoding, and those of this."""
    yield from (text for text in dataset.warnings if not text.startswith(f"{modality}: "))
    if empty := [clip for clip, count in steps.items() if not count]:
        yield (
            f"{modality}: {count_of(len(empty), 'clip')} without a word in the transcript (first: "
            f"'{printable(empty[0])}') lack it"
        )
    if split := {clip: len(parts) for clip, parts in pieces.items() if len(parts) > 1}:
        yield (
            f"{modality}: {count_of(len(split), 'transcript')} (first: "
            f"'{printable(next(iter(split)))}') longer than {recipe.name} reads: split "
            f"between words, or in a word too long by itself, into {sum(split.values())} pieces, "
            f"which were encoded by themselves and joined"
        )
