"""UR-FUNNY."""

from deadpan.data.corpora.corpus import Corpus, Source

PAGE = "linked from ROC-HCI/UR-FUNNY"

UR_FUNNY = Corpus(
    name="UR-FUNNY",
    title="UR-FUNNY, version 2",
    about="Sentences of TED talks with those before them: after half, the audience laughed.",
    task="classes",
    labels=("not humorous", "humorous"),
    label_range=None,
    language="English",
    clips=10166,
    videos=None,
    hours=None,
    splits=None,
    licence="'Publicly available for research', say its authors; the talks are TED's.",
    citation=(
        "Hasan, Rahman, Zadeh, Zhong, Tanveer, Morency, Hoque: UR-FUNNY: A Multimodal Language "
        "Dataset for Understanding Humor. EMNLP-IJCNLP 2019, D19-1211."
    ),
    traps=(
        "There are two versions. The paper's (1,866 videos, 8,257 humorous clips and as many "
        "others) has overlapping clips and is no longer to be had; the second is smaller and "
        "cleaner. Their scores cannot be compared.",
        "OpenFace has 371 features per word in version 2 and 75 in version 1; COVAREP has 81.",
        "The label files of version 2 name some 16,600 clips, of which 10,166 have a video "
        "(ROC-HCI/UR-FUNNY#7): go by data_folds.pkl.",
        "A clip is a punchline with its context. Papers differ in whether a model sees the latter.",
        "Features are word indices and averages per word, in pickles: one file per modality, not "
        "one per split.",
    ),
    layout=(
        "The archive holds a pickle per modality, as its authors lay them out; 'deadpan data "
        "inspect FILE' says whether a file can be read."
    ),
    sources=(
        Source(
            url="https://www.dropbox.com/sh/9h0pcqmqoplx9p2/AAC8yYikSBVYCSFjm3afFHQva?dl=1",
            file="urfunny2_features.zip",
            note=f"the authors' features, version 2; {PAGE}",
        ),
        Source(
            url="https://www.dropbox.com/s/5y8q52vj3jklwmm/ur_funny.pkl?dl=1",
            file="ur_funny.pkl",
            note="version 2 as the authors prepared it for HKT; linked from matalvepu/HKT",
        ),
        Source(
            url="https://www.dropbox.com/s/lg7kjx0kul3ansq/urfunny2_videos.zip?dl=1",
            file="urfunny2_videos.zip",
            note=f"raw videos, version 2; {PAGE}",
            by_hand=True,
        ),
    ),
)
