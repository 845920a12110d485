"""The comparison as a table, and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Any

from imgpipe.bench.knee import SHARE, Knee, curves, find, sentences
from imgpipe.bench.measure import Measurement
from imgpipe.bench.options import BenchOptions
from imgpipe.errors import safe

_HEADS = ("mode", "-j", "images/min", "images/s", "CPU ms/image", "peak MB", "images", "failed", "seconds")


def title(options: BenchOptions) -> str:
    """What was measured, in one line."""
    if options.file is not None:
        name = "standard input" if options.file == "-" else safe(os.path.basename(options.file), 60)
        return f"up to {options.count:,} lines of {name}"
    return (
        f"up to {options.count:,} images of {options.size / 1000:,.0f} kB from the embedded server, "
        f"{options.latency * 1000:,.0f} ms latency"
    )


def table(found: Sequence[Measurement]) -> list[str]:
    """The lines of a table: the fastest mode first; of a sweep in the order in which it was measured."""
    swept = bool(curves(found))
    ranked = found if swept else sorted(found, key=lambda one: -one.per_second)
    cells = [_HEADS, *map(_cells, ranked)]
    if not swept:
        cells = [(mode, *others) for mode, _, *others in cells]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _cells(one: Measurement) -> tuple[str, ...]:
    return (
        one.mode,
        "-" if one.concurrency is None else f"{one.concurrency}",
        f"{60 * one.per_second:,.0f}",
        f"{one.per_second:,.1f}",
        "-" if one.cpu_per_image is None else f"{one.cpu_per_image:.2f}",
        "-" if one.peak_memory is None else f"{one.peak_memory / 1e6:,.0f}",
        f"{one.images:,}",
        f"{one.failed:,}",
        f"{one.seconds:.1f}" + ("*" if one.stopped else " "),
    )


def notes(found: Sequence[Measurement]) -> list[str]:
    """What the table cannot say: which runs were stopped, why images failed, where the knee of a sweep is."""
    lines = ["* stopped when the time was up"] if any(one.stopped for one in found) else []
    swept = curves(found)
    for one in found:
        if one.kinds:
            kinds = ", ".join(f"{count} {safe(kind, 40)}" for kind, count in one.kinds.most_common(3))
            name = f"{one.mode} -j {one.concurrency}" if one.mode in swept else one.mode
            lines.append(f"{name} failed: {kinds}")
    return lines + sentences(found)


def as_object(found: Sequence[Measurement], options: BenchOptions) -> dict[str, Any]:
    """The comparison as a JSON object."""
    embedded = options.file is None
    return {
        "what": title(options),
        "latency": options.latency if embedded else None,
        "size": options.size if embedded else None,
        "count": options.count,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "modes": [_object(one) for one in found],
        "knees": [_knee(mode, find(curve)) for mode, curve in curves(found).items()],
    }


def _knee(mode: str, knee: Knee | None) -> dict[str, Any]:
    return {
        "mode": mode,
        "share_wanted": SHARE,
        "concurrency": knee and knee.concurrency,
        "images_per_second": knee and round(knee.rate, 2),
        "best_concurrency": knee and knee.best_concurrency,
        "best_images_per_second": knee and round(knee.best_rate, 2),
        "still_rising": knee and knee.is_last,
    }


def _object(one: Measurement) -> dict[str, Any]:
    return {
        "mode": one.mode,
        "concurrency": one.concurrency,
        "images": one.images,
        "failed": one.failed,
        "kinds": dict(one.kinds),
        "seconds": round(one.seconds, 3),
        "images_per_minute": round(60 * one.per_second, 1),
        "images_per_second": round(one.per_second, 2),
        "cpu_seconds": round(one.cpu_seconds, 3),
        "cpu_ms_per_image": None if one.cpu_per_image is None else round(one.cpu_per_image, 3),
        "peak_memory_bytes": one.peak_memory,
        "stopped": one.stopped,
    }
