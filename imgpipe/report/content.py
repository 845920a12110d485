"""Everything that the template names, from what was gathered."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from imgpipe.layout import FAILED, HIDDEN
from imgpipe.report import album, drawings, text, view
from imgpipe.report.facts import Facts
from imgpipe.report.options import ReportOptions

if TYPE_CHECKING:
    from imgpipe.report.run import Gathered

_HOSTS: Final = 300
"""Hosts to choose from, at the most."""


def of(gathered: Gathered, options: ReportOptions, now: float, version: str) -> dict[str, Any]:
    """The names of the template with their values.

    Args:
        gathered: The facts and the times.
        options: The options.
        now: Seconds since 1970.
        version: Of imgpipe.
    """
    facts = gathered.facts
    placed = album.placed(facts)
    failed = album.failed(facts, len(placed))
    entries = [*placed, *failed]
    return {
        "name": _name(options),
        "about": _about(gathered, now, version),
        "notes": _notes(gathered),
        "facts": facts,
        "number": text.number,
        "percent": text.percent,
        "ok": "placed" if options.out is not None else "ok",
        "tiles": view.tiles(facts),
        "failures": view.failures(facts),
        "hosts": view.hosts(facts),
        "hosts_exact": facts.failing.is_exact,
        "command": _command(gathered),
        "again": sum(cause.retryable for cause in facts.causes.values()),
        "times": drawings.over_time(gathered.timeline),
        "axis": gathered.axis,
        "distributions": _distributions(facts),
        "formats": drawings.shares(facts.formats),
        "shapes": drawings.shares(facts.shapes),
        "slowest": view.slowest(facts),
        "largest": view.largest(facts),
        "placed": placed,
        "failed": failed,
        "data": [entry.data for entry in entries],
        "choices": _choices(entries),
    }


def _name(options: ReportOptions) -> str:
    if options.out is None:
        return "Records on standard input"
    return text.visible(os.path.basename(os.path.abspath(options.out)) or options.out, 120)


def _about(gathered: Gathered, now: float, version: str) -> list[str]:
    """What is reported on, in a few words each."""
    found = []
    if gathered.data_set is not None:
        shards, parts = gathered.data_set.shards, len(gathered.data_set.parts)
        form = gathered.data_set.form
        found.append(
            "images in folders"
            if form == "files"
            else f"{text.number(shards)} {form} shard" + "s" * (shards != 1)
        )
        found += [f"{text.number(parts)} parts"] if parts else []
    return [*found, f"made {text.moment(now)} UTC", f"imgpipe {version}"]


def _command(gathered: Gathered) -> str:
    """What tries again what failed, as a shell takes it; empty where that is not one line."""
    data_set = gathered.data_set
    if data_set is None or data_set.parts or not data_set.is_here:
        return ""
    out, form = shlex.quote(data_set.out.rstrip("/") or "/"), data_set.form
    more = "" if form == "files" else f" --format {form}"
    pipe = f"imgpipe fetch < {out}/{HIDDEN}/{FAILED} | imgpipe resize | imgpipe shard {out}{more}"
    return text.visible(pipe, 2000)


def _notes(gathered: Gathered) -> list[str]:
    """What one should know before believing a figure."""
    facts = gathered.facts
    found = []
    if gathered.growing:
        found.append(
            "imgpipe shard is writing to this data set: the figures are of the moment, and what is tried again now "
            "counts as failed before until it ends."
        )
    if facts.failed * 2 > facts.total:
        kind = max(facts.causes, key=lambda kind: facts.causes[kind].count - facts.causes[kind].skipped)
        found.append(f"Most records failed; the commonest kind is {kind}.")
    return found


def _distributions(facts: Facts) -> Sequence[drawings.Drawing]:
    wanted = [
        drawings.distribution("Bytes of an image", facts.sizes, text.size, "images"),
        drawings.distribution("Longer side of the source", facts.sides, _pixels, "images"),
        drawings.distribution("Seconds of a fetch", facts.seconds, text.seconds, "images"),
    ]
    return [drawing for drawing in wanted if drawing is not None]


def _pixels(value: float) -> str:
    return f"{value:,.0f} px" if value >= 10 else f"{text.three(value)} px"


def _choices(entries: Sequence[album.Entry]) -> dict[str, list[str]]:
    """What the filters can be set to."""
    return {
        "kinds": sorted({entry.kind for entry in entries} - {""}),
        "hosts": sorted({entry.host for entry in entries})[:_HOSTS],
        "forms": sorted({entry.form for entry in entries} - {""}),
    }
