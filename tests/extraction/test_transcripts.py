from pathlib import Path

import pytest

from deadpan.errors import DataError
from deadpan.extraction.transcripts import Cue, Transcript, read_transcript, time_transcript
from deadpan.extraction.utterances import Word

from ..refusals import refusal_of


def cue(start, end, text):
    times = {} if start is None else {"start": float(start), "end": float(end)}
    return Cue(**{"start": None, "end": None} | times, words=tuple(text.split()))


def read_text(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcript(path).cues


def test_subrip_is_read_without_numbers_and_tags(tmp_path):
    text = (
        "1\n00:00:01,000 --> 00:00:02,500\n<i>Go</i> away!\n- JOHN: Why?\n\n"
        "2\n01:00:03,250 --> 01:00:04,000 X1:40\n{\\an8}[door slams] Because &amp; so. ♪\n\n"
    )
    cues = (cue(1, 2.5, "Go away! Why?"), cue(3603.25, 3604, "Because so."))
    assert read_text(tmp_path, "a.srt", text) == cues
    windows = "\ufeff" + text.replace("\n", "\r\n")
    assert read_text(tmp_path, "b.SRT", windows) == cues
    assert read_text(tmp_path, "c.srt", windows.encode("utf-16")) == cues


def test_subrip_needs_no_blank_lines_and_survives_them(tmp_path):
    text = "1\n00:01.000 --> 00:02.000\nfirst\n\nstill first\n2\n00:02.000 --> 00:03.000\n1984"
    assert read_text(tmp_path, "a.srt", text) == (cue(1, 2, "first still first"), cue(2, 3, "1984"))


def test_webvtt_is_read_without_its_other_blocks(tmp_path):
    text = (
        "WEBVTT Kind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE not said\n\n"
        "intro\n00:05.000 --> 00:06.000 align:start\n<v Mary>So <00:05.500><c>it</c> is.\n\n"
        "NOTE nor this\n\n00:01.500 --> 00:07.000\nCafé\n\nNOTE the end"
    )
    cues = (cue(1.5, 7, "Café"), cue(5, 6, "So it is."))  # in order of time, overlapping
    assert read_text(tmp_path, "a.vtt", text) == cues
    assert read_text(tmp_path, "a.txt", text) == cues


def test_text_is_one_cue_without_times(tmp_path):
    expected = (Cue(start=None, end=None, words=("An", "ill-bred—", "Café", "man.")),)
    text = "An ill-bred—Café -\n\nman.\n"
    assert read_text(tmp_path, "a.txt", text) == expected
    assert read_text(tmp_path, "b.txt", text.encode("cp1252")) == expected


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ("00:01.000 -> 00:02.000 --> x", "is no pair of times"),
        ("00:01.000 -->", "is no pair of times"),
        ("00:02.000 --> 00:01.999", "ends before it starts"),
        ("00:61.000 --> 00:62.000", "more than 59"),
        ("00:75:01,0 --> 00:75:02,0", "more than 59"),
    ],
)
def test_a_bad_time_is_refused_with_its_line(tmp_path, times, reason):
    path = tmp_path / "a.srt"
    path.write_text(f"1\n00:00.000 --> 00:01.000\nfine\n\n2\n{times}\nbad\n")
    text = refusal_of(path, read_transcript, path)
    assert "line 6" in text
    assert reason in text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.srt", b"", "says nothing; wanted cues"),
        ("a.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n[music]\n", "says nothing; wanted cues"),
        ("a.txt", b" \n...\n", "says nothing; wanted words"),
        ("a.docx", b"words", "give a .srt, .vtt or .txt file"),
        ("a.txt", b"PK\0\0\0", "is no text"),
    ],
)
def test_what_is_no_transcript_is_refused(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    assert reason in refusal_of(path, read_transcript, path)


def test_a_file_that_is_absent_or_huge_is_refused(tmp_path):
    assert "No such file" in refusal_of(tmp_path / "a.txt", read_transcript, tmp_path / "a.txt")
    path = tmp_path / "b.txt"
    with path.open("wb") as file:
        file.truncate(16 * 2**20 + 1)
    assert "is larger than 16 MB" in refusal_of(path, read_transcript, path)


def heard(*words):
    """Recognised words: (text, start, end)."""
    return [
        Word(text=text, start=float(start), end=float(end), probability=0.7)
        for text, start, end in words
    ]


def timed(cues, words):
    transcript = time_transcript(Transcript(path=Path("t"), cues=tuple(cues)), words)
    rows = [
        (word.text, round(word.start, 6), round(word.end, 6), round(word.probability, 6))
        for word in transcript.words
    ]
    return rows, transcript


def test_heard_words_have_their_times_and_others_what_is_between():
    words = heard(("the", 1, 1.2), ("harbor", 1.2, 1.8), ("was", 2, 2.2), ("empty.", 3, 3.5))
    rows, transcript = timed([cue(None, None, "The harbour was quite ab Empty now!")], words)
    share = 3 / 7
    assert rows == [
        ("The", 1, 1.2, 1),
        ("harbour", 1.2, 1.8, pytest.approx(share, abs=1e-6)),  # heard as another word
        ("was", 2, 2.2, 1),
        # 7 letters in .8 s: at half of the usual .07 s a letter, all of the gap is needed.
        ("quite", 2.2, round(2.2 + 0.8 * 5 / 7, 6), pytest.approx(share, abs=1e-6)),
        ("ab", round(2.2 + 0.8 * 5 / 7, 6), 3, pytest.approx(share, abs=1e-6)),
        ("Empty", 3, 3.5, 1),
        ("now!", 3.5, 3.71, pytest.approx(share, abs=1e-6)),
    ]
    assert transcript.heard == pytest.approx(share)
    assert "of its 7 words only 43% are heard" in transcript.warnings[0]


def test_words_before_the_first_that_is_heard_end_where_it_starts():
    rows, transcript = timed([cue(None, None, "abcde fghij go")], heard(("go", 0.3, 0.5)))
    assert rows[:2] == [("abcde", 0, 0.15, 0.333333), ("fghij", 0.15, 0.3, 0.333333)]
    rows, _ = timed([cue(None, None, "abcde fghij go")], heard(("go", 9, 9.5)))
    assert rows[:2] == [("abcde", 8.3, 8.65, 0.333333), ("fghij", 8.65, 9, 0.333333)]


def test_a_long_gap_is_not_filled_by_a_short_word():
    rows, _ = timed([cue(None, None, "one two three")], heard(("one", 0, 1), ("three", 60, 61)))
    assert rows[1] == ("two", 1, 1.42, 0.666667)


def test_words_stay_in_their_cue():
    cues = [cue(10, 11, "yes no"), cue(20, 20.5, "yes no")]
    # The first "yes" is heard seconds before its cue, so it is not this one.
    rows, transcript = timed(cues, heard(("yes", 5, 5.3), ("no", 10.5, 10.8), ("no", 20.2, 20.4)))
    assert rows == [
        ("yes", 10, 10.42, 0.5),
        ("no", 10.5, 10.8, 1),
        ("yes", 20, 20.2, 0.5),
        ("no", 20.2, 20.4, 1),
    ]
    assert transcript.warnings == ()


def test_cues_that_nobody_heard_keep_their_words_apart():
    cues = [cue(10, 11, "abc"), cue(20, 21, "def"), cue(30, 31, "ghi")]
    rows, _ = timed(cues, heard(("ghi", 30, 30.5)))
    assert rows[:2] == [("abc", 10, 10.42, 0.333333), ("def", 20, 20.42, 0.333333)]


def test_a_word_of_a_cue_that_is_over_stands_at_the_word_before():
    rows, _ = timed([cue(0, 10, "one"), cue(0, 1, "two")], heard(("one", 9, 9.5)))
    assert rows == [("one", 9, 9.5, 1), ("two", 9, 9, 0.5)]


def test_frequent_words_of_a_long_transcript_count():
    words = "yes no maybe".split() * 100
    spoken = heard(*((word, index, index + 0.5) for index, word in enumerate(words)))
    _, transcript = timed([cue(None, None, " ".join(["well", *words]))], spoken)
    assert transcript.heard == 300 / 301


def test_words_never_go_back_whatever_the_cues():
    cues = [cue(0, 4, "one two three"), cue(1, 2, "four five"), cue(1, 1, "six")]
    words = heard(("one", 0, 0.5), ("three", 1.2, 1.6), ("six", 1.5, 1.9))
    rows, _ = timed(cues, words)
    starts = [start for _, start, _, _ in rows]
    assert starts == sorted(starts)
    assert all(start <= end for _, start, end, _ in rows)


def test_a_transcript_of_another_recording_is_refused_or_warned_of():
    words = heard(*((text, i, i + 0.5) for i, text in enumerate("to be or not to be".split())))
    other = "whether tis nobler in the mind to suffer"
    with pytest.raises(DataError, match=r"^t: of its 8 words only 12% are heard .* give the"):
        timed([cue(None, None, other)], words)
    rows, transcript = timed([cue(0, 8, other)], words)
    assert transcript.heard == 1 / 8
    assert len(rows) == 8
    assert "check that it is its transcript" in transcript.warnings[0]
    with pytest.raises(DataError, match="only 0% are heard"):
        timed([cue(None, None, other)], [])
