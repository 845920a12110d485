"""Whether the memory of a stage stays flat: its peak over many records against that over few."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable
from functools import partial

from lab import HOSTS, Lab, host
from shard_speed import records
from turns import IMGPIPE, Bound, CommandFailed, Measures, Row, into_fresh, shown, timed

FLAT = 1.10
"""What counts as flat: allocators and caches that fill up make a few hundredths."""

LINE = '{0},https://images{1}.example.org/photos/{0}/large.jpg,"a caption of a usual length, number {0}"\n'


def rows(lab: Lab) -> list[Row]:
    """Each stage, shard in two formats."""
    few = lab.sizes.few

    def row(
        name: str,
        run: Callable[[int], Measures],
        command: list[str],
        most: float | None = None,
        many: int = lab.sizes.many,
    ) -> Row:
        limit = () if most is None else (Bound("peak", most, "most"),)
        return Row(
            name=f"memory-{name}",
            work=f"`{shown(command[:2])}`" if name != "tar" else "`imgpipe shard --format tar`",
            against=f"itself over {few:,}",
            ours=lambda: into_fresh(lab.out, lambda: run(many)),
            theirs=lambda: into_fresh(lab.out, lambda: run(few)),
            command=f"{shown(command, out=lab.out)} < {many:,} records",
            against_command=f"the same < {few:,} records",
            each=many,
            bounds=(Bound("peak", FLAT), *limit),
            rival=False,
            turns=1,
        )

    spool = ["--spool", str(lab.out)]
    read = [IMGPIPE, "read", "-q", "-"]
    fetch = [IMGPIPE, "fetch", "-q", "--allow-private", "--per-host", "0", *spool]
    resize = [IMGPIPE, "resize", "-q", "-s", "16", *spool]
    files = [IMGPIPE, "shard", "-q", f"{lab.out}/set"]
    tar = [*files, "--format", "tar"]
    return [
        row("read", partial(_read, read), read),
        row("fetch", partial(_fetch, lab, fetch), fetch, 150e6),
        row("resize", partial(_resize, lab, resize), resize, many=lab.sizes.some),
        row("shard", partial(_shard, lab, files), files, 60e6),
        row("tar", partial(_shard, lab, tar), tar, 60e6, lab.sizes.some),
    ]


def _read(words: list[str], count: int) -> Measures:
    head = "id,url,caption\n"
    lines = itertools.chain([head], (LINE.format(n, n % 977) for n in range(count)))
    return timed([*words, "--format", "csv"], feed=(line.encode() for line in lines))


def _fetch(lab: Lab, words: list[str], count: int) -> Measures:
    urls = (lab.server.tiny(number, host(number % HOSTS)) for number in range(count))
    return timed(words, feed=(f"{url}\n".encode() for url in urls), take=_unlink)


def _resize(lab: Lab, words: list[str], count: int) -> Measures:
    return timed(words, feed=itertools.repeat(f"{lab.folder}/tiny.jpg\n".encode(), count), take=_unlink)


def _shard(lab: Lab, words: list[str], count: int) -> Measures:
    return timed(words, feed=records(lab.out / "spool", count, 1000))


def _unlink(line: bytes) -> None:
    # As the next stage would; without it the disk would fill up.
    record = json.loads(line)
    if record["status"] != "ok":
        raise CommandFailed(f"a record failed: {record}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record["path"])
