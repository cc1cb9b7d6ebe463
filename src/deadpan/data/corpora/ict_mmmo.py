"""ICT-MMMO."""

from deadpan.data.corpora.corpus import CMU, Corpus, Source

ICT_MMMO = Corpus(
    name="ICT-MMMO",
    title="ICT-MMMO: Multi-Modal Movie Opinion",
    about="Film reviews from YouTube and ExpoTV, one judgement for each whole video.",
    task="scores",
    labels=("rating",),
    label_range=None,
    language="English",
    clips=340,
    videos=340,
    hours=None,
    splits=None,
    licence="No licence is stated; shared for research.",
    citation=(
        "Wöllmer, Weninger, Knaup, Schuller, Sun, Sagae, Morency: YouTube Movie Reviews: "
        "Sentiment Analysis in an Audio-Visual Context. IEEE Intelligent Systems 28(3), 46-53, "
        "2013."
    ),
    traps=(
        "A label is for a whole video of minutes; files keep some 20 steps of it.",
        "Labels run to 5 with halves between (A2Zadeh/CMU-MultimodalSDK#329); papers with two "
        "classes cut them somewhere, and differ in where.",
        "Two preparations are about: pickles of 21 steps with 35 visual features, and HDF5 files "
        "of 20 steps with 36 (pliang279/MFN#10).",
        "340 videos in all: differences of a few points are noise.",
        "CMU's SDK does not have it and will not (A2Zadeh/CMU-MultimodalSDK#55).",
    ),
    layout=(
        "Prepared files are pickles or HDF5 arrays of their authors' own; 'deadpan data inspect "
        "FILE' says whether a file can be read."
    ),
    sources=(
        Source(
            url=f"{CMU}/raw_datasets/processed_data/mmmo/data/",
            file="mmmo",
            note="a folder of pickles; CMU MultiComp Lab, which now refers to MultiBench instead",
            by_hand=True,
        ),
        Source(
            url="https://github.com/pliang279/MFN/tree/master/new_data/mmmo",
            file="mmmo-h5",
            note="a folder of HDF5 files; prepared by MFN's authors",
            by_hand=True,
        ),
    ),
    how_to_get="It is a folder of several files, which only a person can choose from.",
)
