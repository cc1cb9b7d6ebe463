"""The timeline of a recording as one self-contained HTML page, and as JSON, CSV and SRT."""

import base64
import dataclasses
import hashlib
import json
import math
import os
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from deadpan.errors import DataError, count_of
from deadpan.extraction.timeline import (
    NOTICE,
    Curve,
    Reading,
    Timeline,
    TimelineUtterance,
    timeline_csv,
    timeline_json,
    timeline_srt,
)
from deadpan.files import json_text
from deadpan.reports.folder import write_page_folder
from deadpan.show.drawing import modality_looks
from deadpan.show.page import Fact, Panel, render

TIMELINE_PAGE = "timeline.html"
LARGEST_EMBEDDED = 20_000_000
"""Bytes of a recording that is put into its page. Firefox opens data URIs of up to 32 MB, and a
third is added by base64."""
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",  # browsers refuse video/quicktime, but most play what is inside
    ".webm": "video/webm",
    ".mkv": "video/webm",
    ".ogv": "video/ogg",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
}
"""Types by ending; a browser looks into a file of any other."""
TITLES = {"text": "Words", "vision": "Face", "audio": "Voice"}
"""Modalities in the order of the page, as it names them."""
SCORE = 3.0
"""Largest absolute score of sentiment."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lane:
    """One strip under the time axis: a curve, readings of utterances, or fused scores.

    Attributes:
        modality: whose colour it has; ``fused`` for scores.
        label: name and unit of the curve; what the strip shows where it has none.
        low: lower end of its axis; None where it has none.
        high: upper end likewise.
        curve: its place in the timeline's curves; None where it has none.
        shared: whether the curve is also another person's: here it counts during utterances only.
        readings: whether a ribbon shows the modality's reading of each utterance.
    """

    modality: str
    label: str
    low: float | None = None
    high: float | None = None
    curve: int | None = None
    shared: bool = False
    readings: bool = False

    @property
    def title(self) -> str:
        """The modality as the page names it."""
        return "Fused score" if self.modality == "fused" else modality_title(self.modality)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneGroup:
    """The lanes of one person, or of whom nobody sees.

    Attributes:
        title: the person's name.
        note: how long the person is in view and speaks; "" for none.
        utterances: places of the person's utterances in the timeline.
        lanes: from top to bottom.
    """

    title: str
    note: str
    utterances: tuple[int, ...]
    lanes: tuple[Lane, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heatmaps:
    """What a page shows of a model's attention; see ``reports.attention_maps``.

    Attributes:
        panels: of an utterance, by its place in the timeline.
        note: which utterances have some, or why none has; "" without a run.
    """

    panels: Mapping[int, Sequence[Panel]] = dataclasses.field(default_factory=dict)
    note: str = ""


def write_timeline(
    timeline: Timeline, recording_path: Path, folder: Path, heatmaps: Heatmaps | None = None
) -> Path:
    """Write ``timeline.json``, ``.csv`` and ``.srt``, and last the page ``timeline.html``.

    The page asks for nothing over a network. A recording of up to 20 MB is inside it; a larger one
    is played from where it lies, relative to the page. Files of an earlier timeline are replaced
    one by one, each whole; a new folder that could not be filled is removed again.

    Args:
        timeline: what was read from the recording.
        recording_path: the recording's file.
        folder: made where it is not there.
        heatmaps: of a model's attention; None: none.

    Returns:
        The page's path.

    Raises:
        DataError: the recording cannot be read.
        DeadpanError: the folder is a file, or cannot be written, or another process writes it.
    """
    files = timeline_files(timeline, recording_path, folder, heatmaps)
    write_page_folder(files, folder)
    return folder / TIMELINE_PAGE


def timeline_files(
    timeline: Timeline, recording_path: Path, folder: Path, heatmaps: Heatmaps | None = None
) -> dict[str, bytes]:
    """Contents of every file of a timeline, by name; see :func:`write_timeline`."""
    texts = {
        "timeline.json": json_text(timeline_json(timeline)),
        "timeline.csv": timeline_csv(timeline),
        "timeline.srt": timeline_srt(timeline),
    }
    texts[TIMELINE_PAGE] = _page(
        timeline, recording_path, folder, heatmaps or Heatmaps(), sorted(texts)
    )
    return {name: text.encode("utf-8", "replace") for name, text in texts.items()}


def _page(
    timeline: Timeline,
    recording_path: Path,
    folder: Path,
    heatmaps: Heatmaps,
    files: Sequence[str],
) -> str:
    link = relative_link(recording_path, folder)
    embedded = embedded_media(recording_path)
    groups = lane_groups(timeline)
    script = render("timeline.js")
    return render(
        "timeline.html.j2",
        title=f"Timeline of {timeline.recording.file}",
        timeline=timeline,
        verdict=_verdict(timeline),
        facts=_facts(timeline),
        groups=groups,
        source=embedded or link,
        link=link,
        embedded=bool(embedded),
        limit=f"{LARGEST_EMBEDDED / 1e6:.0f} MB",
        # Only this script runs in the page, whatever a transcript may bring.
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        numbers=_numbers(timeline, groups),
        panels=heatmaps.panels,
        heatmaps_note=heatmaps.note,
        looks=modality_looks(list(TITLES)),
        notice=NOTICE,
        files=files,
        valence=valence,
        modality_title=modality_title,
        reading_class=reading_class,
        reading_words=reading_words,
        bar=_bar,
        signed=signed,
        clock=clock,
        length=timeline.recording.duration or 1.0,
    )


def relative_link(recording_path: Path, folder: Path) -> str:
    """Where a page in the folder has the recording, as a URL."""
    path, folder = Path(os.path.abspath(recording_path)), Path(os.path.abspath(folder))  # noqa: PTH100 - a link is not followed: browsers do not either
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # on another drive of Windows
        return path.as_uri()
    return urllib.parse.quote(os.fsencode(relative.replace(os.sep, "/")))


def embedded_media(recording_path: Path) -> str | None:
    """The recording as a data URI; None where it is larger than ``LARGEST_EMBEDDED``.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if recording_path.stat().st_size > LARGEST_EMBEDDED:
            return None
        content = recording_path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{recording_path}: the recording cannot be read ({error.strerror}); "
            "put it back, or analyze it where it lies now"
        ) from None
    kind = MEDIA_TYPES.get(recording_path.suffix.lower(), "application/octet-stream")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _verdict(timeline: Timeline) -> str:
    if not timeline.utterances:
        return "No speech was found."
    utterances = count_of(len(timeline.utterances), "utterance")
    if not timeline.moments:
        return f"In none of {utterances} do modalities clearly disagree."
    return f"{count_of(len(timeline.moments), 'incongruent moment')} in {utterances}."


def _facts(timeline: Timeline) -> list[Fact]:
    recording = timeline.recording
    streams = {"picture": recording.has_video, "sound": recording.has_audio}
    lacking = [f"no {name}" for name, has in streams.items() if not has]
    words = [word for utterance in timeline.utterances for word in utterance.words]
    unsure = sum(word.probability < 0.6 for word in words)
    return [
        Fact(
            term="Duration",
            value=clock(recording.duration),
            note=" and ".join(lacking) or "with picture and sound",
        ),
        Fact(
            term="People seen",
            value=str(len(timeline.persons)),
            note=f"{sum(person.speaks > 0 for person in timeline.persons)} of them speak",
        ),
        Fact(
            term="Utterances",
            value=f"{len(timeline.utterances):,}",
            note=f"{count_of(len(words), 'word')}, {unsure:,} of probability below 0.6",
        ),
        Fact(
            term="Incongruent moments",
            value=f"{len(timeline.moments):,}",
            note="where modalities clearly disagree",
        ),
    ]


def _modalities(timeline: Timeline) -> list[str]:
    """Modalities in the order of the page; those it has no title for last."""
    names = [curve.modality for curve in timeline.curves]
    names += [name for utterance in timeline.utterances for name in utterance.readings]
    return [name for name in dict.fromkeys([*TITLES, *names]) if name in names]


def lane_groups(timeline: Timeline) -> tuple[LaneGroup, ...]:
    """The lanes of each person in the order of appearance, and last of whom nobody sees."""
    unseen = "Off screen" if timeline.recording.has_video else "Voices"
    notes = {
        person.name: f"{person.seen:.1f} s in view, {person.speaks:.1f} s speaking"
        for person in timeline.persons
    }
    groups: list[LaneGroup] = []
    for name in [*notes, None]:
        utterances = tuple(i for i, each in enumerate(timeline.utterances) if each.person == name)
        if lanes := tuple(_lanes(timeline, name, utterances)):
            groups.append(
                LaneGroup(
                    title=name or unseen,
                    note=notes[name] if name else "",
                    utterances=utterances,
                    lanes=lanes,
                )
            )
    return tuple(groups)


def _lanes(timeline: Timeline, person: str | None, utterances: Sequence[int]) -> Iterator[Lane]:
    spoken = [timeline.utterances[i] for i in utterances]
    for modality in _modalities(timeline):
        unread = any(modality in each.readings for each in spoken)
        for i, curve in enumerate(timeline.curves):
            # One voice curve holds whoever speaks: it is shown with each of them.
            voice = curve.modality == "audio" and curve.person is None
            hers = bool(spoken or not timeline.utterances) if voice else curve.person == person
            if curve.modality != modality or not hers:
                continue
            low, high = axis_range(curve, timeline.curves)
            (column,) = curve.sequence.columns
            yield Lane(
                modality=modality,
                label=f"{column.name} ({column.unit})" if column.unit else column.name,
                low=low,
                high=high,
                curve=i,
                shared=voice and bool(spoken),
                readings=unread,
            )
            unread = False  # its readings stand under its first curve
        if unread:
            yield Lane(modality=modality, label="reading of each utterance", readings=True)
    if scores := [each.fused for each in spoken if each.fused]:
        interval = any(score.low is not None for score in scores)
        label = "sentiment, with its 90 % interval" if interval else "sentiment"
        yield Lane(modality="fused", label=label, low=-SCORE, high=SCORE)


def axis_range(curve: Curve, curves: Sequence[Curve]) -> tuple[float, float]:
    """Ends of a curve's axis, which curves of the same column share, so that people compare.

    They are the column's valid range where values fill a third of it, and else round numbers
    around the values.
    """
    (column,) = curve.sequence.columns
    values = np.concatenate(
        [
            each.sequence.values[each.sequence.present, 0]
            for each in curves
            if each.modality == curve.modality and each.sequence.columns == (column,)
        ]
    ).astype(np.float64)
    if not len(values):
        values = np.array([column.low, column.high])
    low, high = float(values.min()), float(values.max())
    if column.high > column.low and high - low >= (column.high - column.low) / 3:
        return min(low, column.low), max(high, column.high)
    # Rounded first: as float32, .12 is a little more, and would need another step.
    step = 10.0 ** math.floor(math.log10(high - low or abs(high) or 1))
    low, high = (round(end / step, 3) for end in (low, high))
    low, high = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    return round(low * step, 6), round(high * step, 6)


def _numbers(timeline: Timeline, groups: Sequence[LaneGroup]) -> str:
    """What the page's script draws, as JSON that no text of the data is in."""
    whole = timeline_json(timeline)
    values = {
        "duration": whole["recording"]["duration"],
        "utterances": [
            {
                "start": each["start"],
                "end": each["end"],
                "incongruent": bool(each["incongruity"]),
                "readings": {name: reading["value"] for name, reading in each["readings"].items()},
                "fused": each["fused"]
                and {name: each["fused"][name] for name in ("score", "low", "high")},
            }
            for each in whole["utterances"]
        ],
        "curves": [
            {name: curve[name] for name in ("rate", "first", "values", "confidence")}
            for curve in whole["curves"]
        ],
        "groups": [
            {
                "utterances": group.utterances,
                "lanes": [
                    {
                        name: getattr(lane, name)
                        for name in ("modality", "low", "high", "curve", "shared", "readings")
                    }
                    for lane in group.lanes
                ],
            }
            for group in groups
        ],
    }
    # "<" could end the script element, or open a comment in it.
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def valence(utterance: TimelineUtterance) -> float | None:
    """What colours an utterance's words, in [-1, 1].

    It is the fused score where a run was given, else the words' own reading; None where that
    abstains.
    """
    if utterance.fused:
        return max(-1.0, min(1.0, utterance.fused.score / SCORE))
    reading = utterance.readings.get("text")
    return reading.value if reading else None


def modality_title(modality: str) -> str:
    """A modality as the page names it."""
    return TITLES.get(modality, modality)


def reading_class(modality: str, value: float | None) -> str:
    """How a value is coloured: the voice is calm or aroused, and not negative or positive."""
    if value is None:
        return "abstains"
    if modality == "audio":
        return "aroused" if value > 0 else "calm"
    return "positive" if value > 0 else "negative"


def reading_words(modality: str, reading: Reading) -> str:
    """A reading in words: ``−0.50``, ``calm −0.25``, ``abstains: no face``."""
    if reading.value is None:
        return f"abstains: {reading.reason}" if reading.reason else "abstains"
    kind = f"{reading_class(modality, reading.value)} " if modality == "audio" else ""
    return f"{kind}{signed(reading.value)}"


def signed(value: float) -> str:
    """A number with its sign, as ``+0.50`` or ``−1.25``."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")


def clock(seconds: float, *, digits: int = 1) -> str:
    """A time as ``0:07.5``, ``12:00`` or ``1:02:03``.

    Args:
        seconds: from the recording's start.
        digits: after the point.
    """
    unit = 10**digits
    minutes, rest = divmod(round(seconds * unit), 60 * unit)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    tail = f".{rest % unit:0{digits}d}" if digits else ""
    return f"{head}:{rest // unit:02d}{tail}"


def _bar(value: float, largest: float = 1.0) -> Mapping[str, float]:
    """Left end and width of a bar that grows from the midst, in per cent of its track."""
    share = max(-1.0, min(1.0, value / largest))
    return {"left": round(50 + 50 * min(share, 0.0), 2), "width": round(50 * abs(share), 2)}
