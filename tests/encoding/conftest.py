import pytest

from deadpan.encoding.text_encoder import open_encoder

from .tiny_encoders import save_encoder


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """An encoder that strips case and reads 16 tokens; nobody changes it."""
    return save_encoder(tmp_path_factory.mktemp("bert") / "tiny")


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory):
    """A causal encoder whose tokens are bytes, without padding or special tokens."""
    return save_encoder(tmp_path_factory.mktemp("gpt2") / "tiny", "gpt2")


@pytest.fixture(scope="session")
def opened(bert):
    return open_encoder(str(bert))


@pytest.fixture(scope="session")
def causal(gpt2):
    return open_encoder(str(gpt2))
