"""Text of the command line becomes values here, or one clear line that says what is expected."""

from __future__ import annotations

import csv
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


class PathName(click.Path):
    """A path. An empty one, which a variable of the shell that is not set makes, is none: Python would take
    it for the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, as `click.Path` gives it."""
        if value == "":
            self.fail("the name is empty; is a variable of the shell not set?", param, ctx)
        return super().convert(value, param, ctx)


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
            self.fail(f"{value!r} is no duration; write seconds, such as 30 or 0.5", param, ctx)
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


class Counts(click.ParamType[tuple[int, ...]]):
    """One number, several, or a range of them in doublings: `64`, `8,32,64`, `8-256`.

    Args:
        most: The largest number.
    """

    name = "numbers"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers, each once, in rising order."""
        if isinstance(value, tuple):
            return value
        text = str(value).strip()
        ends = re.fullmatch(r"(\d{1,9})-(\d{1,9})", text)
        if ends:
            first, last = int(ends[1]), int(ends[2])
            found = {last, *(first << step for step in range(64) if first << step <= last)}
            good = 1 <= first <= last
        else:
            good = bool(re.fullmatch(r"\d{1,9}(,\d{1,9})*", text))
            found = {int(part) for part in text.split(",")} if good else set()
        if not good or not 1 <= min(found) <= max(found) <= self._most:
            self.fail(
                f"{value!r} is no number from 1 to {self._most}; write 64, or 8,32,64, or 8-256 for doublings",
                param,
                ctx,
            )
        return tuple(sorted(found))


class Share(click.ParamType[float]):
    """A share of a whole: `0.95` or `95%`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The share, from 0 to 1."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})(%?)", str(value).strip())
        # Not divided by 100: 99.9% is then the nearest number to 0.999, as the share of 999 in 1000 is.
        share = float(found[1] + ("e-2" if found[2] else "")) if found else -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is no share; write 0.95 or 95%", param, ctx)
        return share


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them, each quoted as in CSV where it holds one itself."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names; none for an empty text."""
        if isinstance(value, tuple):
            return value
        try:
            row = next(csv.reader([value], skipinitialspace=True, strict=True), [])
        except csv.Error as error:
            self.fail(f"{value!r} is no list of names: {error}", param, ctx)
        return tuple(name for name in row if name)


BYTES: Final = ByteCount()
COUNT: Final = Count()
SECONDS: Final = Seconds()
SECONDS_OR_ZERO: Final = Seconds(zero=True)
SECONDS_RANGE: Final = SecondsRange()
SHARE: Final = Share()
NAMES: Final = Names()
