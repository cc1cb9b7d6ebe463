import pytest

import deadpan
from deadpan.data import load
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError
from deadpan.training.opened import open_run

from .tiny import DATA, train


@pytest.mark.parametrize(
    ("unscaled", "scaled"),
    [
        (None, {"audio", "vision"}),
        ([], {"text", "audio", "vision"}),
        (["text", "audio"], {"vision"}),
    ],
)
def test_a_setting_overrides_what_the_data_set_says(unscaled, scaled, tmp_path):
    run = train(tmp_path / "run", epochs=1, unscaled=unscaled)
    normalizer = open_run(run.path).normalizer
    assert set(normalizer.centers) == scaled
    assert normalizer.unscaled == {"text", "audio", "vision"} - scaled
    assert run.settings().unscaled == unscaled
    write_store(load("controlled", **DATA), tmp_path / "store", source={})
    source = {"data": str(tmp_path / "store"), "data_options": {}}
    of_store = train(tmp_path / "other", epochs=1, unscaled=unscaled, **source)
    assert of_store.weights_file.read_bytes() == run.weights_file.read_bytes()


def test_group_leaves_an_unscaled_modality_its_level(tmp_path):
    run = train(tmp_path / "run", epochs=1, unscaled=["audio"], normalization="group")
    before = load("controlled", **DATA)
    after = open_run(run.path).normalizer(before)
    for one, other in zip(before["test"], after["test"], strict=True):
        assert (one.sequences["audio"] == other.sequences["audio"]).all()
        assert (one.sequences["text"] != other.sequences["text"]).any()


def test_a_modality_that_the_data_lack_is_refused(tmp_path):
    with pytest.raises(DataError, match="unscaled: unknown modality 'txt'; did you mean 'text'?"):
        train(tmp_path / "run", unscaled=["txt"])
    assert not (tmp_path / "run").exists()
    assert deadpan.inspect("controlled", **DATA)["unscaled"] == {"text": "word vectors"}
