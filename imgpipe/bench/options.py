"""What `imgpipe bench` and `imgpipe demo` are asked to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODES: Final = ("async", "threads", "processes", "loop")
"""The modes of fetch, in the order in which they are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """The options of the comparison."""

    file: str | None = None
    """A list of URLs or records, `-` for standard input; None for the embedded server."""
    modes: tuple[str, ...] = MODES
    """The modes to compare."""
    count: int = 2000
    """Images that each mode fetches, or lines of the list that it is given, at the most."""
    seconds: float = 10.0
    """Seconds after which a mode is stopped; what it has done until then counts."""
    latency: float = 0.05
    """Seconds before each answer of the embedded server; 0 for none."""
    size: int = 160_000
    """Bytes of each image of the embedded server; it makes none below 1,024."""
    concurrency: tuple[int, ...] = ()
    """Requests in flight of every mode but `loop`; several make a sweep; none for the mode's own default."""
    spool: Path | None = None
    """Where the images wait to be counted; None for fetch's own default."""
    plot: Path | None = None
    """A picture of the result to be written: PNG, SVG or PDF by its suffix; None for none."""

    @property
    def is_sweep(self) -> bool:
        """Whether each mode is measured at several numbers in flight."""
        return len(self.concurrency) > 1

    def runs(self) -> Iterator[tuple[str, int | None]]:
        """Each mode with each number in flight that it is to be measured at; None for its own default."""
        for mode in self.modes:
            for number in (None,) if mode == "loop" else self.concurrency or (None,):
                yield mode, number


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The options of the demonstration."""

    out: Path | None = None
    """The folder to fill; None for a fresh `imgpipe-demo` in the current one."""
    size: int = 256
    """Pixels of the longer side of each image."""
