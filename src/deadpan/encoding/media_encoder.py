"""Frozen encoders of sound and of pictures, of transformers, run up to a layer."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
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
from deadpan.files import read_json

PREPROCESSOR = "preprocessor_config.json"
READ = (CONFIG, *WEIGHTS, PREPROCESSOR)
"""The files that decide what an encoder gives, which are hashed."""
CLIP_MEAN, CLIP_DEVIATION = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
"""Of red, green and blue in [0, 1]: CLIP's, for a folder without a preprocessor's configuration."""
EVEN = 1e-7
"""Variance that is added where sound is scaled to variance 1, as Wav2Vec 2.0 and WavLM do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MediaEncoder:
    """A frozen encoder of sound or of pictures.

    Attributes:
        name: of its folder, without the folders around it, or its name on the hub.
        files: SHA-256 of each file in ``READ`` that it has, by name.
        model: the transformer, in evaluation mode and float32.
        depth: number of its layers.
        width: numbers in a hidden state.
        layers: its layers in order; none if their inputs are not its hidden states.
        prepared: makes of sound or pictures what the model takes.
        rate: states per second of sound at 16 kHz; 0 for pictures.
        shortest: samples of sound below which there is no state; 0 for pictures.
    """

    name: str
    files: Mapping[str, str]
    model: Any
    depth: int
    width: int
    layers: Sequence[nn.Module]
    prepared: Callable[[np.ndarray], Tensor]
    rate: float = 0.0
    shortest: int = 0

    def states(
        self, media: np.ndarray, groups: Sequence[Sequence[int]]
    ) -> Float32[np.ndarray, "item state number"]:
        """Hidden states of each group of layers, their means side by side.

        Args:
            media: samples of one channel at 16 kHz, which are one item; or pictures in RGB.
            groups: layers as transformers numbers them: 0 are the embeddings.

        Returns:
            For sound a state per step of the encoder; for pictures one each for the whole picture
            and for its patches.
        """
        layers = sorted({layer for group in groups for layer in group})
        inputs = {self.model.main_input_name: self.prepared(media)}
        states = states_of_layers(self.model, self.layers, inputs, layers, depth=self.depth)
        means = [torch.stack([states[layer] for layer in group]).mean(0) for group in groups]
        return torch.cat(means, dim=-1).numpy()


MediaKind = Literal["audio", "vision"]


def open_media_encoder(folder: Path, kind: MediaKind, *, name: str | None = None) -> MediaEncoder:
    """Open an encoder of sound or of pictures.

    Args:
        folder: with config.json and weights in safetensors.
        kind: what it must read: samples of sound (Wav2Vec 2.0, HuBERT, WavLM), or pictures (CLIP
            with or without its text encoder, ViT).
        name: that it has; None: the folder's.

    Raises:
        DataError: it is no encoder, or one of something else.
        DeadpanError: transformers is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise DeadpanError(
            "encoding sound and faces needs transformers; run: pip install 'deadpan[encoders]'"
        ) from None
    with quiet(transformers):
        model = load_weights(transformers, folder)
        if kind == "vision":  # of CLIP, which reads both, the part that reads pictures
            model = getattr(model, "vision_model", model)
        wanted = {"audio": "input_values", "vision": "pixel_values"}[kind]
        if model.main_input_name != wanted:
            what = {"audio": "sound (such as WavLM)", "vision": "pictures (such as CLIP)"}[kind]
            raise DataError(
                f"{folder}: is no encoder of {kind}: {model.config.model_type} reads "
                f"{model.main_input_name}, wanted {wanted}; give one that reads {what}"
            )
        model = model.float().eval().requires_grad_(False)
        make = {"audio": _hearing, "vision": _seeing}[kind]
        sample, options = make(folder, model.config)
        try:
            inputs = {wanted: options["prepared"](sample)}
            depth, width, layers = find_stack(model, inputs)
        except Exception as error:  # whatever a model of another structure raises
            raise DataError(
                f"{folder}: cannot read {kind} ({first_line(error)}); give another encoder"
            ) from error
    return MediaEncoder(
        name=name or encoder_name(str(folder)),
        files={path.name: file_sha256(path) for path in sorted(files_of(folder, READ))},
        model=model,
        depth=depth,
        width=width,
        layers=layers,
        **options,
    )


def media_encoder_folder(name: str) -> Path:
    """The folder of an encoder, which is fetched from the hub if it is none here."""
    return encoder_folder(name, READ)


def _preprocessor(folder: Path) -> dict[str, Any]:
    """How the encoder wants its input; {} where its folder does not say."""
    path = folder / PREPROCESSOR
    return read_json(path, "give the encoder's own") if path.is_file() else {}


def _hearing(folder: Path, config: Any) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ANN401 - has no types
    """A sample of sound, and what an encoder of sound is besides its model."""
    strides, kernels = config.conv_stride, config.conv_kernel
    hop, reach = 1, 1
    for stride, kernel in zip(strides, kernels, strict=True):
        reach, hop = reach + (kernel - 1) * hop, hop * stride
    scaled = _preprocessor(folder).get("do_normalize", config.feat_extract_norm == "layer")

    def prepared(samples: Float32[np.ndarray, " sample"]) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
        return ((x - x.mean()) / (x.var(correction=0) + EVEN).sqrt() if scaled else x)[None]

    sample = np.sin(np.arange(2 * reach + hop, dtype=np.float32))
    return sample, {"prepared": prepared, "rate": 16_000 / hop, "shortest": reach}


def _seeing(folder: Path, config: Any) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ANN401 - has no types
    """A sample picture, and what an encoder of pictures is besides its model."""
    from PIL import Image

    said = _preprocessor(folder)
    mean = np.array(said.get("image_mean", CLIP_MEAN), np.float32)
    deviation = np.array(said.get("image_std", CLIP_DEVIATION), np.float32)
    size = config.image_size, config.image_size

    def prepared(pictures: UInt8[np.ndarray, "picture height width 3"]) -> Tensor:
        resized = [
            np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
            for picture in pictures
        ]
        x = (np.stack(resized).astype(np.float32) / 255 - mean) / deviation
        return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))

    return np.zeros((1, 64, 64, 3), np.uint8), {"prepared": prepared}


def checked_half(states: Float[np.ndarray, "..."], encoder: str) -> Float32[np.ndarray, "..."]:
    """States rounded to half precision; DataError if one is not finite or too large for it."""
    largest = float(np.abs(states).max(initial=0))
    most = float(np.finfo(np.float16).max)
    if not largest <= most or math.isnan(largest):
        raise DataError(
            f"{encoder}: its states hold {largest:g}, wanted numbers up to {most:g}; give another "
            "layer, or another encoder"
        )
    return states.astype(np.float16).astype(np.float32)
