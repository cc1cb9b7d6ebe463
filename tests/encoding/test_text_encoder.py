import json
import shutil

import pytest
import torch
import transformers

from deadpan.encoding.text_encoder import SAMPLE, encoder_name, open_encoder
from deadpan.errors import DataError, DeadpanError

from .tiny_encoders import CONFIGS, save_encoder, wordpiece


def states_of(folder, ids):
    """All hidden states, as transformers itself gives them."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states


@pytest.mark.parametrize("kind", CONFIGS)
def test_states_are_those_of_the_whole_model(kind, tmp_path):
    encoder = open_encoder(str(save_encoder(tmp_path, kind)))
    ids = encoder.tokens("not so good").ids
    wanted = states_of(tmp_path, ids)
    assert (encoder.depth, encoder.width) == (len(wanted) - 1, 8) == (3, 8)
    for layers in ([0], [2], [3], [1, 2], [0, 3], [0, 1, 2, 3]):
        states = encoder.hidden_states([ids], layers)
        assert set(states) == set(layers)
        for layer, state in states.items():
            torch.testing.assert_close(state, wanted[layer], rtol=0, atol=0)
    # ALBERT runs one layer again and again, so that no layer's input is one hidden state.
    assert len(encoder.layers) == (0 if kind == "albert" else 3)


def test_no_layer_above_the_highest_is_run(tmp_path):
    encoder = open_encoder(str(save_encoder(tmp_path)))
    called = []
    for number, layer in enumerate(encoder.layers):
        layer.register_forward_hook(lambda *_, number=number: called.append(number))
    encoder.hidden_states([[2, 5, 3]], [1, 2])
    assert called == [0, 1]
    assert not encoder.layers[0]._forward_pre_hooks


@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet", "gpt2", "llama"])
def test_padding_changes_no_state(kind, tmp_path):
    encoder = open_encoder(str(save_encoder(tmp_path, kind)))
    short, long = encoder.tokens("so").ids, encoder.tokens("really bad").ids
    assert len(short) < len(long)
    together = encoder.hidden_states([short, long], [2])[2]
    for row, ids in enumerate((short, long)):
        alone = encoder.hidden_states([ids], [2])[2][0]
        torch.testing.assert_close(together[row, : len(ids)], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "longest"), [("bert", 16), ("roberta", 16), ("mpnet", 16), ("gpt2", 16), ("t5", None)]
)
def test_an_encoder_reads_as_many_tokens_as_it_has_positions(kind, longest, tmp_path):
    encoder = open_encoder(str(save_encoder(tmp_path, kind)))
    assert encoder.longest == longest
    if longest:
        encoder.hidden_states([[4] * longest], [1])


def test_weights_of_less_precision_are_computed_in_single(tmp_path):
    save_encoder(tmp_path)
    transformers.AutoModel.from_pretrained(tmp_path).bfloat16().save_pretrained(tmp_path)
    encoder = open_encoder(str(tmp_path))
    assert encoder.hidden_states([[2, 5, 3]], [1])[1].dtype == torch.float32


def test_special_tokens_have_no_characters(tmp_path):
    tokens = open_encoder(str(save_encoder(tmp_path))).tokens("so good.")
    assert tokens.special == (True, False, False, False, True)
    assert tokens.spans == ((0, 0), (0, 2), (3, 7), (7, 8), (8, 8))


def test_the_files_that_decide_are_hashed_and_no_others(tmp_path):
    save_encoder(tmp_path)
    (tmp_path / "README.md").write_text("x")
    files = open_encoder(str(tmp_path)).files
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert "README.md" not in files
    assert all(len(digest) == 64 for digest in files.values())


def remove(name):
    return lambda folder: (folder / name).unlink()


def edit(name, **changes):
    def change(folder):
        values = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(values | changes))

    return change


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def too_many_tokens(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary |= {f"more{i}": len(vocabulary) + i for i in range(5)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def other_padding(folder):
    wordpiece(padding=1).save_pretrained(folder)


def of_images(folder):
    config = transformers.ViTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        image_size=8,
        patch_size=4,
    )
    shutil.rmtree(folder)
    transformers.ViTModel(config).save_pretrained(folder)


def inside_another(folder):
    shutil.move(folder, folder.with_name("moved"))
    folder.mkdir()
    shutil.move(folder.with_name("moved"), folder / "all-mpnet")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (remove("config.json"), "has no config.json, so it is no encoder"),
        (inside_another, "has no config.json, so it is no encoder; give the folder inside it"),
        (remove("model.safetensors"), r"has no weights .*; copy model.safetensors into it"),
        (pickled, "its weights are a pickle, which is never opened; save them as safetensors"),
        (remove("tokenizer.json"), "has no tokenizer .*; copy tokenizer.json into it"),
        (too_many_tokens, r"does not fit: it has \d+ tokens, and the encoder embeddings of \d+"),
        (
            other_padding,
            r"does not fit: it pads with token 1, and config.json says 0 .pad_token_id.;",
        ),
        (of_images, "is no text encoder .vit reads pixel_values.; give one that reads text"),
        (edit("config.json", num_hidden_layers=4), "its weights lack 'encoder.layer.3.attention"),
        (edit("config.json", hidden_size=16), "cannot be loaded"),
        (edit("config.json", model_type="nothing"), "cannot be loaded"),
        (
            edit("config.json", quantization_config={"quant_method": "gguf", "dequantize": False}),
            "says that its weights are quantised",
        ),
        (edit("tokenizer.json", model={"type": "Nothing"}), "its tokenizer cannot be read"),
    ],
)
def test_a_folder_that_is_no_encoder_is_refused(damage, told, tmp_path, capfd):
    folder = save_encoder(tmp_path / "encoder")
    damage(folder)
    capfd.readouterr()
    with pytest.raises(DataError, match=told) as caught:
        open_encoder(str(folder))
    assert str(caught.value).startswith(f"{folder}: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_with_few_of_the_tokens_is_told_of(tmp_path):
    tokens = len(wordpiece())
    padded = save_encoder(tmp_path / "padded", vocab_size=int(tokens / 0.92))
    assert open_encoder(str(padded)).warnings == ()
    other = save_encoder(tmp_path / "other", vocab_size=int(tokens / 0.88))
    (warning,) = open_encoder(str(other)).warnings
    assert warning.startswith(f"the tokenizer of other has {tokens} tokens, and the encoder embedd")


def test_a_configuration_without_padding_fits_every_tokenizer(tmp_path):
    for name, padding in (("none", None), ("minus one", -1)):
        folder = save_encoder(tmp_path / name)
        edit("config.json", pad_token_id=padding)(folder)
        other_padding(folder)
        assert open_encoder(str(folder)).tokenizer.pad_token_id == 1


def test_what_is_no_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "file").touch()
    for name, told in (
        (tmp_path / "file", "is a file; give the folder that it is in"),
        (tmp_path / "none", "no such folder; give that of an encoder, or its name on the hub"),
        ("nobody/nothing", "no such folder, and the hub gave none of this name"),
    ):
        with pytest.raises(DataError, match=told):
            open_encoder(str(name))


def test_without_leave_to_download_the_network_is_not_used(tmp_path, monkeypatch):
    calls = []

    def snapshot(name, *, local_files_only, **_):
        calls.append((name, local_files_only))
        raise ValueError("not in the cache")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    for name in ("tiny", "nobody/tiny", str(tmp_path / "none")):
        with pytest.raises(DataError, match="no such folder here, .* with --encoder FOLDER_OR_NAM"):
            open_encoder(name, download=False)
    assert calls == [(name, True) for name in ("tiny", "nobody/tiny", str(tmp_path / "none"))]


@pytest.mark.parametrize("name", ["tiny", "tiny/", "../tiny", "../tiny/.", "other/../../tiny"])
def test_an_encoder_has_the_name_of_its_folder(name, tmp_path, monkeypatch):
    save_encoder(tmp_path / "tiny")
    (tmp_path / "tiny" / "other").mkdir()
    monkeypatch.chdir(tmp_path if name.startswith("tiny") else tmp_path / "tiny")
    assert encoder_name(name) == "tiny"


def test_an_encoder_of_the_hub_has_its_name_there(tmp_path, monkeypatch):
    monkeypatch.chdir(save_encoder(tmp_path / "tiny"))
    assert encoder_name("nobody/nothing") == "nobody/nothing"
    assert [encoder_name(name) for name in (".", "..")] == ["tiny", tmp_path.name]
    assert open_encoder(".").name == "tiny"


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(DeadpanError, match=r"pip install 'deadpan\[encoders\]'"):
        open_encoder("anything")


def test_opening_leaves_transformers_as_talkative_as_it_was(tmp_path):
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    assert open_encoder(str(save_encoder(tmp_path))).tokens(SAMPLE).ids
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before
