"""The comparison as a picture. Only here is matplotlib imported."""

from __future__ import annotations

import importlib.util
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgpipe.bench.knee import Knee, curves, find
from imgpipe.bench.measure import Measurement
from imgpipe.errors import OutputError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg", ".pdf")

# A blue and a grey that are told apart without colour vision too (Okabe and Ito's blue).
_FASTEST: Final = "#0072B2"
_OTHERS: Final = "#9AA5B1"
_INK: Final = "#24292F"
_FAINT: Final = "#6E7781"
_GRID: Final = "#E5E8EB"
_CURVES: Final = {"async": "#0072B2", "threads": "#D55E00", "processes": "#009E73"}
"""Of the same palette: blue, vermilion, bluish green."""


def check(path: Path) -> None:
    """Complain before anything is measured about a picture that could not be written.

    Raises:
        UsageError: matplotlib is not installed, or the suffix is unknown.
        OutputError: The folder does not exist or cannot be written.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib: pip install 'imgpipe[plot]'")
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot writes {', '.join(SUFFIXES)}, by the suffix; {path} has none of them")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: its folder does not exist or may not be written to")


def draw(found: Sequence[Measurement], heading: str, path: Path) -> None:
    """Write the picture: of a sweep its curves with their knees, else a bar for each mode.

    Raises:
        OutputError: The picture cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, wanted here only
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415 - as above

    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.2)
    figure = Figure(figsize=(8, 1.7 + 0.62 * len(found)), dpi=150, layout=layout)
    axes = figure.add_subplot()
    swept = curves(found)
    if swept:
        figure.set_size_inches(8, 4.8)
        _draw_curves(axes, swept)
    else:
        _draw_bars(axes, sorted(found, key=lambda one: one.per_second))
    # A list may be called anything: its name is no formula.
    axes.text(
        0, 1.01, heading, parse_math=False, transform=axes.transAxes, va="bottom", fontsize=9.5, color=_FAINT
    )
    _save(figure, path)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=14, weight="bold", color=_INK, pad=26)


def _draw_bars(axes: Axes, ranked: Sequence[Measurement]) -> None:
    """Images a minute by mode, the fastest on top."""
    rates = [60 * one.per_second for one in ranked]
    colours = [_FASTEST if one is ranked[-1] else _OTHERS for one in ranked]
    bars = axes.barh([one.mode for one in ranked], rates, color=colours, height=0.62)
    axes.bar_label(
        bars, labels=[f"{rate:,.0f}" for rate in rates], padding=6, fontsize=11, color=_INK, weight="bold"
    )
    axes.set_xlim(0, max(rates, default=0) * 1.15 or 1)
    _title(axes, "imgpipe fetch: images a minute by mode")
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=12, labelcolor=_INK)


def _draw_curves(axes: Axes, swept: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Images a second by requests in flight, a curve a mode, with its knee ringed and told in the legend."""
    tried = sorted({number for curve in swept.values() for number, _ in curve})
    top = max(rate for curve in swept.values() for _, rate in curve)
    axes.set_xscale("log", base=2)
    axes.set_xlim(tried[0] / 1.15, tried[-1] * 1.15)
    # Room above for the legend, which stands where a curve that rises has not yet been.
    axes.set_ylim(0, top * (1.1 + 0.1 * len(swept)) or 1)
    for mode, curve in swept.items():
        knee = find(curve)
        axes.plot(
            *zip(*curve, strict=True),
            color=_CURVES[mode],
            linewidth=2.2,
            marker="o",
            markersize=4.5,
            label=f"{mode}: {_in_words(knee)}",
        )
        if knee is not None:
            _ring(axes, knee, _CURVES[mode])
    axes.legend(
        loc="upper left", framealpha=1, edgecolor="none", fontsize=11, labelcolor=_INK, borderaxespad=0.2
    )
    _title(axes, "imgpipe fetch: images a second by requests in flight")
    axes.set_xlabel("requests in flight (-j)", fontsize=10.5, color=_FAINT)
    axes.set_xticks(tried, [f"{number}" for number in tried], minor=False)
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:,g}")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_OTHERS)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=10.5, labelcolor=_FAINT)


def _in_words(knee: Knee | None) -> str:
    if knee is None:
        return "no image came"
    share = "the best rate" if knee.rate == knee.best_rate else f"{knee.share:.0%} of the best rate"
    return f"-j {knee.concurrency}, {knee.rate:,.0f}/s, {share}"


def _ring(axes: Axes, knee: Knee, colour: str) -> None:
    """A ring around the knee, and a line down to its number."""
    axes.vlines(knee.concurrency, 0, knee.rate, color=colour, linewidth=1, linestyles=(0, (2, 3)))
    axes.plot(knee.concurrency, knee.rate, "o", ms=12, mfc="none", color=colour, mew=2)


def _save(figure: Figure, path: Path) -> None:
    data = io.BytesIO()
    with warnings.catch_warnings():
        # A character that the font lacks is drawn as a box; nobody needs to hear of it.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(data, format=path.suffix.lower().removeprefix("."))
    try:
        path.write_bytes(data.getvalue())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
