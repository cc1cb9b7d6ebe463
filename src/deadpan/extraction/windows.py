"""Sound measured in windows that the recording's clock sets, in bounded memory."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32

from deadpan.extraction.media import RATE, AudioBlock
from deadpan.extraction.sequences import Column, MeasuredSequence

Measure = Callable[[Float32[np.ndarray, " sample"], int, int], Float[np.ndarray, "step number"]]
"""Takes samples, the index of the first one of the window, and the number of steps that begin in
it; returns their numbers, of fewer steps where the last ones cannot be measured."""


class WindowMeter:
    """Measures blocks of audio, which come in order of time at 16 kHz, window by window.

    Numbers do not depend on how the audio is cut into blocks; what is not longer than a window and
    lies in one is measured as a whole. Steps before a gap in the recording are measured without
    what comes behind it.

    Args:
        measure: measures a window.
        columns: what the numbers are; a column may be of several numbers.
        step: samples from a step to the next.
        window: steps of a window, counted on the recording's clock.
        reach: samples on either side of a window that ``measure`` is given too, where there are
            any; a multiple of ``step``.
    """

    def __init__(
        self,
        measure: Measure,
        *,
        columns: tuple[Column, ...],
        step: int,
        window: int,
        reach: int = 0,
    ) -> None:
        self._measure, self._columns = measure, columns
        self._step, self._window, self._reach = step, window * step, reach
        self._pending: list[Float32[np.ndarray, " sample"]] = []
        self._start = self._end = 0  # of the pending samples on the clock, in samples
        self._next = 0  # the first sample of the window that is to be measured next
        self._rows: dict[int, Float[np.ndarray, "step number"]] = {}  # by first step

    def push(self, block: AudioBlock) -> None:
        """Measure one more block."""
        if not len(block.samples):
            return
        position = round(block.time * RATE)
        if not self._pending or abs(position - self._end) > 1:  # times are rounded: 1 is no gap
            self._measure_until(self._end)
            self._pending = []
            self._start = self._end = max(position, self._end)
            self._next = -(-self._start // self._step) * self._step
        self._pending.append(block.samples)
        self._end += len(block.samples)
        whole = (self._end - self._reach) // self._window * self._window
        if whole > self._next:
            self._measure_until(whole)

    def finish(self) -> MeasuredSequence:
        """Measure what is left; nothing may be pushed after it.

        Returns:
            A sequence from the first step to the last one that was measured, each sure.
        """
        self._measure_until(self._end)
        width = sum(column.count for column in self._columns)
        first = min(self._rows, default=0)
        count = max((start + len(x) for start, x in self._rows.items()), default=0) - first
        values, present = np.zeros((count, width), np.float32), np.zeros(count, bool)
        for start, rows in self._rows.items():
            steps = slice(start - first, start - first + len(rows))
            values[steps], present[steps] = rows, True
        return MeasuredSequence(
            columns=self._columns,
            rate=RATE / self._step,
            first=first,
            values=values,
            present=present,
            confidence=present.astype(np.float32),
        )

    def _measure_until(self, stop: int) -> None:
        """Measure the windows up to a sample, and forget what no later one needs."""
        if stop <= self._next:
            return
        samples = np.concatenate(self._pending)
        while self._next < stop:
            end = min(stop, (self._next // self._window + 1) * self._window)
            begin = max(self._next - self._reach, -(-self._start // self._step) * self._step)
            heard = samples[begin - self._start : end + self._reach - self._start]
            steps = -(-(end - self._next) // self._step)
            rows = self._measure(heard, self._next - begin, steps)[:steps]
            if len(rows):
                self._rows[self._next // self._step] = rows
            self._next = end
        keep = max(0, stop - self._reach - self._start)
        self._pending, self._start = [samples[keep:]], self._start + keep
