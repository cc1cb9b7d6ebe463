"""The data sets of this field: what they are, what has misled others, and where they come from.

Facts are those of the papers and of the authors' pages. None of the addresses was tried when this
was written, and none is contacted but by ``deadpan.data.fetching.fetch``.
"""

from deadpan.data.corpora.ch_sims import CH_SIMS
from deadpan.data.corpora.corpus import Corpus, Source
from deadpan.data.corpora.ict_mmmo import ICT_MMMO
from deadpan.data.corpora.iemocap import IEMOCAP
from deadpan.data.corpora.meld import MELD
from deadpan.data.corpora.mosei import MOSEI
from deadpan.data.corpora.mosi import MOSI
from deadpan.data.corpora.mustard import MUSTARD
from deadpan.data.corpora.pom import POM
from deadpan.data.corpora.ur_funny import UR_FUNNY
from deadpan.errors import DataError, unknown_name

__all__ = ["CORPORA", "Corpus", "Source", "corpus_named"]

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (MOSI, MOSEI, IEMOCAP, UR_FUNNY, MUSTARD, CH_SIMS, MELD, ICT_MMMO, POM)
}
"""Every corpus by name, in the order of display."""


def corpus_named(name: str) -> Corpus:
    """The corpus of a name, whatever its capitals; DataError where there is none."""
    for known, corpus in CORPORA.items():
        if known.lower() == name.lower():
            return corpus
    raise DataError(unknown_name("data set", name, CORPORA))
