import json
import shutil

import numpy as np
import pytest
import torch
import transformers

from deadpan.encoding.media_encoder import CLIP_DEVIATION, CLIP_MEAN, open_media_encoder
from deadpan.errors import DataError

from .tiny_encoders import save_encoder
from .tiny_media_encoders import save_clip, save_wavlm


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory):
    return save_wavlm(tmp_path_factory.mktemp("wavlm") / "tiny")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return save_clip(tmp_path_factory.mktemp("clip") / "tiny")


def test_states_of_sound_are_those_of_transformers_for_sound_of_mean_0_and_variance_1(wavlm):
    encoder = open_media_encoder(wavlm, "audio")
    assert (encoder.name, encoder.depth, encoder.width, encoder.rate) == ("tiny", 3, 8, 50)
    sound = np.random.default_rng(0).uniform(0, 0.3, 16_000).astype(np.float32)
    model = transformers.WavLMModel.from_pretrained(wavlm).eval()
    scaled = torch.tensor((sound - sound.mean()) / sound.std())[None]
    with torch.inference_mode():
        wanted = model(scaled, output_hidden_states=True).hidden_states
    states = encoder.states(sound, [[1], [2, 3]])
    assert states.shape == (1, 49, 16)
    assert np.allclose(states[..., :8], wanted[1], atol=1e-4)
    assert np.allclose(states[..., 8:], (wanted[2] + wanted[3]) / 2, atol=1e-4)
    assert encoder.states(sound[: encoder.shortest], [[0]]).shape == (1, 1, 8)


def test_states_of_pictures_are_those_of_transformers_for_clips_colours(clip):
    encoder = open_media_encoder(clip, "vision")
    assert (encoder.depth, encoder.width) == (3, 8)
    picture = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 3), np.uint8)
    scaled = ((picture / 255 - CLIP_MEAN) / CLIP_DEVIATION).transpose(0, 3, 1, 2)
    model = transformers.CLIPVisionModel.from_pretrained(clip).eval()
    with torch.inference_mode():
        inputs = torch.tensor(scaled, dtype=torch.float32)
        wanted = model(inputs, output_hidden_states=True).hidden_states
    states = encoder.states(picture, [[2]])
    assert states.shape == (2, 5, 8)  # the whole and four patches
    assert np.allclose(states, wanted[2], atol=1e-5)
    assert encoder.states(picture.repeat(9, axis=1).repeat(9, axis=2), [[2]]).shape == (2, 5, 8)


def test_of_clip_the_half_that_reads_pictures_is_taken(tmp_path):
    encoder = open_media_encoder(save_clip(tmp_path / "clip", both=True), "vision")
    assert (encoder.depth, encoder.width) == (3, 8)
    assert encoder.states(np.zeros((1, 28, 28, 3), np.uint8), [[3]]).shape == (1, 5, 8)


def test_the_preprocessors_configuration_decides_and_is_hashed(wavlm, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(wavlm, folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    plain, scaled = (open_media_encoder(x, "audio") for x in (folder, wavlm))
    assert set(plain.files) - set(scaled.files) == {"preprocessor_config.json"}
    sound = np.random.default_rng(0).uniform(0, 0.3, 4000).astype(np.float32)
    assert not np.allclose(plain.states(sound, [[1]]), scaled.states(sound, [[1]]), atol=1e-3)


def test_a_folder_of_something_else_is_refused(wavlm, clip, tmp_path):
    bert = save_encoder(tmp_path / "bert")
    for folder, kind, message in (
        (bert, "vision", r"is no encoder of vision: bert reads input_ids, wanted pixel_values"),
        (bert, "audio", r"is no encoder of audio: bert reads input_ids, wanted input_values"),
        (clip, "audio", r"clip_vision_model reads pixel_values, .* give one that reads sound"),
        (wavlm, "vision", r"wavlm reads input_values, .* give one that reads pictures"),
        (tmp_path, "audio", r"has no config.json, so it is no encoder; give the folder inside it"),
    ):
        with pytest.raises(DataError, match=message):
            open_media_encoder(folder, kind)
    (bert / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"has no weights"):
        open_media_encoder(bert, "vision")
