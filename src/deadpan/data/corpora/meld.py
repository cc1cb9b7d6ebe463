"""MELD."""

from deadpan.data.corpora.corpus import Corpus, Source

REPOSITORY = "https://raw.githubusercontent.com/declare-lab/MELD/master/data/MELD"
LABELS_NOTE = "labels and transcripts; the authors' repository"
RAW_NOTE = "raw videos, some 11 GB"

MELD = Corpus(
    name="MELD",
    title="MELD: Multimodal EmotionLines Dataset",
    about="Utterances of 1,433 dialogues of the series Friends, with several speakers each.",
    task="classes",
    labels=("neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust"),
    label_range=None,
    language="English",
    clips=13708,
    videos=1433,
    hours=13.7,  # its README: 11,098 utterances of 3.59 s and 2,610 of 3.58 s on average
    splits={"train": 9989, "valid": 1109, "test": 2610},
    licence=(
        "See the repository for labels and transcripts; pictures and sound belong to the makers of "
        "the series."
    ),
    citation=(
        "Poria, Hazarika, Majumder, Naik, Cambria, Mihalcea: MELD: A Multimodal Multi-Party "
        "Dataset for Emotion Recognition in Conversations. ACL 2019. arXiv:1810.02508."
    ),
    traps=(
        "48 % of the test clips are neutral: always answering that scores accuracy 48.1 % and "
        "weighted F1 31.3 %. Fear and disgust are 50 and 68 clips of 2,610.",
        "The video of dev dialogue 110 utterance 7 is missing and that of train dialogue 125 "
        "utterance 3 is broken (declare-lab/MELD#22, #39).",
        "Some videos are cut wrongly, a few to minutes, and there are videos without a label "
        "(declare-lab/MELD#9, #20, #22).",
        "The clips have laughter on the sound track.",
        "Dialogue and utterance numbers start anew in each split: name a clip by its split too.",
    ),
    layout=(
        "Labels and transcripts are CSV in MELD's own columns, videos are in archives within the "
        "archive. 'deadpan data inspect FILE' says whether a file can be read."
    ),
    sources=(
        Source(url=f"{REPOSITORY}/train_sent_emo.csv", file="train_sent_emo.csv", note=LABELS_NOTE),
        Source(url=f"{REPOSITORY}/dev_sent_emo.csv", file="dev_sent_emo.csv", note=LABELS_NOTE),
        Source(url=f"{REPOSITORY}/test_sent_emo.csv", file="test_sent_emo.csv", note=LABELS_NOTE),
        Source(
            url="http://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz",
            file="MELD.Raw.tar.gz",
            note=f"{RAW_NOTE}; University of Michigan, named in the authors' README",
        ),
        Source(
            url="https://huggingface.co/datasets/declare-lab/MELD/resolve/main/MELD.Raw.tar.gz",
            file="MELD.Raw.tar.gz",
            note=f"{RAW_NOTE}; the authors' page at Hugging Face",
        ),
    ),
)
