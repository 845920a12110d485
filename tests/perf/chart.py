"""The figures as a picture: each row's ratio to its peer, on a scale on which half and double are as far from 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# Blue and vermilion are told apart without colour vision too (Okabe and Ito).
LESS, MORE, INK, FAINT, LINE = "#0072B2", "#D55E00", "#24292F", "#6E7781", "#D0D7DE"


def drawn(told: dict[str, Any]) -> list[dict[str, Any]]:
    """What is drawn: rows against another program that have a goal for a ratio, in their order."""
    found = []
    for entry in told["rows"]:
        bound = next((one for one in entry["bounds"] if one["kind"] == "ratio"), None)
        if entry["runs"] and bound and entry["rival"]:
            what = {"cpu": "CPU", "wall": "time"}[bound["measure"]]
            found.append(
                {
                    "label": f"{entry['work']}\nagainst {entry['against']}".replace("`", ""),
                    "what": what,
                    "goal": bound["goal"],
                    **entry[bound["measure"]]["ratio"],
                }
            )
    return found


def draw(told: dict[str, Any], path: Path) -> None:
    """Write the chart, of at least one row; the same figures give the same file."""
    rows = drawn(told)[::-1]
    # Text stays text, which is a seventh of its outlines; the same figures give the same names of parts.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "imgpipe"})
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15)
    figure = Figure(figsize=(9.6, 1.4 + 0.46 * len(rows)), layout=layout)
    axes = figure.add_subplot()
    places = range(len(rows))
    colours = [LESS if row["median"] <= 1 else MORE for row in rows]
    axes.set_xscale("log")
    axes.barh(places, [row["median"] - 1 for row in rows], left=1, color=colours, height=0.5)
    axes.hlines(places, [row["min"] for row in rows], [row["max"] for row in rows], color=INK, linewidth=1.2)
    axes.plot(
        [row["goal"] for row in rows], places, "D", color="white", mec=INK, mew=1.1, ms=5.5, clip_on=False
    )
    _label(axes, rows)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=100)


def _label(axes: Any, rows: list[dict[str, Any]]) -> None:
    lowest = min(min(row["min"], row["goal"]) for row in rows)
    highest = max(max(row["max"], row["goal"]) for row in rows)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if lowest / 2 <= tick <= highest * 1.5]
    axes.set_xlim(min(lowest / 1.3, 0.45), max(highest * 1.45, 2.2))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows], parse_math=False)
    axes.axvline(1, color=INK, linewidth=1)
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    for number, row in enumerate(rows):
        axes.annotate(
            f"{row['median']:.2f}" + ("" if row["what"] == "CPU" else f" ({row['what']})"),
            (max(row["max"], row["goal"], 1), number),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            weight="bold",
            color=INK,
        )
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    axes.set_title("CPU as a ratio to the other's, below 1 imgpipe needs less", loc="left", fontsize=12, weight="bold", color=INK, pad=22)  # fmt: skip
    axes.text(
        0, 1.012, "medians, with the least and the greatest of the runs; the diamond is the goal",
        transform=axes.transAxes, va="bottom", fontsize=9, color=FAINT,
    )  # fmt: skip
