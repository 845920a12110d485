from __future__ import annotations

import functools
import shutil

import pytest
from helpers import run_filter

from imgpipe.bench.server import serve


@pytest.fixture(scope="session")
def resized(tmp_path_factory):
    """Lines and files of a pipe up to `resize`, from an embedded server: 12 pictures, 6 failures of four kinds."""
    folder = tmp_path_factory.mktemp("resized")
    with serve() as address:
        good = [
            {"url": f"{address}/photo/{n}.jpg", "key": f"k{n}", "caption": f"صورة number {n} 图片"}
            for n in range(12)
        ]
        bad = [{"url": f"{address}/status/404?{n}"} for n in range(3)]
        bad += [{"url": f"{address}/broken/html.jpg"}, {"url": f"{address}/broken/truncated.jpg"}]
        fetched = run_filter(
            *("fetch", "--allow-private", "-d", folder / "fetched", "--log", folder / "fetch.log"),
            lines=[*good, *bad, "javascript:alert(1)"],
        )
    done = run_filter("resize", "--size", "96", "-d", folder / "resized", stdin=fetched.out)
    assert done.code == 0, done.err
    return done.out.splitlines(keepends=True), folder


@pytest.fixture(scope="session")
def placed(resized, tmp_path_factory):
    """Makes a data set of a format, whole or in parts, from those lines: each time a copy of its own."""
    lines, _ = resized

    @functools.cache
    def made(form: str, parts: tuple[str, ...], options: tuple[str, ...]):
        out = tmp_path_factory.mktemp(form) / "set"
        for number, part in enumerate(parts or (None,)):
            share = lines if part is None else lines[number :: len(parts)]
            where = ["--part", part] if part else []
            done = run_filter("shard", out, "--format", form, *where, *options, stdin=b"".join(share))
            assert done.code == 0, done.err
        return out

    def make(form: str, *parts: str, options=()):
        return shutil.copytree(made(form, parts, options), tmp_path_factory.mktemp(form) / "set")

    return make
