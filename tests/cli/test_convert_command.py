import re

from deadpan.cli.convert_command import data_convert
from deadpan.data import load
from deadpan.data.fingerprint import fingerprint
from deadpan.data.store.opening import store_dataset

SMALL = ["--data_options.clips", "20"]


def test_converting_says_what_there_is(tmp_path, capsys):
    out = tmp_path / "store.safetensors"
    data_convert(["controlled", str(out), *SMALL])
    shown = capsys.readouterr()
    assert re.fullmatch(re.escape(f"{out}: 20 clips, ") + r"\d\.\d MB\n", shown.out)
    assert shown.err == ""
    assert fingerprint(store_dataset(out)) == fingerprint(load("controlled", clips=20))
