"""CMU-MOSI."""

from deadpan.data.corpora.corpus import (
    CMU_TRAP,
    MULTIBENCH_PAGE,
    Corpus,
    Source,
    computational_sequence,
    mmsa_pickle,
    mult_pickle,
)

MOSI = Corpus(
    name="MOSI",
    title="CMU-MOSI: Multimodal Opinion-level Sentiment Intensity",
    about="Movie reviews on YouTube by 89 speakers, one person per video, cut into opinions.",
    task="regression",
    labels=("sentiment",),
    label_range=(-3.0, 3.0),
    language="English",
    clips=2199,
    videos=93,
    hours=None,
    splits={"train": 1284, "valid": 229, "test": 686},
    licence=(
        "No licence is stated. CMU shares features for research and no raw videos, for the "
        "privacy of those seen in them."
    ),
    citation=(
        "Zadeh, Zellers, Pincus, Morency: MOSI: Multimodal Corpus of Sentiment Intensity and "
        "Subjectivity Analysis in Online Opinion Videos. arXiv:1606.06259, 2016."
    ),
    traps=(
        "Acc-2 has two definitions: until 2019 negative against not negative over all clips "
        "(has0), later negative against positive without zeros (non0). They differ by two to "
        "three points; never compare one with the other.",
        "Releases differ in width: MulT's aligned files have audio 74 and vision 47, MMSA's "
        "unaligned file 5 and 20, and nobody says which columns those are.",
        "COVAREP holds -inf where a frame could not be analysed; deadpan sets it to 0 and says so.",
        "The file CMU_MOSI_TimestampedWords.csd calls its root CMU_MOSI_ModifiedTimestampedWords.",
        "Scores on 686 test clips swing by several points with the seed: report more than one.",
        CMU_TRAP,
    ),
    layout=(
        "A pickle in MulT's format (mosi_data.pkl, mosi_data_noalign.pkl) or MMSA's "
        "(aligned_50.pkl, unaligned_50.pkl), a clip table with video_id, clip_id, text, label and "
        "mode, or a folder with the .csd files of labels and features."
    ),
    sources=(
        computational_sequence("CMU-MOSI/labels/CMU_MOSI_Opinion_Labels.csd", "labels"),
        computational_sequence("CMU-MOSI/language/CMU_MOSI_TimestampedWords.csd", "words"),
        computational_sequence("CMU-MOSI/language/CMU_MOSI_TimestampedWordVectors.csd", "GloVe"),
        computational_sequence("CMU-MOSI/acoustic/CMU_MOSI_COVAREP.csd", "COVAREP"),
        computational_sequence("CMU-MOSI/visual/CMU_MOSI_Visual_Facet_41.csd", "FACET 4.1"),
        mult_pickle("mosi_data.pkl"),
        mult_pickle("mosi_data_noalign.pkl"),
        mmsa_pickle(
            "aligned_50.pkl",
            "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9",
            "MOSI/Processed",
        ),
        mmsa_pickle(
            "unaligned_50.pkl",
            "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524",
            "MOSI/Processed",
        ),
        Source(
            url=MULTIBENCH_PAGE,
            file="mosi_raw.pkl",
            note="prepared by MultiBench's authors, to whom CMU's SDK refers for aligned files",
            by_hand=True,
        ),
    ),
)
