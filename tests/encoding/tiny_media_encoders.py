"""Encoders of sound and of pictures with random weights, a handful of numbers wide, in folders."""

import torch
import transformers

SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 12,
}


def save_wavlm(folder, **changes):
    """A WavLM of 50 states a second, after the large one: its layers norm what they read."""
    config = transformers.WavLMConfig(
        **SIZES,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        do_stable_layer_norm=True,
        feat_extract_norm="layer",
        **changes,
    )
    return _save(transformers.WavLMModel(config), folder)


def save_clip(folder, *, both=False):
    """CLIP's half for pictures of 28 pixels in patches of 14, or the whole of it."""
    vision = {**SIZES, "image_size": 28, "patch_size": 14}
    if not both:
        return _save(transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**vision)), folder)
    text = {**SIZES, "vocab_size": 10, "max_position_embeddings": 16}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=4)
    return _save(transformers.CLIPModel(config), folder)


def _save(model, folder):
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder
