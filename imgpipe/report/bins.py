"""Numbers and moments, counted in bins whose number is bounded whatever comes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

FINE: Final = 48
"""Bins a decade as they are counted: a quantile is told to within 2.5 %."""

_LEAST: Final = -6 * FINE
_MOST: Final = 15 * FINE
"""A microsecond or a pixel is more than the one, a petabyte less than the other; what is beyond counts there."""


class Histogram:
    """How values above zero are distributed, in logarithmic bins.

    Attributes:
        count: Values counted.
    """

    def __init__(self) -> None:
        self.count = 0
        self._bins: dict[int, int] = {}

    def add(self, value: float) -> None:
        """Count a value; it is finite and above zero."""
        place = min(_MOST, max(_LEAST, math.floor(math.log10(value) * FINE)))
        self._bins[place] = self._bins.get(place, 0) + 1
        self.count += 1

    def quantile(self, share: float) -> float:
        """The value below which `share` (0 to 1) of the values are; 0.0 where there are none."""
        wanted = share * self.count
        seen = 0
        for place in sorted(self._bins):
            seen += self._bins[place]
            if seen >= wanted:
                return float(10 ** ((place + 0.5) / FINE))
        return 0.0

    def bars(self, most: int) -> list[tuple[float, float, int]]:
        """Neighbouring bins with their counts, empty ones too, from the first value to the last.

        Args:
            most: Bars at the most, at least 12; bins are put together until they are so few.

        Returns:
            From, to (the values) and how many are between.
        """
        if not self._bins:
            return []
        first, last = min(self._bins), max(self._bins)
        merged = next(m for m in (2, 4, 8, 16, 24, 48, 96) if last // m - first // m < most)
        counts = dict.fromkeys(range(first // merged, last // merged + 1), 0)
        for place, count in self._bins.items():
            counts[place // merged] += count
        return [(10 ** (k * merged / FINE), 10 ** ((k + 1) * merged / FINE), n) for k, n in counts.items()]


@dataclass(frozen=True, slots=True)
class Moment:
    """What happened in one step of time."""

    start: float
    """Seconds since 1970 (UTC)."""
    seconds: float
    """How long the step is."""
    images: float
    """Images in it: not a whole number where those of a shard are spread."""
    bytes: float
    """Their bytes."""


_STEPS: Final = tuple(
    [k * 10.0**e for e in (-2, -1) for k in (1, 2, 5)]
    + [1.0, 2.0, 5.0, 10.0, 15.0, 30.0]
    + [60.0 * k for k in (1, 2, 5, 10, 15, 30)]
    + [3600.0 * k for k in (1, 2, 3, 6, 12)]
    + [86_400.0 * k for k in (1, 2, 7, 14, 28, 91, 182, 364, 3640)]
)
"""Steps that people count time in, in seconds."""


class Timeline:
    """What happened when, in steps that grow with the time that passed."""

    _LIMIT: Final = 2048
    """Steps held; beyond, two become one."""

    def __init__(self) -> None:
        self._width = 1 / 128
        self._bins: dict[int, list[float]] = {}

    def add(self, when: float, images: float, size: float) -> None:
        """Count what happened at a moment.

        Args:
            when: Seconds since 1970.
            images: Images.
            size: Their bytes.
        """
        found = self._bins.setdefault(math.floor(when / self._width), [0.0, 0.0])
        found[0] += images
        found[1] += size
        if len(self._bins) > self._LIMIT:
            self._halve()

    def spread(self, start: float, end: float, images: float, size: float) -> None:
        """Count what happened evenly from `start` to `end`."""
        parts = min(256, max(1, math.ceil((end - start) / self._width)))
        for part in range(parts):
            when = start + (end - start) * (part + 0.5) / parts
            self.add(when, images / parts, size / parts)

    def _halve(self) -> None:
        while len(self._bins) > self._LIMIT // 2:
            self._width *= 2
            merged: dict[int, list[float]] = {}
            for place, values in self._bins.items():
                into = merged.setdefault(place // 2, [0.0, 0.0])
                for index, value in enumerate(values):
                    into[index] += value
            self._bins = merged

    def moments(self, most: int) -> list[Moment]:
        """The steps from the first to the last, empty ones too; `most` at the most."""
        if not self._bins:
            return []
        first, last = min(self._bins) * self._width, (max(self._bins) + 1) * self._width
        width = next(
            (step for step in _STEPS if (last - first) / step <= most - 1), (last - first) / (most - 1)
        )
        start = math.floor(first / width)
        end = math.floor((max(self._bins) + 0.5) * self._width / width)
        steps = [[0.0, 0.0] for _ in range(start, end + 1)]
        for place, values in self._bins.items():
            into = steps[math.floor((place + 0.5) * self._width / width) - start]
            for index, value in enumerate(values):
                into[index] += value
        return [Moment((start + n) * width, width, *step) for n, step in enumerate(steps)]
