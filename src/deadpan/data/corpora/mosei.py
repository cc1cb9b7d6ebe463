"""CMU-MOSEI."""

from deadpan.data.corpora.corpus import (
    CMU_TRAP,
    MULTIBENCH_PAGE,
    Corpus,
    Source,
    computational_sequence,
    mmsa_pickle,
    mult_pickle,
)

MOSEI = Corpus(
    name="MOSEI",
    title="CMU-MOSEI: Multimodal Opinion Sentiment and Emotion Intensity",
    about="Monologues on YouTube by 1,000 speakers on 250 topics, cut into sentences.",
    task="regression",
    labels=("sentiment",),
    label_range=(-3.0, 3.0),
    language="English",
    clips=22856,
    videos=3228,
    hours=65.9,
    splits={"train": 16326, "valid": 1871, "test": 4659},
    licence=(
        "No licence is stated. CMU shares features for research and no raw videos, for the "
        "privacy of those seen in them."
    ),
    citation=(
        "Zadeh, Liang, Poria, Cambria, Morency: Multimodal Language Analysis in the Wild: "
        "CMU-MOSEI Dataset and Interpretable Dynamic Fusion Graph. ACL 2018, P18-1208."
    ),
    traps=(
        "Counts differ: the paper has 23,453 clips (others print 23,454), the prepared files "
        "22,856, because videos were withdrawn later. Hours are the paper's.",
        "The labels also hold six emotions in [0, 3], in the order happy, sad, anger, surprise, "
        "disgust, fear after the sentiment; the old prepared files order them anger, disgust, "
        "fear, happy, sad, surprise.",
        "In old files a few emotions are above 3, from sentences that more than three people "
        "judged: clamp them.",
        "66 labelled videos are in no standard fold, and two videos of the test fold have no "
        "labels (A2Zadeh/CMU-MultimodalSDK#256).",
        "459 of its videos are POM's too, and the folds cross: 61 of POM's test videos are in "
        "MOSEI's training fold and 72 of MOSEI's test videos in POM's. Never train on one and "
        "test on the other without taking those out.",
        "Some segments start before 0 s in the labels.",
        "Acc-2 has two definitions, has0 and non0, as for MOSI.",
        CMU_TRAP,
    ),
    layout=(
        "A pickle in MulT's format (mosei_senti_data.pkl, mosei_senti_data_noalign.pkl) or MMSA's "
        "(aligned_50.pkl, unaligned_50.pkl), a clip table, or a folder with the .csd files of "
        "labels and features."
    ),
    sources=(
        computational_sequence(
            "CMU-MOSEI/labels/CMU_MOSEI_Labels.csd", "labels of sentiment and emotions"
        ),
        computational_sequence("CMU-MOSEI/language/CMU_MOSEI_TimestampedWords.csd", "words"),
        computational_sequence("CMU-MOSEI/language/CMU_MOSEI_TimestampedWordVectors.csd", "GloVe"),
        computational_sequence("CMU-MOSEI/acoustic/CMU_MOSEI_COVAREP.csd", "COVAREP"),
        computational_sequence("CMU-MOSEI/visual/CMU_MOSEI_VisualFacet42.csd", "FACET 4.2"),
        mult_pickle("mosei_senti_data.pkl"),
        mult_pickle("mosei_senti_data_noalign.pkl"),
        mmsa_pickle(
            "aligned_50.pkl",
            "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791",
            "MOSEI/Processed",
        ),
        mmsa_pickle(
            "unaligned_50.pkl",
            "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f",
            "MOSEI/Processed",
        ),
        Source(
            url=MULTIBENCH_PAGE,
            file="mosei_raw.pkl",
            note="prepared by MultiBench's authors, to whom CMU's SDK refers for aligned files",
            by_hand=True,
        ),
    ),
)
