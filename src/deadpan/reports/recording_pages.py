"""Recordings read, and the page of each written; several processes may share them."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from deadpan.errors import DeadpanError
from deadpan.extraction.overlay import OVERLAY, write_overlay
from deadpan.extraction.recording_reader import (
    RecordingReader,
    RecordingWatch,
    recognized_together,
)
from deadpan.extraction.training_free import tracks_by_name, training_free_timeline
from deadpan.extraction.transcripts import Transcript
from deadpan.reports.timeline import write_timeline
from deadpan.watched_calls import call_at_once


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordingPages:
    """What is written of recordings, and where; the options are those of ``deadpan.analyze``.

    Attributes:
        folders: of each recording, by its path, in order.
        components: the folder of all components.
        run: the folder of a run that predicts utterances; None: none does.
        heatmaps: the most utterances whose attention is drawn.
        language: that is spoken.
        overlay: whether a clip with faces, mouths and who speaks is written too.
    """

    folders: Mapping[Path, Path]
    components: Path
    run: Path | None = None
    heatmaps: int = 20
    language: str = "en"
    overlay: bool = False

    def write(
        self,
        *,
        transcript: Transcript | None = None,
        workers: int = 1,
        watch: RecordingWatch | None = None,
    ) -> list[Path]:
        """Read each recording and write its pages.

        Args:
            transcript: of the only recording.
            workers: processes at once, as far as there are recordings that share no window of
                recognition: what is written does not depend on it.
            watch: is called as the reading proceeds, for each recording anew, or once for all that
                several processes share.

        Returns:
            The pages, in order.

        Raises:
            DataError: a recording cannot be read; those before it have their pages.
            DeadpanError: a page cannot be written, or a process died.
        """
        together = [*recognized_together([*self.folders])]
        groups = [[path for path, _ in group] for group in together]
        if min(workers, len(groups)) > 1:
            seconds = [sum(header.duration for _, header in group) for group in together]
            if watch:
                watch.begin(sum(seconds) * (2 if self.overlay else 1))
            shares = shared_evenly(seconds, workers)
            return self._write_shares([[groups[k] for k in share] for share in shares], watch)
        return [page for _, page in self.written(groups, transcript=transcript, watch=watch)]

    def written(
        self,
        groups: Iterable[Sequence[Path]],
        *,
        transcript: Transcript | None = None,
        watch: RecordingWatch | None = None,
    ) -> Iterator[tuple[Path, Path]]:
        """Read recordings, those of a group with one window of recognition, and write their pages.

        Args:
            groups: of recordings.
            transcript: of the only recording.
            watch: is called as the reading proceeds.

        Returns:
            Each recording with its page, once that is written.
        """
        opened = None
        if self.run is not None:
            from deadpan.analysis.fused_timeline import open_recording_run  # and with it torch

            opened = open_recording_run(self.run, self.components)
        reader = RecordingReader(self.components, language=self.language)
        for group in groups:
            read = (
                reader.read_each(group, watch=watch)
                if transcript is None
                else [reader.read(group[0], transcript=transcript, watch=watch)]
            )
            for recording, path in zip(read, group, strict=True):
                folder = self.folders[path]
                timeline = training_free_timeline(recording, made_by=reader.made_by)
                drawn = None
                if opened is not None:
                    from deadpan.analysis.fused_timeline import fused_timeline
                    from deadpan.reports.attention_maps import utterance_heatmaps

                    timeline, maps = fused_timeline(
                        timeline, recording, opened, self.components, heatmaps=self.heatmaps
                    )
                    drawn = utterance_heatmaps(maps)
                page = write_timeline(timeline, path, folder, drawn)
                if self.overlay:
                    tracks = tracks_by_name(recording.tracks)
                    write_overlay(timeline, tracks, path, folder / OVERLAY, watch=watch)
                yield path, page

    def _write_shares(
        self, shares: Sequence[list[list[Path]]], watch: RecordingWatch | None
    ) -> list[Path]:
        """Write the pages of each share of the groups in a process of its own."""
        pages: dict[Path, Path] = {}
        errors: dict[Path, DeadpanError] = {}
        results = call_at_once(
            _written, [(self, share) for share in shares], watch.advance if watch else _ignore
        )
        for share, (written, error) in zip(shares, results, strict=True):
            pages |= written
            if error is not None:
                failed = next(path for path in chain.from_iterable(share) if path not in written)
                errors[failed] = error
        for path in self.folders:
            if path in errors:
                raise errors[path]
        return [pages[path] for path in self.folders]


def _written(
    pages: RecordingPages, groups: list[list[Path]], *, watch: RecordingWatch
) -> tuple[dict[Path, Path], DeadpanError | None]:
    """Write the pages of some groups of recordings; what went wrong ends it and is returned."""
    written: dict[Path, Path] = {}
    try:
        written.update(pages.written(groups, watch=watch))
    except DeadpanError as error:
        return written, error
    return written, None


def _ignore(seconds: float) -> None:
    """Take how much was read and tell nobody."""


def shared_evenly(amounts: Sequence[float], shares: int) -> list[list[int]]:
    """Share pieces of work evenly: the largest first, each to whom has least.

    Args:
        amounts: of each piece.
        shares: the most shares.

    Returns:
        The pieces of each share by their index, in order; no share is empty.
    """
    loads = [0.0] * min(shares, len(amounts))
    taken: list[list[int]] = [[] for _ in loads]
    for piece in sorted(range(len(amounts)), key=lambda k: -amounts[k]):
        least = loads.index(min(loads))
        loads[least] += amounts[piece]
        taken[least].append(piece)
    return [sorted(pieces) for pieces in taken]
