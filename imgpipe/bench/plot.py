"""The comparison as a picture. Only here is matplotlib imported."""

from __future__ import annotations

import importlib.util
import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgpipe.bench.measure import Measurement
from imgpipe.errors import OutputError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg", ".pdf")

# A blue and a grey that are told apart without colour vision too (Okabe and Ito's blue).
_FASTEST: Final = "#0072B2"
_OTHERS: Final = "#9AA5B1"
_INK: Final = "#24292F"
_FAINT: Final = "#6E7781"


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
    """Write a bar chart of images a minute by mode, the fastest on top.

    Raises:
        OutputError: The picture cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, wanted here only
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415 - as above

    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.2)
    ranked = sorted(found, key=lambda one: one.per_second)
    rates = [60 * one.per_second for one in ranked]
    figure = Figure(figsize=(8, 1.7 + 0.62 * len(ranked)), dpi=150, layout=layout)
    axes = figure.add_subplot()
    colours = [_FASTEST if one is ranked[-1] else _OTHERS for one in ranked]
    bars = axes.barh([one.mode for one in ranked], rates, color=colours, height=0.62)
    axes.bar_label(
        bars, labels=[f"{rate:,.0f}" for rate in rates], padding=6, fontsize=11, color=_INK, weight="bold"
    )
    axes.set_xlim(0, max(rates, default=0) * 1.15 or 1)
    axes.set_title(
        "imgpipe fetch: images a minute by mode", loc="left", fontsize=14, weight="bold", color=_INK, pad=26
    )
    # A list may be called anything: its name is no formula.
    axes.text(
        0, 1.01, heading, parse_math=False, transform=axes.transAxes, va="bottom", fontsize=9.5, color=_FAINT
    )
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=12, labelcolor=_INK)
    _save(figure, path)


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
