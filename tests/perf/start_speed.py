"""How long imgpipe takes to start, against an interpreter that does nothing."""

from __future__ import annotations

import sys

from lab import Lab
from turns import IMGPIPE, Bound, Measures, Row, at_most, into_fresh, shown, timed


def rows(lab: Lab) -> list[Row]:
    """The version; fetch that reads the end of its input; fetch up to its first picture, which is told only."""
    nothing = [sys.executable, "-c", "pass"]
    fetch = [IMGPIPE, "fetch", "-q", "--allow-private", "--dir", str(lab.out)]
    first = lab.listed("first", [lab.server.url(lab.pictures[0], 0)])

    def row(name: str, work: str, words: list[str], bounds: tuple[Bound, ...], stdin: str) -> Row:
        return Row(
            name=name,
            work=work,
            against="`python -c pass`",
            ours=lambda: _several(lab, words, stdin),
            theirs=lambda: _several(lab, nothing, "/dev/null"),
            command=shown(words, out=lab.out) + (" < /dev/null" if stdin == "/dev/null" else " < ONE-URL"),
            against_command=shown(nothing),
            each=lab.sizes.starts,
            bounds=bounds,
            rival=False,
        )

    return [
        row("start-version", "start of `imgpipe --version`", [IMGPIPE, "--version"], at_most(wall=3), "/dev/null"),
        row("start-fetch", "start and end of `fetch`, ready", fetch, at_most(wall=12), "/dev/null"),
        row("start-picture", "`fetch` of one picture", fetch, (), str(first)),
    ]  # fmt: skip


def _several(lab: Lab, words: list[str], stdin: str) -> Measures:
    """The sums of several starts, and the largest peak."""

    def run() -> Measures:
        found = [timed(words, stdin=stdin) for _ in range(lab.sizes.starts)]
        return {
            **{name: sum(one[name] for one in found) for name in ("cpu", "user", "wall")},
            "peak": max(one["peak"] for one in found),
        }

    return into_fresh(lab.out, run)
