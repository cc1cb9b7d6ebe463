"""Pages and servers that several corpora share."""

from deadpan.data.corpora.corpus import Source

CMU = "http://immortal.multicomp.cs.cmu.edu"
CMU_NOTE = "CMU MultiComp Lab, the list of CMU-MultimodalSDK 1.2.0"
CMU_TRAP = (
    "CMU's server has been down or has refused files for weeks in 2021, 2022, 2023 and 2024: fetch "
    "again later, or take a prepared file by hand."
)
MULT_PAGE = "https://www.dropbox.com/sh/hyzpgx1hp9nj37s/AAB7FhBqJOFDw2hEyvv2ZXHxa?dl=0"
MMSA_PAGE = "https://drive.google.com/drive/folders/1A2S4pqCHryGmiqnNSPLv7rEg63WvjCSk"
MULTIBENCH_PAGE = "https://github.com/pliang279/MultiBench"


def computational_sequence(path: str, what: str) -> Source:
    """A ``.csd`` file on CMU's server.

    Args:
        path: below the server's root.
        what: the file holds.
    """
    return Source(url=f"{CMU}/{path}", file=path.rpartition("/")[2], note=f"{what}; {CMU_NOTE}")


def in_mult_layout(file: str) -> Source:
    """A pickle of the MulT release."""
    note = "prepared by MulT's authors, linked from yaohungt/Multimodal-Transformer"
    return Source(url=MULT_PAGE, file=file, note=note, by_hand=True)


def in_mmsa_layout(file: str, sha256: str, inside: str) -> Source:
    """A pickle of the MMSA release, whose README publishes the hash.

    Args:
        file: its name.
        sha256: as published.
        inside: the folder of the page it is in.
    """
    note = f"prepared by MMSA's authors (thuiar/MMSA), in the folder {inside}"
    return Source(url=MMSA_PAGE, file=file, note=note, sha256=sha256, by_hand=True)
