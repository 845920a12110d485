"""A folder in which the scripts of imgpipe-cluster(7) run, and what they leave there."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

from cluster.page import write_scripts
from cluster.reaper import WHOLE, Reaper
from helpers import IMGPIPE, Result, run_filter, shell

PARTS = 8


def lines(path: Path) -> list[dict]:
    data = path.read_bytes()
    assert not data or data.endswith(b"\n"), f"{path} is torn"
    return [json.loads(line) for line in data.splitlines()]


def images_of(out: Path) -> dict[str, str]:
    """The digest of each placed image by its URL; fails where a URL is there twice."""
    found: dict[str, str] = {}
    for path in sorted(out.glob("*.tar")):
        urls, digests = {}, {}
        with tarfile.open(path) as tar:
            for member in tar:
                stem, _, extension = member.name.rpartition(".")
                content = tar.extractfile(member).read()
                if extension == "json":
                    urls[stem] = json.loads(content)["url"]
                elif extension != "txt":
                    digests[stem] = hashlib.sha256(content).hexdigest()
        assert urls.keys() == digests.keys()
        for stem, url in urls.items():
            assert url not in found, f"{url} is there twice"
            found[url] = digests[stem]
    return found


def failures_of(out: Path) -> list[str]:
    """The URL of each line of all lists of failures."""
    return [record["url"] for path in (out / "__imgpipe__").glob("*failed.jsonl") for record in lines(path)]


def tree_of(out: Path) -> dict[str, bytes]:
    """Each file of OUT, as it is; locks aside."""
    files = (path for path in out.rglob("*") if path.is_file() and not path.name.endswith("lock"))
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


class Place:
    """A working directory with the page's scripts, a list of URLs and the environment that they take.

    Args:
        folder: Where.
        urls: What to download; the example hosts are reached through `server`, as a proxy.
        parts: How many parts.
    """

    def __init__(self, folder: Path, urls: list[str], server: str, parts: int = PARTS) -> None:
        self.folder, self.urls, self.parts = folder, urls, parts
        self.out, self.inputs = folder / "out", folder / "in"
        table = folder / "urls.txt"
        table.write_text("".join(f"{url}\n" for url in urls))
        self.env = {
            "URLS": str(table),
            "N": str(parts),
            "IN": str(self.inputs),
            "OUT": str(self.out),
            "http_proxy": server,
            "IMGPIPE_SPOOL": str(folder / "spool"),
        }
        write_scripts(folder)

    def run(self, script: str, *args: str, timeout: float = 120) -> Result:
        """Run a script of the page."""
        command = " ".join([f"exec ./{script}", *args])
        result = shell(command, cwd=self.folder, env=self.env, timeout=timeout)
        assert "Traceback" not in result.err, result.err
        return result

    def input_of(self, part: int) -> str:
        """The input of a part, as the scripts name it."""
        (path,) = self.inputs.glob(f"{part:05d}.*")
        return str(path)

    def marker_of(self, name: str) -> Path:
        return self.out / "__imgpipe__" / f"{name}.done.json"

    def reaper(self) -> Reaper:
        """One that kills every second part that has something to do: in turn the whole job and each stage."""
        inputs = [self.input_of(part) for part in range(self.parts)]
        inputs = [path for path in inputs if os.path.getsize(path)]
        ways = [WHOLE, "fetch", "resize", "shard"]
        return Reaper({path: ways[n % len(ways)] for n, path in enumerate(inputs[::2])})

    @property
    def environment(self) -> dict[str, str]:
        """For processes that are not run by `run`."""
        path = f"{Path(IMGPIPE).parent}:{os.environ['PATH']}"
        return {**os.environ, **self.env, "PATH": path}

    def assert_accounts(self, *, placed: list[str], failed: list[str]) -> None:
        """These are placed, once, and these are listed as failed, once."""
        assert sorted(images_of(self.out)) == sorted(placed)
        assert sorted(failures_of(self.out)) == sorted(failed)

    def assert_complete(self, plain: Place) -> None:
        """The same images as by the plain pipe; each URL is placed or failed, once; verify has no fault."""
        images = images_of(self.out)
        assert images == images_of(plain.out)
        assert Counter(self.urls) == Counter([*images, *failures_of(self.out)])
        checked = self.run("check.sh")
        assert (checked.code, (self.folder / "faults.jsonl").read_text()) == (0, ""), checked.err
        assert not list(self.out.rglob(".imgpipe-tmp-*"))


def plain_pipe(place: Place) -> None:
    """The set without parts."""
    pipe = 'imgpipe fetch < "$URLS" | imgpipe resize --size 256 | imgpipe shard "$OUT" --format tar'
    result = shell(pipe, cwd=place.folder, env=place.env)
    assert result.code == 0, result.err
    verified = run_filter("verify", place.out)
    assert (verified.code, verified.out) == (0, b"")
