"""CH-SIMS."""

from deadpan.data.corpora.corpus import Corpus, mmsa_pickle

CH_SIMS = Corpus(
    name="CH-SIMS",
    title="CH-SIMS: Chinese multimodal sentiment with labels for each modality",
    about="Clips of films, series and shows, judged as a whole and by words, voice and face alone.",
    task="scores",
    labels=("sentiment",),
    label_range=(-1.0, 1.0),
    language="Mandarin Chinese",
    clips=2281,
    videos=60,
    hours=None,
    splits={"train": 1368, "valid": 456, "test": 457},
    licence="No licence is stated; its authors share it for research.",
    citation=(
        "Yu, Xu, Meng, Zhu, Ma, Wu, Zou, Yang: CH-SIMS: A Chinese Multimodal Sentiment Analysis "
        "Dataset with Fine-grained Annotation of Modality. ACL 2020, 3718-3727."
    ),
    traps=(
        "Labels are in [-1, 1] in steps of 0.2, not in [-3, 3]: its errors and its Acc-5 cannot be "
        "compared with MOSI's.",
        "Only an unaligned file is published (text 39 steps of 768, audio 400 of 33, vision 55 of "
        "709); text is from a Chinese BERT.",
        "Besides the label there is one for each modality; a model trained on those sees more.",
        "CH-SIMS v2 is another, larger data set in the same format.",
    ),
    layout="A pickle in MMSA's format (unaligned_39.pkl), or its label.csv as a clip table.",
    sources=(
        mmsa_pickle(
            "unaligned_39.pkl",
            "c9e20c13ec0454d98bb9c1e520e490c75146bfa2dfeeea78d84de047dbdd442f",
            "SIMS/Processed",
        ),
    ),
)
