"""POM."""

from deadpan.data.corpora.corpus import CMU_TRAP, Corpus, computational_sequence

POM = Corpus(
    name="POM",
    title="POM: Persuasive Opinion Multimedia",
    about="Film reviews judged by how persuasive, confident, credible and so on the speaker seems.",
    task="scores",
    labels=(
        "sentiment",
        "confident",
        "passionate",
        "voice_pleasant",
        "dominant",
        "credible",
        "vivid",
        "expertise",
        "entertaining",
        "reserved",
        "trusting",
        "lazy",
        "relaxed",
        "outgoing",
        "thorough",
        "nervous",
        "humerous",
        "persuasion",
    ),
    label_range=None,
    language="English",
    clips=903,
    videos=903,
    hours=None,
    splits={"train": 600, "valid": 100, "test": 203},
    licence="No licence is stated; shared for research.",
    citation=(
        "Park, Shim, Chatterjee, Sagae, Morency: Computational Analysis of Persuasiveness in "
        "Social Multimedia: A Novel Dataset and Multimodal Prediction Approach. ICMI 2014."
    ),
    traps=(
        "Traits differ in scale: papers give seven classes (MA7) for some and five (MA5) for "
        "reserved, trusting, relaxed, outgoing, thorough and nervous. Never average their errors.",
        "Label files have 16, 17 or 18 columns. The names above are those of POM_Labels.csd, "
        "misspelling included; the file itself does not name them "
        "(A2Zadeh/CMU-MultimodalSDK#124, #262).",
        "The papers speak of 1,000 videos; the standard folds have 903.",
        "459 of its videos are MOSEI's too, and the folds cross: see MOSEI.",
        "Users found labels that do not belong to their video (A2Zadeh/CMU-MultimodalSDK#260, "
        "still open).",
        CMU_TRAP,
    ),
    layout="A folder with the .csd files of labels and features.",
    sources=(
        computational_sequence("POM/labels/POM_Labels.csd", "labels"),
        computational_sequence("POM/language/POM_TimestampedWords.csd", "words"),
        computational_sequence("POM/language/POM_TimestampedWordVectors.csd", "GloVe"),
        computational_sequence("POM/acoustic/POM_COVAREP.csd", "COVAREP"),
        computational_sequence("POM/visual/POM_Facet_42.csd", "FACET 4.2"),
    ),
)
