"""Which charts the page has, and what they say in words: sizes, formats, seconds, and what happened when."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from imgpipe.report import charts, text
from imgpipe.report.bins import Histogram, Moment, Timeline

_BARS: Final = 32
"""Bars of a distribution at the most: each is 10 pixels wide on a phone."""

_STEPS: Final = 60
"""Steps of time at the most."""

_MARKS: Final = 6
"""Marks along an axis of values at the most: they stand apart in a narrow chart too."""

_HEIGHT: Final = 200
_NARROW: Final = 340
_HALF: Final = 500
_WIDE: Final = 1060
"""Pixels: the page on a phone, half of it on a desk, and all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart."""

    title: str
    summary: str
    """The same in a sentence."""
    narrow: str
    """As SVG, for a phone."""
    wide: str
    """The same for a wide column, or the whole width."""
    full: bool = False
    """Whether it takes the whole width."""
    columns: tuple[str, str] = ("", "")
    """Heads of the figures."""
    figures: Sequence[tuple[str, str]] = ()
    """The same as a table."""


def distribution(title: str, found: Histogram, name: Callable[[float], str], what: str) -> Drawing | None:
    """A chart of how values are distributed, on a logarithmic axis; None where there are none.

    Args:
        title: Of the chart.
        found: The values.
        name: Writes a value.
        what: What is counted, in the plural.
    """
    bars = found.bars(_BARS)
    if not bars:
        return None
    middle, most = found.quantile(0.5), found.quantile(0.95)
    drawn = [
        (
            math.log10(low),
            math.log10(high),
            float(count),
            f"{name(low)} to {name(high)}: {text.number(count)}",
        )
        for low, high, count in bars
    ]
    ticks = _round_values(bars[0][0], bars[-1][1], name)

    def svg(width: int) -> str:
        return charts.bars(drawn, ticks, width=width, height=_HEIGHT, label=_whole)

    return Drawing(
        title=title,
        summary=f"Half of {text.number(found.count)} {what} are below {name(middle)}, 95 % below {name(most)}.",
        narrow=svg(_NARROW),
        wide=svg(_HALF),
        columns=("From – to", what.capitalize()),
        figures=[(f"{name(low)} – {name(high)}", text.number(count)) for low, high, count in bars if count],
    )


def _whole(count: float) -> str:
    return text.scaled(count, "") if count == round(count) else ""


_DIGITS: Final[tuple[tuple[float, ...], ...]] = (
    (1,),
    (1, 3),
    (1, 2, 5),
    (1, 1.5, 2, 3, 4, 6, 8),
    (1, 1.2, 1.4, 1.7, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
    tuple(n / 10 for n in range(10, 100)),
)


def _round_values(low: float, high: float, name: Callable[[float], str]) -> list[tuple[float, str]]:
    """Marks of a logarithmic axis at round values: as many as there is room for."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for digits in _DIGITS:
        values = [digit * 10.0**power for power in powers for digit in digits]
        inside = [value for value in values if low * 0.99 <= value <= high * 1.01]
        if len(inside) > _MARKS and found:
            break
        found = inside
    every = math.ceil(len(found) / _MARKS) or 1
    return [(math.log10(value), name(value)) for value in found[::every]]


@dataclass(frozen=True, slots=True)
class Share:
    """A name with its share of all."""

    name: str
    count: str
    percent: str
    width: float
    """0 to 100, of the most frequent one."""


def shares(found: Counter[str], most: int = 8) -> list[Share]:
    """The most frequent names, the rest put together."""
    total = found.total()
    ranked = found.most_common()
    shown, rest = ranked[:most], sum(count for _, count in ranked[most:])
    if rest:
        shown.append(("all others", rest))
    highest = max((count for _, count in shown), default=1)
    return [
        Share(
            text.visible(name, 60),
            text.number(count),
            text.percent(count, total),
            round(100 * count / highest, 2),
        )
        for name, count in shown
    ]


def over_time(timeline: Timeline) -> list[Drawing]:
    """Images a second, and bytes a second; none where it was all over in an instant."""
    moments = timeline.moments(_STEPS)
    few = timeline.moments(_STEPS // 2)
    if len(moments) < 3:
        return []
    return [
        _rates(
            "Images a second",
            moments,
            few,
            lambda moment: moment.images,
            lambda rate: f"{text.three(rate)} images/s",
        ),
        _rates(
            "Bytes a second", moments, few, lambda moment: moment.bytes, lambda rate: f"{text.size(rate)}/s"
        ),
    ]


def _rates(
    title: str,
    moments: Sequence[Moment],
    few: Sequence[Moment],
    amount: Callable[[Moment], float],
    name: Callable[[float], str],
) -> Drawing:
    seconds = sum(moment.seconds for moment in moments)
    total = sum(map(amount, moments))
    highest = max(moments, key=amount)
    step = text.seconds(moments[0].seconds)

    def drawn(wanted: Sequence[Moment], width: int, marks: int) -> str:
        found = [
            (
                moment.start,
                moment.start + moment.seconds,
                amount(moment) / moment.seconds,
                f"{text.moment(moment.start, with_seconds=True)}: {name(amount(moment) / moment.seconds)}",
            )
            for moment in wanted
        ]
        label: Callable[[float], str] = lambda value: text.scaled(value, "B" if "Bytes" in title else "")  # noqa: E731 - said once
        return charts.bars(found, _times(wanted, marks), width=width, height=_HEIGHT, label=label)

    return Drawing(
        title=title,
        summary=(
            f"{name(total / seconds)} on average over {text.seconds(seconds)}, "
            f"{name(amount(highest) / highest.seconds)} at the most, in steps of {step}."
        ),
        narrow=drawn(few, _NARROW, 4),
        wide=drawn(moments, _WIDE, 9),
        full=True,
        columns=("From (UTC)", title),
        figures=[
            (text.moment(moment.start, with_seconds=True), name(amount(moment) / moment.seconds))
            for moment in few
        ],
    )


def _times(moments: Sequence[Moment], marks: int) -> list[tuple[float, str]]:
    """Marks along an axis of time, with as much of date and time as tells them apart, where that begins."""
    took = moments[-1].start + moments[-1].seconds - moments[0].start
    form = "%H:%M:%S" if took < 600 else "%H:%M" if took < 86_400 else "%b %d"
    found: list[tuple[float, str]] = []
    for moment in moments:
        name = datetime.fromtimestamp(moment.start, UTC).strftime(form)
        if not found or name != found[-1][1]:
            found.append((moment.start, name))
    if len(found) > 1 and found[1][0] - found[0][0] < took / marks / 2:
        # The first step begins within a second, a minute or a day that is nearly over.
        del found[0]
    return found[:: math.ceil(len(found) / marks)]
