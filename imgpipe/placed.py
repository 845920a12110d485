"""What a data set holds, read back from its own files: for resuming, for appending, for checking.

    OUT/metadata.jsonl               files: a line a placed image
    OUT/00000.tar, OUT/00000.parquet a shard; it counts once it stands beside its sidecar
    OUT/__imgpipe__/00000.jsonl      the sidecar of a shard: a line about it, then a line a placed image
    OUT/__imgpipe__/failed.jsonl     what failed and what was skipped
    OUT/__imgpipe__/failed-now.jsonl the same of a run that goes on, or was killed
    OUT/__imgpipe__/placing          files: a note of the image that is being placed

Everything here only reads, and copes with a writer at work: a last line without its end is no line yet.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from imgpipe.errors import Status, UsageError
from imgpipe.records import Record
from imgpipe.remote import Remote, address_of

METADATA: Final = "metadata.jsonl"
HIDDEN: Final = "__imgpipe__"
"""The folder in OUT for what is no data: loaders pass over names that begin with two underscores."""
FAILED: Final = "failed.jsonl"
FAILED_NOW: Final = "failed-now.jsonl"
NOTE: Final = "placing"
SHARD_SUFFIXES: Final = (".tar", ".parquet")

_SIDECAR: Final = re.compile(r"([0-9]{5,})\.jsonl")


def identity(record: Record) -> int:
    """A number for the `url` with the `key` of a record, the same throughout this process.

    64 bits of Python's keyed hash: among ten million, two differ in nothing else with a chance of 3 in a
    million. A `key` that is no text counts as its JSON, an empty one as none.
    """
    return hash((_text(record.get("url")), _text(record.get("key")))) & 0xFFFF_FFFF_FFFF_FFFF


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value, default=str).decode()


class Counts:
    """How often each of many millions of numbers of 64 bits occurs, in 12 bytes each.

    All are added first; the first question sorts them.
    """

    _BUCKETS: Final = 1024

    def __init__(self) -> None:
        self._numbers = [array("Q") for _ in range(self._BUCKETS)]
        self._left: list[array[int] | None] = [None] * self._BUCKETS

    def add(self, number: int) -> None:
        """Count `number` once more."""
        self._numbers[number % self._BUCKETS].append(number)

    def take(self, number: int) -> bool:
        """Count `number` once less; False where it is not there any more."""
        place = number % self._BUCKETS
        left = self._left[place]
        if left is None:
            left = self._left[place] = self._sort(place)
        numbers = self._numbers[place]
        index = bisect_left(numbers, number)
        if index == len(numbers) or numbers[index] != number or not left[index]:
            return False
        left[index] -= 1
        return True

    def _sort(self, place: int) -> array[int]:
        numbers, left = array("Q"), array("I")
        for number in sorted(self._numbers[place]):
            if numbers and numbers[-1] == number:
                left[-1] += 1
            else:
                numbers.append(number)
                left.append(1)
        self._numbers[place] = numbers
        return left


class Done:
    """What need not be done again: placed already, or failed for good.

    Args:
        outs: Folders of data sets, or their addresses; one that does not exist yet holds nothing. A file is read as one
            of their lists, such as one that `shard --failed` wrote.
        retry_failed: Whether what failed for good is to be tried again.

    Raises:
        UsageError: A list cannot be read.
    """

    def __init__(self, outs: Sequence[Path | str], *, retry_failed: bool = False) -> None:
        self._counts = Counts()
        for out in outs:
            address = address_of(out)
            if address is None and Path(out).is_file():
                self._add(read_records(Path(out)), failures=not retry_failed)
                continue
            self._add(since(out, {}))
            if not retry_failed:
                # In this order: a shard that starts now moves the lines of the second into the first.
                for name in (FAILED, FAILED_NOW):
                    self._add(_read(out, f"{HIDDEN}/{name}"), failures=True)

    def _add(self, found: Iterator[Record], *, failures: bool = False) -> None:
        add = self._counts.add
        for record in found:
            if "url" in record and (counts_as_placed(record) or (failures and is_for_good(record))):
                add(identity(record))

    def leaves_out(self, record: Record) -> bool:
        """Whether the record is done. It is asked once a line of the input: of equal ones, as many are
        left out as are done."""
        return "url" in record and self._counts.take(identity(record))


def counts_as_placed(record: Record) -> bool:
    """Whether a line of a list tells of an image in its place."""
    return "file_name" in record and "error" not in record


def is_for_good(record: Record) -> bool:
    """Whether a line of a list tells of a failure that another attempt would not mend."""
    status = record.get("status")
    return status == Status.SKIPPED or (status == Status.FAILED and record.get("retryable") is not True)


def since(out: Path | str, mark: Mapping[str, int]) -> Iterator[Record]:
    """The rows of what was placed after `mark`: `metadata`, bytes of the metadata, and `shard`, the number
    of the first shard that was not there yet.

    Raises:
        UsageError: A list cannot be read.
    """
    if address_of(out) is None:
        yield from _in_folders(Path(out), mark.get("metadata", 0))
    for number, name in committed_sidecars(out):
        if number >= mark.get("shard", 0):
            yield from filter(counts_as_placed, _read(out, f"{HIDDEN}/{name}"))


def _in_folders(out: Path, start: int) -> Iterator[Record]:
    end = start
    for line in _lines(out / METADATA, start):
        end += len(line)
        yield from _parsed(line)
    # The next shard will append the line that a killed one still owed; until it has, that counts too.
    with contextlib.suppress(OSError):
        note = parse_note((out / HIDDEN / NOTE).read_bytes())
        if note is not None and note.offset >= end and note.is_in_place(out):
            yield from _parsed(note.line)


@dataclass(frozen=True, slots=True)
class Note:
    """What `shard` notes about the image that it is about to place."""

    inode: int
    """Of the image's file."""
    count: int
    """Lines of the metadata before its own."""
    offset: int
    """Bytes of the metadata before its own line."""
    line: bytes
    """The line, which is written once the image is in place."""

    def dump(self) -> bytes:
        """The note as it is kept, with a check against tearing."""
        body = b"%d %d %d %d\n" % (self.inode, self.count, self.offset, len(self.line)) + self.line
        return b"%08x " % zlib.crc32(body) + body

    @property
    def file_name(self) -> str:
        """The name that the image has or will have."""
        return str(orjson.loads(self.line)["file_name"])

    def is_in_place(self, out: Path) -> bool:
        """Whether the file of that name is the noted one."""
        try:
            return os.lstat(out / self.file_name).st_ino == self.inode
        except OSError:
            return False


def parse_note(data: bytes) -> Note | None:
    """The note that `data` begins with; None where there is none, or a torn one."""
    check, _, body = data.partition(b" ")
    head, _, rest = body.partition(b"\n")
    try:
        inode, count, offset, length = map(int, head.split())
        if zlib.crc32(head + b"\n" + rest[:length]) != int(check, 16):
            return None
    except ValueError:
        return None
    return Note(inode, count, offset, rest[:length])


def committed_sidecars(out: Path | str) -> list[tuple[int, str]]:
    """The numbers and names of the sidecars in OUT whose shard exists, in order."""
    address = address_of(out)
    if address is not None:
        remote = Remote(address)
        visible, hidden = remote.names(), remote.names(HIDDEN)
    else:
        try:
            visible, hidden = os.listdir(out), os.listdir(Path(out) / HIDDEN)
        except OSError:
            return []
    committed = {name.partition(".")[0] for name in visible if name.endswith(SHARD_SUFFIXES)}
    found = [match for match in map(_SIDECAR.fullmatch, hidden) if match and match[1] in committed]
    return sorted((int(match[1]), match[0]) for match in found)


def _read(out: Path | str, name: str) -> Iterator[Record]:
    address = address_of(out)
    return read_records(Path(out) / name) if address is None else read_remote(Remote(address), name)


def read_remote(remote: Remote, name: str) -> Iterator[Record]:
    """As `read_records`, of an object.

    Raises:
        UsageError: It cannot be read.
    """
    with contextlib.suppress(FileNotFoundError), remote.open(name) as file:
        for line in file:
            yield from _parsed(line)


def read_records(path: Path, start: int = 0) -> Iterator[Record]:
    """The whole lines of a list as records, from byte `start`; none where there is no such file. A line
    that is no JSON object, such as one that a power cut left behind, is passed over.

    Raises:
        UsageError: It cannot be read.
    """
    for line in _lines(path, start):
        yield from _parsed(line)


def _lines(path: Path, start: int) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield line
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _parsed(line: bytes) -> Iterator[Record]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return
    if isinstance(record, dict):
        yield record
