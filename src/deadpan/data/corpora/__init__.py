"""The corpora of the field: their labels and splits, known pitfalls, and where to get them.

Facts are those of the papers and of the authors' pages. The addresses were not tried when this was
written; only ``deadpan.data.fetching.fetch`` contacts them.
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

__all__ = ["CORPORA", "Corpus", "Source", "find_corpus"]

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (MOSI, MOSEI, IEMOCAP, UR_FUNNY, MUSTARD, CH_SIMS, MELD, ICT_MMMO, POM)
}
"""Every corpus by name, in the order of display."""


def find_corpus(name: str) -> Corpus:
    """Find a corpus by its name, in upper or lower case; DataError if there is none."""
    for corpus_name, corpus in CORPORA.items():
        if corpus_name.lower() == name.lower():
            return corpus
    raise DataError(unknown_name("data set", name, CORPORA))
