"""MUStARD."""

from deadpan.data.corpora.corpus import Corpus, Source

MUSTARD = Corpus(
    name="MUStARD",
    title="MUStARD: Multimodal Sarcasm Detection Dataset",
    about="Lines from television series with the dialogue before them, half of them sarcastic.",
    task="classes",
    labels=("not sarcastic", "sarcastic"),
    label_range=None,
    language="English",
    clips=690,
    videos=None,
    hours=None,
    licence=(
        "The repository (code, labels, transcripts) is under the MIT licence; pictures and sound "
        "belong to the makers of the series."
    ),
    citation=(
        "Castro, Hazarika, Pérez-Rosas, Zimmermann, Mihalcea, Poria: Towards Multimodal Sarcasm "
        "Detection (An Obviously Perfect Paper). ACL 2019, P19-1455."
    ),
    traps=(
        "There is no standard split of three: the authors' code has five folds and weighted F1, "
        "and a speaker-independent setting that tests on Friends and trains on the other series. "
        "In the folds a speaker is on both sides, and who speaks tells much.",
        "690 clips: differences of a few points are noise.",
        "The series have laughter on the sound track, which no other place has.",
        "MUStARD++ is another data set: about twice as many clips, and 343 of 690 emotion labels "
        "corrected.",
        "The fold indices are in a pickle, split_indices.p; a program that loads it runs it.",
    ),
    layout=(
        "The labels and transcripts are JSON; as features, a pickle in MulT's or MMSA's format. "
        "'deadpan data inspect FILE' says whether a file can be read."
    ),
    sources=(
        Source(
            url=(
                "https://raw.githubusercontent.com/soujanyaporia/MUStARD/master/data/"
                "sarcasm_data.json"
            ),
            file="sarcasm_data.json",
            note="labels and transcripts; the authors' repository",
        ),
        Source(
            url="https://www.dropbox.com/s/w566pkeo63odcj5/mustard.pkl?dl=1",
            file="mustard.pkl",
            note="features as prepared for HKT; linked from matalvepu/HKT",
        ),
        Source(
            url="https://drive.google.com/file/d/1i9ixalVcXskA5_BkNnbR60sqJqvGyi6E/view",
            file="mustard-videos.zip",
            note="raw videos; linked from soujanyaporia/MUStARD",
            by_hand=True,
        ),
        Source(
            url="https://drive.google.com/open?id=1Ff1WDObGKqpfbvy7-H1mD8YWvBS-Kf26",
            file="mustard-visual-features.zip",
            note="visual features; linked from soujanyaporia/MUStARD",
            by_hand=True,
        ),
    ),
)
