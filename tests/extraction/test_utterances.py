import pytest

from deadpan.extraction.utterances import Utterance, Word, normalized, split_utterances


def words(text, gaps=()):
    """Words of .4 s with .1 s between them; gaps: seconds before the word of an index."""
    time, made = 0.0, []
    for index, each in enumerate(text.split()):
        time += dict(gaps).get(index, 0.1)
        made.append(Word(text=each, start=time, end=time + 0.4, probability=0.9))
        time += 0.4
    return made


@pytest.mark.parametrize(
    ("text", "gaps", "utterances"),
    [
        ("one two three", {}, ["one two three"]),
        ("one two three", {1: 0.69}, ["one two three"]),
        ("one two three", {1: 0.71}, ["one", "two three"]),
        ("Go. Now! Why? So…", {}, ["Go.", "Now!", "Why?", "So…"]),
        ("He said 'go.' Then left.", {}, ["He said 'go.'", "Then left."]),
        ("Ask Mr. Dashwood or J. Smith.", {}, ["Ask Mr. Dashwood or J. Smith."]),
        ("So did I. Then we left.", {}, ["So did I.", "Then we left."]),
        ("at 5 p.m. we left", {}, ["at 5 p.m. we left"]),
    ],
)
def test_utterances_end_at_pauses_and_sentences(text, gaps, utterances):
    assert [each.text for each in split_utterances(words(text, gaps))] == utterances


def test_an_utterance_spans_its_words():
    first, second, third = words("Go. Right now.")
    assert split_utterances([first, second, third]) == [
        Utterance(start=first.start, end=first.end, words=(first,)),
        Utterance(start=second.start, end=third.end, words=(second, third)),
    ]
    assert split_utterances([]) == []


def test_words_are_compared_without_case_accents_and_punctuation():
    written = "Don't! don’t Café, 3.5% … STRASSE ß".split()
    plain = ["dont", "dont", "cafe", "35", "", "strasse", "ss"]
    assert [normalized(word) for word in written] == plain
