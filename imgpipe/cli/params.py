"""Text of the command line becomes values here, or one clear line that says what is expected."""

from __future__ import annotations

import re
from typing import Any, Final

import click

COMPLETE_VARIABLE: Final = "_IMGPIPE_COMPLETE"
"""The variable in which a shell's completion script asks; the name that click gives it."""

_MOST: Final = 1 << 62
"""The largest count or size: it fits the 64 bits of every file system and record."""

_LONGEST: Final = 1e9
"""The longest duration in seconds, some 30 years: the system's waits take no longer ones."""

_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class ByteCount(click.ParamType[int]):
    """A number of bytes: `65536`, `64k`, `20M`, `1.5G`, in powers of 1024."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes, at least 1."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?", str(value).strip().lower())
        count = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if not 1 <= count <= _MOST:
            self.fail(f"{value!r} is no size; write 64k, 20M or 1G", param, ctx)
        return int(count)


class Count(click.ParamType[int]):
    """A whole number with an optional unit of a thousand or a million: `5000`, `64k`, `64M`."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, at least 1."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([km]?)", str(value).strip().lower())
        number = float(found[1]) * {"": 1, "k": 1000, "m": 1_000_000}[found[2]] if found else 0.0
        if not 1 <= number <= _MOST:
            self.fail(f"{value!r} is no number; write 5000, 64k or 64M", param, ctx)
        return int(number)


class Seconds(click.ParamType[float]):
    """A duration in seconds: `30`, `0.5`.

    Args:
        zero: Whether 0 is allowed.
    """

    name = "seconds"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        try:
            seconds = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        if not 0 <= seconds <= _LONGEST or (seconds == 0 and not self._zero):
            self.fail(f"{value!r} is no duration; write seconds, such as 30 or 0.5", param, ctx)
        return seconds


class SecondsRange(click.ParamType[tuple[float, float]]):
    """A duration, or a range of them to draw from: `2` or `1-4`, in seconds."""

    name = "seconds[-seconds]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """The least and the greatest number of seconds."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?", str(value).strip())
        if not found or not float(found[1]) <= float(found[2] or found[1]) <= _LONGEST:
            self.fail(
                f"{value!r} is no duration; write seconds, such as 2, or a range, such as 1-4", param, ctx
            )
        return float(found[1]), float(found[2] or found[1])


BYTES: Final = ByteCount()
COUNT: Final = Count()
SECONDS: Final = Seconds()
SECONDS_OR_ZERO: Final = Seconds(zero=True)
SECONDS_RANGE: Final = SecondsRange()
