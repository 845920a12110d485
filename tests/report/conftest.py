from __future__ import annotations

import json

import pytest
from helpers import picture, run_filter

from imgpipe.bench.server import serve


@pytest.fixture(scope="session")
def listed():
    """Records of URLs of an embedded server: 12 pictures, and 6 that fail in four ways."""
    with serve() as address:
        good = [
            {"url": f"{address}/photo/{n}.jpg", "key": f"k{n}", "caption": f"صورة number {n} 图片"} for n in range(12)
        ]
        bad = [{"url": f"{address}/status/404?{n}"} for n in range(3)]
        bad += [{"url": f"{address}/broken/html.jpg"}, {"url": f"{address}/broken/truncated.jpg"}]
        yield [*good, *bad, "javascript:alert(1)"]


@pytest.fixture(scope="session")
def resized(listed, tmp_path_factory):
    """The same after fetch and resize, with files of their own."""
    folder = tmp_path_factory.mktemp("resized")
    fetched = run_filter("fetch", "--allow-private", "-d", folder / "a", "--log", folder / "fetch.log", lines=listed)
    return run_filter("resize", "--size", "96", "-d", folder / "b", stdin=fetched.out).out, folder


@pytest.fixture(scope="session")
def placed(resized, tmp_path_factory):
    """Makes a data set of the given format, and of the given parts, from the same records."""

    def make(form: str, *parts: str):
        out = tmp_path_factory.mktemp(form) / "set"
        lines = resized[0].splitlines(keepends=True)
        for number, part in enumerate(parts or (None,)):
            share = lines if part is None else lines[number :: len(parts)]
            done = run_filter(
                "shard", out, "--format", form, *(["--part", part] if part else []), stdin=b"".join(share)
            )
            assert done.code == 0, done.err
        return out

    return make


def records_of(page: str) -> list[dict]:
    """What the script of a page reads."""
    text = page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    return json.loads(text)


__all__ = ["picture", "records_of"]
