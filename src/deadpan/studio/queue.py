"""The queue of analyses: one is read at a time, a few wait, and whoever follows is told."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from deadpan.studio.analyses import Analysis, AnalysisFolder, Upload, without_folders
from deadpan.studio.work import Work

Analyze = Callable[..., Any]
"""``analyze([recording], out=folder, watch=watch)``, as ``deadpan.api.analyze`` is."""


class Busy(Exception):
    """As many wait as may."""


class Queue:
    """Every analysis of a folder, and the process that reads one after the other.

    All methods belong to one event loop.

    Args:
        folder: of the analyses.
        analyze: what reads a recording, in a process of its own.
        waiting: how many may wait, with those that are being received.
    """

    def __init__(self, folder: AnalysisFolder, analyze: Analyze, *, waiting: int) -> None:
        self.folder = folder
        self._analyze, self._most = analyze, waiting
        self._analyses: dict[str, Analysis] = {}
        self._receiving = 0
        self._changed: set[asyncio.Event] = set()
        self._work: Work | None = None
        self._running = ""

    async def load(self) -> None:
        """Read what is on disk."""
        for analysis in await asyncio.to_thread(self.folder.load):
            self._analyses[analysis.id] = analysis

    def all(self) -> list[Analysis]:
        """Every analysis, newest first."""
        return list(reversed(self._analyses.values()))

    def find(self, identity: str) -> Analysis | None:
        """An analysis by its id."""
        return self._analyses.get(identity)

    @property
    def waiting(self) -> int:
        """How many wait, with those that are being received."""
        queued = sum(each.state == "queued" for each in self._analyses.values())
        return queued + self._receiving

    async def receive(self, name: str, content: AsyncIterator[bytes]) -> Analysis:
        """Receive a recording and queue it.

        Raises:
            Busy: too many wait; nothing was received.
        """
        if self.waiting >= self._most:
            raise Busy
        self._receiving += 1
        try:
            upload = await asyncio.to_thread(self.folder.upload, name)
            try:
                async for part in content:
                    await asyncio.to_thread(upload.write, part)
                analysis = await asyncio.to_thread(upload.finish)
            except BaseException:
                _abandon(upload)
                raise
            self._note(analysis)
        finally:
            self._receiving -= 1
        return analysis

    async def remove(self, analysis: Analysis) -> None:
        """Remove an analysis; what is reading its recording ends first."""
        self._analyses.pop(analysis.id, None)
        self._tell()
        if self._running == analysis.id and self._work is not None:
            await asyncio.to_thread(self._work.kill)
        with suppress(FileNotFoundError):
            await asyncio.to_thread(self.folder.remove, analysis)

    async def follow(self, identity: str, patience: float) -> AsyncIterator[Analysis | None]:
        """An analysis each time that it changes, until it ends or is removed.

        None comes where nothing has changed for some time.

        Args:
            identity: of the analysis.
            patience: seconds after which None comes.
        """
        event = asyncio.Event()
        self._changed.add(event)
        last: Analysis | None = None
        try:
            while (analysis := self.find(identity)) is not None:
                event.clear()
                if analysis != last:
                    last = analysis
                    yield analysis
                    if analysis.final:
                        return
                    continue
                try:
                    await asyncio.wait_for(event.wait(), patience)
                except TimeoutError:
                    yield None
        finally:
            self._changed.discard(event)

    async def run(self) -> None:
        """Read recordings, the oldest first, until this is cancelled."""
        event = asyncio.Event()
        self._changed.add(event)
        while True:
            event.clear()
            waiting = [each for each in self._analyses.values() if each.state == "queued"]
            if waiting:
                await self._read(waiting[0])
            else:
                await event.wait()

    async def _read(self, analysis: Analysis) -> None:
        analysis = dataclasses.replace(analysis, state="running", read=0.0)
        folder, recording = self.folder.folder(analysis), self.folder.recording(analysis)
        try:
            await self._keep(analysis)
            self._running = analysis.id
            self._work = work = await asyncio.to_thread(
                Work, _one, self._analyze, recording, folder
            )
        except OSError as error:
            self._running = ""
            self._note(dataclasses.replace(analysis, state="failed", error=str(error)))
            return
        try:
            while True:
                kind, value = await asyncio.to_thread(work.message)
                if analysis.id not in self._analyses:
                    return  # it was removed
                if kind == "begin":
                    self._note(analysis := dataclasses.replace(analysis, seconds=value))
                elif kind == "advance":
                    read = analysis.read + value
                    self._note(analysis := dataclasses.replace(analysis, read=read))
                else:
                    break
            error = without_folders(value, recording, analysis.name) if kind == "failed" else ""
            await self._keep(dataclasses.replace(analysis, state=kind, error=error))
        finally:
            self._work, self._running = None, ""
            work.close()

    async def _keep(self, analysis: Analysis) -> None:
        """Note a state and write it, unless the analysis was removed meanwhile."""
        if analysis.id not in self._analyses:
            return
        with suppress(OSError):  # a full disk: after a restart it is read again
            await asyncio.to_thread(self.folder.save, analysis)
        if analysis.id in self._analyses:
            self._note(analysis)

    def _note(self, analysis: Analysis) -> None:
        self._analyses[analysis.id] = analysis
        self._tell()

    def _tell(self) -> None:
        for event in self._changed:
            event.set()


def _one(analyze: Analyze, recording: Path, folder: Path, *, watch: object) -> None:
    """Analyze one recording, in a process of its own."""
    analyze([recording], out=folder, watch=watch)


def _abandon(upload: Upload) -> None:
    with suppress(OSError):
        upload.abandon()
