"""What a data set holds, read back from its own files (see `layout`): for resuming, appending, checking.

Everything here only reads, and copes with a writer at work: a last line without its end is no line yet.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from imgpipe.counts import Counts, identity
from imgpipe.errors import Status, UsageError
from imgpipe.layout import DONE, FAILED, FAILED_NOW, HIDDEN, METADATA, NOTE, Layout, by_part, parts
from imgpipe.note import parse_note
from imgpipe.records import Record, loads
from imgpipe.remote import Remote, address_of

WHOLE: Final = Layout()


class Done:
    """What need not be done again: placed already, or failed for good.

    Args:
        outs: Folders of data sets, or their addresses; one that does not exist yet holds nothing. A file is read as one
            of their lists, such as one that `shard --failed` wrote.
        part: The one part to read of them; None for everything in them. Where it is complete, none of its
            failures is tried again.
        retry_failed: Whether what failed for good is to be tried again.

    Raises:
        UsageError: A list cannot be read.
    """

    def __init__(
        self, outs: Sequence[Path | str], *, part: str | None = None, retry_failed: bool = False
    ) -> None:
        self._counts = Counts()
        self._retry_failed = retry_failed
        for out in outs:
            if address_of(out) is None and Path(out).is_file():
                self._add(read_records(Path(out)), failures=not retry_failed)
                continue
            listing = Listing(out)
            for layout in listing.layouts if part is None else [Layout(part)]:
                complete = part is not None and marker(out, part) is not None
                self._read(out, layout, listing, complete=complete)

    def _read(self, out: Path | str, layout: Layout, listing: Listing, *, complete: bool) -> None:
        self._add(since(out, {}, layout, listing))
        if not self._retry_failed:
            self._add(failures(out, layout), failures=True, complete=complete)

    def _add(self, found: Iterator[Record], *, failures: bool = False, complete: bool = False) -> None:
        add = self._counts.add
        for record in found:
            if "url" in record and (
                counts_as_placed(record) or (failures and (complete or is_for_good(record)))
            ):
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


class Listing:
    """What stands in OUT now, listed once: a set has up to a hundred thousand parts, and many more shards.

    Attributes:
        layouts: The data set itself, and each part that it has.

    Raises:
        UsageError: An address cannot be listed.
    """

    def __init__(self, out: Path | str) -> None:
        # In this order: a sidecar is there before its shard is.
        self._shards = by_part(_names(out, ""))
        hidden = _names(out, HIDDEN)
        self._sidecars = by_part(hidden)
        self.layouts = [WHOLE, *map(Layout, parts(hidden))]

    def shards(self, layout: Layout) -> dict[int, str]:
        """The shards of the data set, or of the part, by number, in order."""
        return layout.shards(self._shards.get(layout.part, ()))

    def committed_sidecars(self, layout: Layout) -> list[tuple[int, str]]:
        """The numbers and names of the sidecars whose shard exists, in order."""
        committed = self.shards(layout)
        found = layout.sidecars(self._sidecars.get(layout.part, ()))
        return [sidecar for sidecar in found.items() if sidecar[0] in committed]


def marker(out: Path | str, part: str) -> dict[str, Any] | None:
    """What was written when the part was complete; None where it is not.

    Raises:
        UsageError: It cannot be read.
    """
    return next(hidden_records(out, Layout(part).hidden(DONE)), None)


def failures(out: Path | str, layout: Layout = WHOLE) -> Iterator[Record]:
    """What failed and was skipped, also in a run that goes on or was killed.

    Raises:
        UsageError: A list cannot be read.
    """
    # In this order: a shard that starts now moves the lines of the second into the first.
    for name in (FAILED, FAILED_NOW):
        for record in hidden_records(out, layout.hidden(name)):
            if "error" in record:
                yield record


def since(
    out: Path | str, mark: Mapping[str, int], layout: Layout = WHOLE, listing: Listing | None = None
) -> Iterator[Record]:
    """The rows of what was placed after `mark`: `metadata`, bytes of the metadata, and `shard`, the number
    of the first shard that was not there yet. What stands in OUT is listed, unless it was before.

    Raises:
        UsageError: A list cannot be read.
    """
    if address_of(out) is None:
        yield from _in_folders(Path(out), mark.get("metadata", 0), layout)
    for number, name in (listing or Listing(out)).committed_sidecars(layout):
        if number >= mark.get("shard", 0):
            yield from filter(counts_as_placed, hidden_records(out, name))


def _in_folders(out: Path, start: int, layout: Layout) -> Iterator[Record]:
    end = start
    folder = Path(layout.folder(str(out)))
    for line in _lines(folder / METADATA, start):
        end += len(line)
        yield from _parsed(line)
    # The next shard will append the line that a killed one still owed; until it has, that counts too.
    with contextlib.suppress(OSError):
        note = parse_note((out / HIDDEN / layout.hidden(NOTE)).read_bytes())
        if note is not None and note.offset >= end and note.is_in_place(folder):
            yield from _parsed(note.line)


def _names(out: Path | str, folder: str) -> list[str]:
    address = address_of(out)
    if address is not None:
        return Remote(address).names(folder)
    try:
        return os.listdir(Path(out) / folder)
    except OSError:
        return []


def hidden_bytes(out: Path | str, name: str) -> bytes:
    """A small file in the hidden folder, whole.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read.
        UsageError: As `OSError`, at an address.
    """
    address = address_of(out)
    if address is None:
        return (Path(out) / HIDDEN / name).read_bytes()
    with Remote(address).open(f"{HIDDEN}/{name}") as file:
        return file.read()


def hidden_records(out: Path | str, name: str) -> Iterator[Record]:
    """As `read_records`, of a list in the hidden folder.

    Raises:
        UsageError: It cannot be read.
    """
    address = address_of(out)
    if address is None:
        return read_records(Path(out) / HIDDEN / name)
    return read_remote(Remote(address), f"{HIDDEN}/{name}")


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
        record = loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(record, dict):
        yield record
