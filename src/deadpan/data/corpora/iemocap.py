"""IEMOCAP, four emotions of it."""

from deadpan.data.corpora.corpus import Corpus

IEMOCAP = Corpus(
    name="IEMOCAP",
    title="IEMOCAP: Interactive Emotional Dyadic Motion Capture, four emotions",
    about="Ten actors in pairs play and improvise scenes; the clips labelled with four emotions.",
    task="emotions",
    labels=("Neutral", "Happy", "Sad", "Angry"),
    label_range=(0.0, 1.0),
    language="English",
    clips=4453,
    videos=151,
    hours=None,
    splits={"train": 2717, "valid": 798, "test": 938},
    licence="For research by those who signed the release form of USC SAIL; not to be passed on.",
    citation=(
        "Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee, Narayanan: IEMOCAP: Interactive "
        "emotional dyadic motion capture database. Language Resources and Evaluation 42, "
        "335-359, 2008."
    ),
    traps=(
        "Always answering 'absent' scores accuracy/F1 85.6/79.0 (Happy), 79.4/70.3 (Sad), "
        "75.8/65.4 (Angry) and 59.2/44.0 (Neutral) on the 938 test clips; several published rows "
        "are exactly that. Look at the majority row first.",
        "The four are trained as four questions of yes or no, yet their shares in the test split "
        "add up to 100 %.",
        "The whole corpus is 12 hours with some 10,000 utterances and more emotions; 151 dialogues "
        "are those of the whole. Papers that join excited with happy have 5,531 clips and are "
        "another data set.",
        "MulT's files order the labels Neutral, Happy, Sad, Angry; papers print Happy first.",
        "Label files of 11 columns are Other, Anger, Excited, Fear, Sad, Surprised, Frustrated, "
        "Happy, Neutral, Disgust, unknown (A2Zadeh/CMU-MultimodalSDK#124).",
    ),
    layout="A pickle in MulT's format (iemocap_data.pkl, iemocap_data_noalign.pkl).",
    sources=(),
    how_to_get=(
        "Fill in the release form at https://sail.usc.edu/iemocap/iemocap_release.htm; USC SAIL "
        "answers by e-mail. With it in hand, features of the four emotions in MulT's format are in "
        "the release that github.com/yaohungt/Multimodal-Transformer names; CMU's "
        "computational sequences are in an archive whose password CMU gives to holders of USC's "
        "answer."
    ),
)
