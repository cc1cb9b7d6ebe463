"""The recipe ``encoders``: hidden states of frozen encoders of words, of the voice and of the face.

Ando et al. 2023, On the Use of Modality-Specific Large-Scale Pre-Trained Encoders for Multimodal
Sentiment Analysis, doi 10.1109/SLT54892.2023.10022548: BERT's tokens, WavLM's states thinned to 5
a second, and those of CLIP for pictures of the face, 3 a second.
"""

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache, partial
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8

from deadpan.data.feature_recipe import Column, FeatureRecipe, ModalityRecipe
from deadpan.data.recipe import EncodingOptions, Recipe, layer_groups
from deadpan.encoding.batches import EncodedPieces
from deadpan.encoding.media_encoder import (
    MediaEncoder,
    MediaKind,
    checked_half,
    media_encoder_folder,
    open_media_encoder,
)
from deadpan.encoding.pieces import split_transcript
from deadpan.encoding.run import recipe_of
from deadpan.encoding.text_encoder import open_encoder
from deadpan.encoding.weights import encoder_name
from deadpan.errors import DataError, unknown_name
from deadpan.extraction.measuring import Hearing, Meters, Models, SpeakersFace
from deadpan.extraction.media import RATE, AudioBlock, Frame, probe
from deadpan.extraction.recipes import component_files
from deadpan.extraction.sequences import MeasuredSequence, absent
from deadpan.extraction.tracks import FACE_RATE
from deadpan.extraction.windows import WindowMeter
from deadpan.locks import alone, beside
from deadpan.types import AUDIO, TEXT, VISION, Modality, in_order

ENCODERS = "encoders"
"""The recipe's name."""
AUDIO_RATE, VISION_RATE = 5.0, 3.0
"""Steps per second."""
BEST_LAYERS: Mapping[Modality, str] = {TEXT: "20", AUDIO: "21", VISION: "15"}
"""The best single layers on MOSI of BERT-large, WavLM-Large and CLIP ViT-L/14, where 0 are the
embeddings; Ando et al. count from the first layer."""
WINDOW = 150
"""Steps of sound that are read at once: 30 s; a longer sound is read in parts."""
FACES_AT_ONCE = 16
TOKENS_A_SECOND = 4
"""Of fast speech, to say how large its states may be."""
MOST = float(np.finfo(np.float16).max)

Groups = tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderChoice:
    """An encoder that the user chose.

    Attributes:
        encoder: a folder, or a name on the hub.
        layers: as ``EncodingOptions`` has them.
    """

    encoder: str
    layers: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenedEncoders:
    """What the chosen encoders make of recordings.

    Attributes:
        recipes: of the modalities.
        widths: numbers in a step.
        meters: of sound and faces.
        text: the encoder of words; None if none was chosen.
        warnings: sentences on what makes an encoder doubtful, each with its modality.
    """

    recipes: Mapping[Modality, ModalityRecipe]
    widths: Mapping[Modality, int]
    meters: Meters
    text: str | None
    warnings: tuple[str, ...] = ()

    def size(self, recordings: Sequence[Path]) -> str:
        """How large the states of some recordings may be, as a sentence."""
        seconds = sum(map(_duration, recordings))
        rates = {AUDIO: AUDIO_RATE, VISION: VISION_RATE, TEXT: TOKENS_A_SECOND}
        bytes_of = {name: seconds * rates[name] * self.widths[name] * 2 for name in self.recipes}
        parts = ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in bytes_of.items())
        return (
            f"{seconds:,.0f} s of recordings: their states take up to {parts} in the cache, and as "
            "much again in the store"
        )

    @contextmanager
    def encoded_texts(
        self, cache: Path, texts: Sequence[str]
    ) -> Generator[Callable[[str], Float32[np.ndarray, "token number"]], None, None]:
        """What gives the states of a text's tokens; they are kept in the cache, batch by batch."""
        recipe = self.recipes[TEXT]
        assert isinstance(recipe, Recipe) and self.text is not None
        encoder = open_encoder(self.text)
        pieces = {text: split_transcript(encoder, recipe, text) for text in texts}
        distinct = list(dict.fromkeys(chain.from_iterable(pieces.values())))
        cache.mkdir(parents=True, exist_ok=True)
        path = cache / f"text-{recipe.digest[:24]}"
        with (
            alone(beside(path)),
            closing(EncodedPieces(path, encoder, recipe, distinct)) as encoded,
        ):
            encoded.compute()
            yield lambda text: np.concatenate(
                [np.zeros((0, encoded.width), np.float32), *(encoded[x] for x in pieces[text])]
            )


def encoder_choices(
    encoders: Mapping[Modality, str | Path | None], layers: Mapping[Modality, str | None]
) -> dict[Modality, EncoderChoice]:
    """The choices that options make; DataError if layers are given without an encoder."""
    for name, text in layers.items():
        if text is not None and encoders[name] is None:
            raise DataError(
                f"{name}_layers {text}: of no encoder; give --{name}_encoder, or leave it out"
            )
    return {
        name: EncoderChoice(encoder=str(encoder), layers=layers[name] or BEST_LAYERS[name])
        for name, encoder in encoders.items()
        if encoder is not None
    }


def open_recipes(
    choices: Mapping[Modality, EncoderChoice], modalities: Sequence[Modality]
) -> OpenedEncoders:
    """Open the chosen encoders once, to see whether they are what they must be.

    Args:
        choices: the encoder of each modality.
        modalities: that are wanted; all that have an encoder if none is named.

    Raises:
        DataError: a modality lacks its encoder, or an encoder reads something else, or has not the
            layers.
        DeadpanError: transformers is not installed.
    """
    for name in modalities:
        if name not in BEST_LAYERS:
            raise DataError(unknown_name(f"modality of {ENCODERS}", name, BEST_LAYERS))
    wanted = in_order(modalities or choices)
    if missing := [name for name in wanted or BEST_LAYERS if name not in choices]:
        options = ", ".join(f"--{name}_encoder" for name in missing)
        raise DataError(
            f"the recipe {ENCODERS} needs an encoder for {', '.join(missing)}; give {options}: a "
            "folder or a name on the hub"
        )
    recipes: dict[Modality, ModalityRecipe] = {}
    widths: dict[Modality, int] = {}
    warnings: list[str] = []
    meters: dict[str, Callable[[Models], Hearing | SpeakersFace]] = {}
    for name in wanted:
        choice = choices[name]
        if name == TEXT:
            encoder = open_encoder(choice.encoder)
            groups = _groups(encoder.name, choice.layers, encoder.depth)
            options = EncodingOptions(layers=choice.layers, states="token")
            recipes[name] = recipe_of(encoder, options)
            warnings += (f"{name}: {warning}" for warning in encoder.warnings)
        else:
            kind: MediaKind = "audio" if name == AUDIO else "vision"
            folder = media_encoder_folder(choice.encoder)
            encoder = open_media_encoder(folder, kind, name=encoder_name(choice.encoder))
            groups = _groups(encoder.name, choice.layers, encoder.depth)
            recipes[name] = recipe = _recipe(encoder, groups, kind)
            make = sound_meter if kind == "audio" else FaceStates
            meters[name] = partial(make, folder=folder, groups=groups, columns=recipe.columns)
        widths[name] = len(groups) * encoder.width
    text = choices[TEXT].encoder if TEXT in wanted else None
    return OpenedEncoders(
        recipes=recipes, widths=widths, meters=meters, text=text, warnings=tuple(warnings)
    )


def _groups(name: str, layers: str, depth: int) -> Groups:
    try:
        return layer_groups(layers, depth=depth)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _recipe(encoder: MediaEncoder, groups: Groups, kind: MediaKind) -> FeatureRecipe:
    """The recipe of the states of some groups of layers."""
    if kind == "audio" and encoder.rate % AUDIO_RATE:
        raise DataError(
            f"{encoder.name}: has {encoder.rate:g} states per second, wanted a multiple of "
            f"{AUDIO_RATE:g}; give another encoder"
        )
    names = [
        f"layer_{group[0]}" if len(group) == 1 else f"layers_{group[0]}-{group[-1]}"
        for group in groups
    ]
    return FeatureRecipe(
        name=ENCODERS,
        rate=AUDIO_RATE if kind == "audio" else VISION_RATE,
        columns=tuple(
            Column(
                name=name, unit="", source=encoder.name, low=-MOST, high=MOST, count=encoder.width
            )
            for name in names
        ),
        files={f"{encoder.name}/{file}": sha256 for file, sha256 in encoder.files.items()}
        | ({} if kind == "audio" else component_files("face-landmarker")),
        precision="half",
    )


def _duration(path: Path) -> float:
    """Seconds of a recording; 0 of one that cannot be read, which is said later."""
    try:
        return probe(path).duration
    except DataError:
        return 0.0


@cache
def _opened(folder: Path, kind: MediaKind) -> MediaEncoder:
    """An encoder, which a process that measures opens once."""
    return open_media_encoder(folder, kind)


def sound_meter(_: Models, *, folder: Path, groups: Groups, columns: tuple[Column, ...]) -> Hearing:
    """A meter of an encoder's states of sound, each of which begins with its step."""
    encoder = _opened(folder, "audio")
    every = round(encoder.rate / AUDIO_RATE)

    def measure(
        samples: Float32[np.ndarray, " sample"], begin: int, steps: int
    ) -> Float[np.ndarray, "step number"]:
        if len(samples) < encoder.shortest:
            return np.zeros((0, len(groups) * encoder.width))
        states = encoder.states(samples, groups)[0, ::every][:steps]
        return checked_half(states, encoder.name)

    step = round(RATE / AUDIO_RATE)
    return Hearing(WindowMeter(measure, columns=columns, step=step, window=WINDOW))


class FaceStates(SpeakersFace):
    """Measures the face of who speaks by an encoder's state of its picture, three times a second.

    The picture is the crop in which the face is measured, upright; the state is that of the class
    token. Every face in view is encoded, as who speaks is known at the end. A step in which no face
    is seen is absent.

    Args:
        models: of which one finds faces.
        folder: of the encoder.
        groups: of its layers.
        columns: what the numbers are.
    """

    def __init__(
        self, models: Models, *, folder: Path, groups: Groups, columns: tuple[Column, ...]
    ) -> None:
        super().__init__(models)
        self._encoder, self._groups, self._state_columns = (
            _opened(folder, "vision"),
            groups,
            columns,
        )
        self._step = -1  # the last one of which faces were encoded
        self._waiting: list[tuple[_Place, UInt8[np.ndarray, "height width 3"]]] = []
        self._states: dict[_Place, Float[np.ndarray, " number"]] = {}

    def push(self, item: AudioBlock | Frame) -> None:
        """Measure the faces of a frame, and encode those of the first in a step that has any."""
        super().push(item)
        if not isinstance(item, Frame):
            return
        height, width, _ = item.image.shape
        at, faces = self.tracker.in_view()
        if faces and (step := _state_step(at)) != self._step:
            self._step = step
            self._waiting += [(_place(at, face.box(height, width)), face.crop) for face in faces]
        if len(self._waiting) >= FACES_AT_ONCE:
            self._encode()

    def finish(self) -> MeasuredSequence:
        """The states of that face; no step if there is none."""
        self._encode()
        track = self.track()
        if track is None:
            return absent(self._state_columns, VISION_RATE)
        face = track.sequence
        rows = {
            _state_step(face.first + index): (self._states[place], face.confidence[index])
            for index, box in enumerate(track.boxes)
            if face.present[index] and (place := _place(face.first + index, box)) in self._states
        }
        first, last = min(rows, default=0), max(rows, default=-1)
        sequence = absent(self._state_columns, VISION_RATE)
        values = np.zeros((last - first + 1, sequence.values.shape[1]), np.float32)
        confidence = np.zeros(len(values), np.float32)
        for step, (state, sure) in rows.items():
            values[step - first], confidence[step - first] = state, sure
        present = np.isin(np.arange(first, last + 1), list(rows))
        return dataclasses.replace(
            sequence, first=first, values=values, present=present, confidence=confidence
        )

    def _encode(self) -> None:
        """Encode the faces that wait."""
        if not self._waiting:
            return
        places, crops = zip(*self._waiting, strict=True)
        states = checked_half(
            self._encoder.states(np.stack(crops), self._groups)[:, 0], self._encoder.name
        )
        self._states |= zip(places, states.astype(np.float16), strict=True)
        self._waiting = []


_Place = tuple[int, bytes]
"""Where a face was: the tracker's step, and its box as tracks round it."""


def _place(step: int, box: Float[np.ndarray, "4"]) -> _Place:
    return step, np.asarray(box, np.float16).tobytes()


def _state_step(step: int) -> int:
    """The step of states in which a step of the tracker lies."""
    return step // round(FACE_RATE / VISION_RATE)
