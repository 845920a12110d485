"""Charts as SVG that takes its colours and fonts from the page. The one room that knows pygal."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import pygal
from pygal.style import Style

# pygal looks for maps by an import hook of a kind that Python 3.12 dropped and 3.11 warns of at every import;
# there are no maps here.
sys.meta_path[:] = [hook for hook in sys.meta_path if not type(hook).__module__.startswith("pygal")]

Bar = tuple[float, float, float, str]
"""From and to on the axis, height, and what it says when pointed at."""

_FONT: Final = 12
"""Pixels; a chart is shown at its own size, or a little smaller on a phone."""

_GAP: Final = 0.05
"""Of its width, that a bar leaves free on each side."""

_LONG: Final = re.compile(r"-?\d+\.\d{2,}")

_DROPPED: Final = frozenset({"style", "script", "defs"})


def bars(
    found: Sequence[Bar],
    ticks: Sequence[tuple[float, str]],
    *,
    width: int,
    height: int,
    label: Callable[[float], str],
) -> str:
    """A chart of bars of any width, as an SVG element.

    Args:
        found: The bars, from left to right.
        ticks: Where the axis has a mark, and what stands there.
        width: Pixels.
        height: Pixels.
        label: Names a height.
    """
    highest = max((bar[2] for bar in found), default=0.0)
    steps = nice_steps(highest)
    chart = pygal.Histogram(
        width=width,
        height=height,
        margin=6,
        margin_right=14,
        css=(),
        js=(),
        no_prefix=True,
        classes=("chart",),
        disable_xml_declaration=True,
        show_legend=False,
        spacing=6,
        truncate_label=-1,
        style=Style(label_font_size=_FONT, major_label_font_size=_FONT, font_family="sans-serif"),
        range=(0, steps[-1]),
        y_labels=[{"value": step, "label": label(step)} for step in steps],
        x_labels=[{"value": value, "label": text} for value, text in ticks],
        xrange=(min(bar[0] for bar in found), max(bar[1] for bar in found)),
    )
    # A little space between them, so that the line that they stand on is seen.
    chart.add(
        "",
        [
            {"value": (top, start + (end - start) * _GAP, end - (end - start) * _GAP), "label": text}
            for start, end, top, text in found
        ],
    )
    chart.add_xml_filter(_plain)
    text: str = chart.render(is_unicode=True)
    return text


def _plain(root: Any) -> Any:
    """The drawing without its own style and script, its tooltips, and what draws nothing."""
    for parent in list(root.iter()):
        for child in list(parent):
            name = str(child.tag).rpartition("}")[2]
            role = child.get("class") or ""
            if not isinstance(child.tag, str) or name in _DROPPED or "overlay" in role or role == "titles":
                parent.remove(child)
            elif name in ("title", "desc"):
                _tell(parent, child, name)
    for element in root.iter():
        element.attrib.update({name: _short(value) for name, value in element.attrib.items()})
    root.attrib.pop("id", None)
    root.set("class", "chart")
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return root


def _short(value: str) -> str:
    """Numbers with one digit after the point: nobody sees a tenth of a pixel."""
    return _LONG.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), value)


def _tell(parent: Any, child: Any, name: str) -> None:
    """What a bar says becomes its title, which browsers show; the rest of such texts goes."""
    if name == "desc" and child.get("class") == "label":
        child.tag = child.tag.replace("desc", "title")
        child.attrib.clear()
    else:
        parent.remove(child)


def nice_steps(highest: float) -> list[float]:
    """Four or five marks from zero to a round number that is not below `highest`."""
    if highest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(k * power for k in (1, 2, 2.5, 5, 10) if k * power * 4 >= highest * 0.999)
    count = max(1, math.ceil(highest / step - 1e-9))
    return [step * n for n in range(count + 1)]
