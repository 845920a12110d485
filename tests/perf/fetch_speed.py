"""What fetching costs, against programs that only download, and against itself."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import peers
from lab import HOSTS, Lab
from turns import IMGPIPE, Row, at_most, into_fresh, shown, timed


def rows(lab: Lab) -> list[Row]:
    """One host, many, TLS, fresh connections."""
    count, hosts = lab.sizes.urls, f"{HOSTS} hosts"
    one = lab.urls("one-host", count)
    many, tls = lab.urls("hosts", count, hosts=HOSTS), lab.urls("tls", count, tls=True)
    img2dataset = peers.img2dataset(lab.peers, one, lab.out, disable_all_reencoding="True")
    curl = peers.curl(lab.listed("curl", peers.curl_config(one, lab.out)))
    fetch, aiohttp = partial(_fetch, lab), partial(peers.aiohttp, lab.peers, out=lab.out)
    row = partial(_row, lab)
    no_curl = "" if shutil.which("curl") else "there is no curl"
    no_tls = lab.no_peers or ("" if lab.server.tls_port else "there is no nginx for TLS")
    return [
        row("img2dataset", "one host", "img2dataset, no re-encoding", fetch(), img2dataset, 0.30, one),
        row("aiohttp", "one host", "aiohttp, a bare script", fetch(), aiohttp(one), 0.5, one),
        row("lean", "one host", "aiohttp, deaf to proxy variables", fetch(), aiohttp(one, mode="lean"), 0.5, one),
        row("curl", "`--hash none`", "`curl --parallel`", fetch("--hash", "none"), curl, 1.4, one, no_curl),
        row("512", "`-j 512`", "`fetch -j 64`", fetch("-j", "512"), fetch("-j", "64"), 1.1, one, ""),
        row("tls", "TLS", "aiohttp", fetch("--insecure"), aiohttp(tls), 1.0, tls, no_tls),
        row("hosts", hosts, "aiohttp", fetch(), aiohttp(many), 1.0, many),
        row("fresh", "a new connection each", "aiohttp", fetch("--header", "Connection: close"), aiohttp(one, mode="fresh"), 1.0, one),
    ]  # fmt: skip


def _fetch(lab: Lab, *options: str) -> list[str]:
    return [IMGPIPE, "fetch", "-q", "--allow-private", "--per-host", "0", *options, "--dir", str(lab.out)]


def _row(
    lab: Lab,
    name: str,
    what: str,
    against: str,
    ours: list[str],
    theirs: list[str],
    goal: float,
    urls: Path,
    missing: str | None = None,
) -> Row:
    """A row of two commands that get the list on standard input, or know it, and fill the folder."""
    return Row(
        name=f"fetch-{name}",
        work=f"`fetch {what[1:]}" if what.startswith("`") else f"`fetch`, {what}",
        against=against,
        ours=lambda: into_fresh(lab.out, lambda: timed(ours, stdin=urls)),
        theirs=lambda: into_fresh(lab.out, lambda: timed(theirs, stdin=urls)),
        command=shown(ours, out=lab.out) + " < URLS",
        against_command=shown(theirs, urls=urls, out=lab.out, lists=lab.folder / "lists")
        + (" < URLS" if theirs[0] == IMGPIPE else ""),
        each=lab.sizes.urls,
        bounds=at_most(cpu=goal),
        rival=theirs[0] != IMGPIPE,
        missing=lab.no_peers if missing is None else missing,
    )
