"""What the whole pipe costs, from URLs to tars of pictures of 256 pixels, on all cores."""

from __future__ import annotations

import shlex

import peers
from lab import Lab
from turns import IMGPIPE, Row, at_most, into_fresh, timed

PEER = {"image_size": "256", "resize_mode": "keep_ratio", "output_format": "webdataset"}


def pipe(spool: str, out: str) -> str:
    """The pipe as a shell takes it; its fit is the peer's."""
    return (
        f"imgpipe fetch -q --allow-private --per-host 0 --spool {spool} | "
        f"imgpipe resize -q --size 256x --spool {spool} | "
        f"imgpipe shard -q --format tar --folder-size 1000 {out}/set"
    )


def rows(lab: Lab) -> list[Row]:
    """One row, judged by its CPU and by its time."""
    urls = lab.urls("piped", lab.sizes.piped)
    out = shlex.quote(str(lab.out))
    script = pipe(f"{out}/spool", out).replace("imgpipe ", f"{shlex.quote(IMGPIPE)} ")
    theirs = peers.img2dataset(lab.peers, urls, lab.out, **PEER)
    return [
        Row(
            name="pipe-img2dataset",
            work="the whole pipe into tars",
            against="img2dataset",
            ours=lambda: into_fresh(lab.out, lambda: timed(["bash", "-c", script], stdin=urls)),
            theirs=lambda: into_fresh(lab.out, lambda: timed(theirs)),
            command=pipe("SPOOL", "OUT") + " < URLS",
            against_command="img2dataset --url_list URLS --output_folder OUT --processes_count 2 "
            "--thread_count 64 --number_sample_per_shard 1000 "
            + " ".join(f"--{name} {value}" for name, value in PEER.items()),
            each=lab.sizes.piped,
            bounds=at_most(cpu=0.50, wall=0.50),
            missing=lab.no_peers,
        )
    ]
