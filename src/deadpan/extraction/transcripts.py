"""A user's transcript (.srt, .vtt or .txt), read and timed by what was recognised in the audio."""

import codecs
import dataclasses
import difflib
import html
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from deadpan.errors import DataError, count_of, os_failure
from deadpan.extraction.utterances import Word, normalized

TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
CUE_TIMES = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(?:\s.*)?")
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}|\[[^\[\]]*\]|[♪♫]")
"""Tags, positions, descriptions of sounds and notes: none of them is said."""
SPEAKER = re.compile(r"^\s*(?:[-–—]\s*)?(?:[A-Z][A-Z0-9 .']+:\s)?")
"""A dash or a name in capitals that says who speaks."""
MOST_BYTES = 16 * 2**20
SLACK = 1.0
"""Seconds by which a word may be heard outside its cue: subtitles come early and stay on."""
LETTER = 0.07
"""Seconds that a letter takes in the mean where nothing else tells a word's length."""
REFUSED, DOUBTED = 0.2, 0.5
"""Shares of words that are heard: below the first, text without times is refused; below the second
there is a warning. Measured on 272 words of espeak-ng: .94 of the right text, .73 where noise
makes a third of the recognised words wrong; .08 of another text, or of one shifted by 5 s."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cue:
    """A part of a transcript that is shown at once.

    Attributes:
        start: seconds from the recording's start; None in text without times.
        end: likewise; not before the start.
        words: as written, with their punctuation.
    """

    start: float | None
    end: float | None
    words: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transcript:
    """A transcript as it was read.

    Attributes:
        path: of the file.
        cues: in order of their starts, each with at least one word; at least one in a file.
    """

    path: Path
    cues: tuple[Cue, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimedTranscript:
    """A transcript whose words have times.

    Attributes:
        words: in order. The probability of a word that was heard is 1; of another, whose time is
            interpolated, ``heard``.
        heard: share of the words that were recognised at their place, in [0, 1].
        warnings: sentences on what does not match the audio.
    """

    words: tuple[Word, ...]
    heard: float
    warnings: tuple[str, ...]


def read_transcript(path: str | Path) -> Transcript:
    """Read a transcript: cues with times of a .srt or .vtt file, or the text of a .txt file.

    Tags, descriptions of sounds in square brackets, notes and names of speakers in capitals before
    a colon are left out.

    Raises:
        DataError: the file cannot be read, is of another kind, says nothing, or has a bad time.
    """
    path = Path(path)
    text = _decoded(path)
    if (suffix := path.suffix.lower()) not in {".srt", ".vtt", ".txt"}:
        raise DataError(f"{path}: is no transcript; give a .srt, .vtt or .txt file")
    lines = re.split(r"\r\n|\r|\n", text)
    if text.startswith("WEBVTT") or suffix != ".txt":
        cues = _timed_cues(path, lines, blank_ends=suffix == ".vtt" or text.startswith("WEBVTT"))
    else:
        cues = [Cue(start=None, end=None, words=_words(lines))]
    cues = [cue for cue in cues if cue.words]
    if not cues:
        wanted = "words" if suffix == ".txt" else "cues such as '00:01.000 --> 00:02.500'"
        raise DataError(f"{path}: says nothing; wanted {wanted}")
    return Transcript(path=path, cues=tuple(sorted(cues, key=lambda cue: cue.start or 0.0)))


def as_transcript(path: Path, text: str) -> Transcript:
    """A text without times as a transcript; without a cue if nothing in it is said.

    Args:
        path: of the file that has it, for messages.
        text: as in a .txt file.
    """
    words = _words(re.split(r"\r\n|\r|\n", text))
    return Transcript(path=path, cues=(Cue(start=None, end=None, words=words),) if words else ())


def time_transcript(transcript: Transcript, heard: Sequence[Word]) -> TimedTranscript:
    """Give each word of a transcript its time, by the words that were recognised in the audio.

    A word that was recognised in the same order, and within a second of its cue, has the time at
    which it was heard. The others share the time between their neighbours by their letters; in a
    cue, within the cue.

    Args:
        transcript: of the recording.
        heard: words recognised in the recording, in order.

    Raises:
        DataError: fewer than 20 % of the words of a text without times are heard.
    """
    spelled = [(cue, word) for cue in transcript.cues for word in cue.words]
    same, other = _matches(spelled, heard)
    share = len(same) / len(spelled)
    count = count_of(len(spelled), "word")
    mismatch = f"of its {count} only {share:.0%} are heard in the recording"
    if transcript.cues[0].start is None and share < REFUSED:
        raise DataError(
            f"{transcript.path}: {mismatch}; give the transcript of this recording, one with times "
            "(.srt, .vtt), or none"
        )
    words = _timed_words(spelled, same | other)
    words = [
        dataclasses.replace(word, probability=1.0 if index in same else share)
        for index, word in enumerate(words)
    ]
    warning = f"{transcript.path}: {mismatch}; check that it is its transcript"
    return TimedTranscript(
        words=tuple(words), heard=share, warnings=(warning,) if share < DOUBTED else ()
    )


def _matches(
    spelled: Sequence[tuple[Cue, str]], heard: Sequence[Word]
) -> tuple[dict[int, Word], dict[int, Word]]:
    """The heard words that stand for words of a transcript, by these words' indices.

    Returns:
        Those that are the same word, and those that were heard instead of as many others.
    """
    matcher = difflib.SequenceMatcher(
        None,
        [normalized(word) for _, word in spelled],
        [normalized(word.text) for word in heard],
        autojunk=False,  # else every frequent word of a long transcript is left out
    )
    same: dict[int, Word] = {}
    other: dict[int, Word] = {}
    for kind, first, last, heard_first, heard_last in matcher.get_opcodes():
        if last - first == heard_last - heard_first:
            matches = same if kind == "equal" else other
            for index, word in zip(range(first, last), heard[heard_first:heard_last], strict=True):
                if _is_near(word, spelled[index][0]):
                    matches[index] = word
    return same, other


def _is_near(word: Word, cue: Cue) -> bool:
    """Whether a word is heard about when its cue is shown."""
    if cue.start is None or cue.end is None:
        return True
    return cue.start - SLACK <= (word.start + word.end) / 2 <= cue.end + SLACK


def _timed_words(spelled: Sequence[tuple[Cue, str]], matches: dict[int, Word]) -> list[Word]:
    """Words with the times of their matches, or of their shares of the gaps between those."""
    words: list[Word] = []
    while (index := len(words)) < len(spelled):
        cue, text = spelled[index]
        if index in matches:
            words.append(dataclasses.replace(matches[index], text=text))
            continue
        end = index + 1
        while end < len(spelled) and end not in matches and spelled[end][0] is cue:
            end += 1
        following = next((matches[i] for i in range(end, len(spelled)) if i in matches), None)
        words += _spread(
            [text for _, text in spelled[index:end]],
            cue,
            before=words[-1] if words else None,
            following=following,
        )
    return words


def _spread(
    texts: Sequence[str], cue: Cue, *, before: Word | None, following: Word | None
) -> list[Word]:
    """Words of one cue between two others, each as long as its letters are many."""
    letters = [max(1, len(normalized(text))) for text in texts]
    usual = sum(letters) * LETTER
    ends = [time for time in (cue.end, following and following.start) if time is not None]
    starts = [time for time in (cue.start, before and before.end) if time is not None]
    start = max(starts) if starts else max(0.0, min(ends, default=0.0) - usual)
    # In a long gap they stand at its beginning, at half the usual speed.
    end = min([*ends, start + 2 * usual]) if ends else start + usual
    start = max(min(start, end), before.start if before else 0.0)
    length = max(0.0, end - start)
    edges = [0, *itertools.accumulate(letters)]
    return [
        Word(
            text=text,
            start=start + length * edges[index] / edges[-1],
            end=start + length * edges[index + 1] / edges[-1],
            probability=0.0,
        )
        for index, text in enumerate(texts)
    ]


def _timed_cues(path: Path, lines: list[str], *, blank_ends: bool) -> list[Cue]:
    """The cues of SubRip or WebVTT.

    Args:
        path: for messages.
        lines: of the file.
        blank_ends: whether a blank line ends a cue's text, as in WebVTT. In SubRip a cue ends where
            the next one begins, and a number may stand before its times.
    """
    starts = [number for number, line in enumerate(lines) if "-->" in line]
    cues: list[Cue] = []
    for number, following in itertools.pairwise([*starts, len(lines)]):
        text = lines[number + 1 : following]
        if blank_ends:
            text = list(itertools.takewhile(str.strip, text))
        elif following < len(lines) and text and text[-1].strip().isdigit():
            del text[-1]
        start, end = _times(path, number + 1, lines[number])
        cues.append(Cue(start=start, end=end, words=_words(text)))
    return cues


def _times(path: Path, number: int, line: str) -> tuple[float, float]:
    """Start and end of a cue in seconds."""
    match = CUE_TIMES.fullmatch(line)
    reason = f"{path}: line {number}: '{line.strip()[:80]}'"
    if match is None:
        raise DataError(f"{reason} is no pair of times; wanted '00:01:02.500 --> 00:01:04.000'")
    parts = match.groups()
    start, end = _seconds(parts[:4]), _seconds(parts[4:])
    if any(int(part) > 59 for part in (*parts[1:3], *parts[5:7])):
        raise DataError(f"{reason} has more than 59 minutes or seconds; write hours and minutes")
    if end < start:
        raise DataError(f"{reason} ends before it starts; swap or mend the times")
    return start, end


def _seconds(parts: Sequence[str | None]) -> float:
    """Hours, minutes, seconds and a fraction's digits as seconds."""
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + float(f"0.{fraction or 0}")


def _words(lines: Sequence[str]) -> tuple[str, ...]:
    """The words that are said in lines of a transcript."""
    lines = [SPEAKER.sub("", html.unescape(MARKUP.sub(" ", line))) for line in lines]
    pieces = re.sub("([–—]|--+)", r"\1 ", " ".join(lines)).split()
    return tuple(piece for piece in pieces if normalized(piece))


def _decoded(path: Path) -> str:
    """A file's text."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError(os_failure(error)) from None
    if len(content) > MOST_BYTES:
        raise DataError(f"{path}: is larger than 16 MB, and so no transcript; check the path")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")  # Windows' subtitle editors wrote the latter
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise DataError(f"{path}: is no text; save the transcript as UTF-8")
