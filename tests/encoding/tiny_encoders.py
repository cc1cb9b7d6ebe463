"""Encoders of transformers with random weights, a handful of numbers wide, saved in folders."""

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

PIECES = (
    "the good bad movie was really not so ##ly un ##good 好 看 \u05d8\u05d5\u05d1 # . , !".split()
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
CONFIGS = {
    "bert": (transformers.BertConfig, {}),
    "roberta": (transformers.RobertaConfig, {"pad_token_id": 0, "max_position_embeddings": 17}),
    "mpnet": (transformers.MPNetConfig, {"pad_token_id": 1, "max_position_embeddings": 18}),
    "deberta-v2": (
        transformers.DebertaV2Config,
        {"relative_attention": True, "conv_kernel_size": 3, "pos_att_type": ["p2c", "c2p"]},
    ),
    "albert": (transformers.AlbertConfig, {"embedding_size": 4}),
    "gpt2": (transformers.GPT2Config, {"n_positions": 16}),
    "llama": (transformers.LlamaConfig, {"num_key_value_heads": 2}),
    "t5": (
        transformers.T5Config,
        {"d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 3, "num_heads": 2},
    ),
}


def wordpiece(padding=0):
    """A tokenizer like BERT's: it strips case and splits ideographs and punctuation.

    Its padding has number 0 or 1, and unknown words have the other.
    """
    special = SPECIAL if padding == 0 else ("[UNK]", "[PAD]", *SPECIAL[2:])
    names = [*special, *PIECES, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def byte_level():
    """A tokenizer like GPT-2's: a token per byte, no special tokens, blanks before words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: index for index, name in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def save_encoder(folder, kind="bert", *, seed=0, tokenizer=True, **changes):
    """Save an encoder of this kind; returns the folder."""
    make, own = CONFIGS[kind]
    # MPNet's positions skip token 1, whatever its configuration says.
    tokens = byte_level() if kind in ("gpt2", "llama") else wordpiece(int(kind == "mpnet"))
    common = {
        "vocab_size": len(tokens),
        "hidden_size": 8,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "max_position_embeddings": 16,
    }
    config = make(
        **{**({} if kind == "t5" else common), "vocab_size": len(tokens), **own, **changes}
    )
    torch.manual_seed(seed)
    model = transformers.AutoModel.from_config(config)
    for parameter in model.parameters():  # biases and norms are 0 and 1 before training
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    if tokenizer:
        tokens.save_pretrained(folder)
    return folder
