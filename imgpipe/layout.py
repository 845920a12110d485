"""The names in OUT, of a whole data set or of one of its parts. Everything here is pure.

a whole data set                   the part NAME of one
OUT/metadata.jsonl                 OUT/NAME/metadata.jsonl            files: a line a placed image
OUT/00000.tar, OUT/00000.parquet   OUT/NAME-00000.tar                 a shard, beside its sidecar
OUT/__imgpipe__/00000.jsonl        OUT/__imgpipe__/NAME-00000.jsonl   a line about a shard, then its rows
OUT/__imgpipe__/failed.jsonl       OUT/__imgpipe__/NAME.failed.jsonl  what failed and what was skipped
OUT/__imgpipe__/dataset.json       the same, shared by all parts      format and columns
OUT/__imgpipe__/NAME.done.json     the part is complete; written last
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from imgpipe.errors import UsageError

METADATA: Final = "metadata.jsonl"
HIDDEN: Final = "__imgpipe__"
"""The folder in OUT for what is no data: loaders pass over names that begin with two underscores."""
DATASET: Final = "dataset.json"

LOCK: Final = "lock"
FAILED: Final = "failed.jsonl"
FAILED_NOW: Final = "failed-now.jsonl"
"""As `FAILED`, of a run that goes on or was killed."""
NOTE: Final = "placing"
"""Files: a note of the image that is being placed."""
DONE: Final = "done.json"

SHARD_SUFFIXES: Final = (".tar", ".parquet")

_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBERED: Final = re.compile(r"(?:(.+)-)?([0-9]{5,})\.(tar|parquet|jsonl)", re.DOTALL)
_OF_PART: Final = re.compile(rf"(.+)\.(?:{'|'.join(map(re.escape, (LOCK, FAILED, FAILED_NOW, NOTE, DONE)))})")


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of a whole data set, or of one part of it."""

    part: str | None = None
    """The part's name; None for the whole."""

    def hidden(self, name: str) -> str:
        """The name in the hidden folder of what is `name` there for a whole data set."""
        return name if self.part is None else f"{self.part}.{name}"

    def folder(self, out: str) -> str:
        """Where the images and the metadata of a data set of files are."""
        return out if self.part is None else f"{out}/{self.part}"

    def stem(self, number: int) -> str:
        """The name of a shard, without its suffix."""
        return f"{number:05d}" if self.part is None else f"{self.part}-{number:05d}"

    def sidecar(self, number: int) -> str:
        """The name of a shard's sidecar in the hidden folder."""
        return f"{self.stem(number)}.jsonl"

    def shards(self, names: Iterable[str]) -> dict[int, str]:
        """The shards among the names in OUT, by number, in order."""
        return self._numbered(names, sidecars=False)

    def sidecars(self, names: Iterable[str]) -> dict[int, str]:
        """The sidecars among the names in the hidden folder, by number, in order."""
        return self._numbered(names, sidecars=True)

    def _numbered(self, names: Iterable[str], *, sidecars: bool) -> dict[int, str]:
        found = (match for match in map(_NUMBERED.fullmatch, names) if match and match[1] == self.part)
        return dict(sorted((int(match[2]), match[0]) for match in found if (match[3] == "jsonl") is sidecars))


def check_part(name: str) -> str:
    """The name of a part, if it can be one.

    Raises:
        UsageError: It cannot.
    """
    if name == METADATA or name.endswith(SHARD_SUFFIXES):
        raise UsageError(f"{name!r} cannot name a part: it would pass for the data of a whole set")
    if _PART.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot name a part: letters, digits, '.', '_' and '-', at most 64, a letter or digit first"
        )
    return name


def by_part(names: Iterable[str]) -> dict[str | None, list[str]]:
    """The shards and sidecars among names, by the part that they are of; None for those of the whole."""
    found: dict[str | None, list[str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match:
            found.setdefault(match[1], []).append(name)
    return found


def parts(hidden: Iterable[str]) -> list[str]:
    """The parts that the names in the hidden folder tell of, in order."""
    found = set()
    for name in hidden:
        match = _NUMBERED.fullmatch(name) or _OF_PART.fullmatch(name)
        if match and match[1] and _PART.fullmatch(match[1]):
            found.add(match[1])
    return sorted(found)
