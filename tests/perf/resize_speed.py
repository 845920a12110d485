"""What a resized picture costs, against img2dataset's resizer.

The start of the programs is not counted. imgpipe is measured with the extra `fast` and without it, in one thread, as
the peer's resizer is, and in two against one.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import partial
from pathlib import Path

import peers
from lab import Lab
from turns import IMGPIPE, CommandFailed, Measures, Row, at_most, into_fresh, timed

FAST = (IMGPIPE,)
PLAIN = (
    sys.executable,
    "-c",
    "import sys; sys.modules['cykooz_resizer'] = None; from imgpipe.cli import main; main()",
)
"""imgpipe as it is without the extra `fast`."""

SIZE = 256
PEER_MODE = "keep_ratio_largest"
"""What the peer calls our fit, inside."""

NO_FAST = "" if importlib.util.find_spec("cykooz_resizer") else "the extra fast is not installed"


def rows(lab: Lab) -> list[Row]:
    """With `fast` and without; two threads, which is told only."""
    paths = [str(path) for path in lab.pictures[: lab.sizes.resized]]
    all_, single = lab.listed("resized", paths), lab.listed("single", paths[:1])
    ours = partial(imgpipe, lab, all_, single)
    common = {"command": _command(1), "each": len(paths)}
    peer = {
        "against": "img2dataset's resizer",
        "theirs": lambda: resizer(lab, "jpg", all_),
        "against_command": f"Resizer(image_size={SIZE}, resize_mode={PEER_MODE!r})",
        "bounds": at_most(cpu=0.65),
    }
    return [
        Row(
            name="resize-fast",
            work=f"`resize` to {SIZE}, with the extra `fast`",
            ours=lambda: ours(FAST),
            missing=NO_FAST or lab.no_peers,
            **peer,
            **common,
        ),
        Row(
            name="resize-plain",
            work=f"`resize` to {SIZE}, without it",
            ours=lambda: ours(PLAIN),
            missing=lab.no_peers,
            **peer,
            **common,
        ),
        Row(
            name="resize-threads",
            work=f"`resize -j 2` to {SIZE}",
            against="`resize -j 1`",
            ours=lambda: ours(FAST, jobs=2),
            theirs=lambda: ours(FAST),
            against_command=_command(1),
            rival=False,
            missing=NO_FAST,
            **{**common, "command": _command(2)},
        ),
    ]


def _command(jobs: int) -> str:
    return f"imgpipe resize -q -s {SIZE} -j {jobs} --spool OUT < PATHS"


def imgpipe(lab: Lab, all_: Path, single: Path, program: tuple[str, ...], jobs: int = 1) -> Measures:
    """What all pictures take, less what the start and a single one take."""
    words = [*program, "resize", "-q", "-s", str(SIZE), "-j", str(jobs), "--spool", str(lab.out)]
    start = into_fresh(lab.out, lambda: timed(words, stdin=single))
    whole = into_fresh(lab.out, lambda: timed(words, stdin=all_))
    return {**whole, **{name: whole[name] - start[name] for name in ("cpu", "user", "wall")}}


def resizer(lab: Lab, kind: str, listed: Path) -> Measures:
    """The peer's resizer over the listed files, into a folder that is emptied before; as it tells itself."""
    lines: list[bytes] = []
    words = peers.resizer(lab.peers, SIZE, PEER_MODE, kind, lab.out, listed)
    whole = into_fresh(lab.out, lambda: timed(words, take=lines.append))
    told = json.loads(lines[-1])
    if told["failed"]:
        raise CommandFailed(f"img2dataset's resizer failed on {told['failed']} pictures")
    return {**{name: told[name] for name in ("cpu", "user", "wall")}, "peak": whole["peak"]}
