from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from helpers import picture

from imgpipe.spool import Spool


class Spooled:
    """Records whose files lie in a spool; its writer has ended, so that nobody waits for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        writer = Spool(root)
        self._folder = Path(writer.folder)
        writer.close()
        self._numbers = itertools.count(1)

    def record(self, url: str, content: bytes | None = None, **more) -> dict:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{next(self._numbers):09d}.jpg"
        path.write_bytes(picture(seed=len(url)) if content is None else content)
        return {"url": url, "status": "ok", "path": str(path), "spooled": True, **more}

    def records(self, count: int, start: int = 0, **more) -> list[dict]:
        return [self.record(f"http://h/{n}.jpg", **more) for n in range(start, start + count)]

    @property
    def files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]


@pytest.fixture
def spooled(spool):
    return Spooled(spool)


@pytest.fixture
def out(tmp_path):
    return DataSet(tmp_path / "out")


class DataSet:
    """A data set as its readers see it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hidden = path / "__imgpipe__"

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def rows(self) -> list[dict]:
        return read(self.path / "metadata.jsonl")

    @property
    def failed(self) -> list[dict]:
        return read(self.hidden / "failed.jsonl")

    @property
    def images(self) -> list[str]:
        found = (p for p in self.path.rglob("*") if p.is_file() and p.parent not in (self.path, self.hidden))
        return sorted(str(path.relative_to(self.path)) for path in found)

    def assert_whole(self) -> None:
        """Every line leads to its image, every image has its line, nothing is left over."""
        assert sorted(row["file_name"] for row in self.rows) == self.images
        for row in self.rows:
            assert row["bytes"] == (self.path / row["file_name"]).stat().st_size
        assert not list(self.hidden.glob(".imgpipe-tmp-*"))


def read(path: Path) -> list[dict]:
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]
