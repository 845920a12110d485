"""One part of a data set: continued where it was ended, and closed to other input once it is complete.

The marker `NAME.done.json` is written last. What tells records apart is `url` with `key`, counted; an
image without a URL is known by the digest of its bytes.
"""

from __future__ import annotations

import os
import select
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import orjson

from imgpipe import __version__, records
from imgpipe.counts import Counts, Digest, identity
from imgpipe.errors import IncompleteError, Status, UsageError
from imgpipe.layout import DONE
from imgpipe.records import Record
from imgpipe.shard import images
from imgpipe.shard.failures import Failures, identity_of
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.sidecar import VERSION
from imgpipe.shard.store import Store
from imgpipe.signals import Stop
from imgpipe.stream import CHUNK, CutShort, Source

_SHAPING: Final = (
    "format",
    "folder_size",
    "folder_index",
    "name_format",
    "columns",
    "max_shard_bytes",
    "sidecar",
    "dedup",
)
"""The options that decide what a part holds."""


class Part:
    """What is known of the part before its records come.

    Args:
        out: The part, locked.
        options: The options of this run; `part` is set.
        stop: Who may ask to end the reading of the input.

    Raises:
        CutShort: Somebody asked.
        UsageError: The part is complete with another input or other options, or its input cannot be read.
    """

    def __init__(self, out: Store, options: ShardOptions, stop: Stop) -> None:
        self._out = out
        self._options = options
        self._name = f"the part {options.part} of {options.out}"
        self._input, self._due = Digest(), Counts()
        if options.input is not None:
            self._read_input(options.input, stop)
        self._marker = self._read_marker()
        self._placed, self._failed = Counts(), Counts()
        self._taken = self._again = 0
        if self._marker is not None:
            self._check(self._marker)

    @property
    def is_complete(self) -> bool:
        """Whether the whole input of this run is known to be in the part."""
        return self._marker is not None and self._options.input is not None

    @property
    def size(self) -> int:
        """Records of the complete part; 0 where it is not complete."""
        return int(self._marker["input"]["records"]) if self._marker is not None else 0

    def _read_input(self, path: str, stop: Stop) -> None:
        try:
            # A FIFO that nobody writes to would not even open otherwise, and no signal end that.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as file:
                for record in Source("shard", "url", _chunks(file.fileno(), stop), null=False, stop=stop):
                    self._input.add(record)
                    if record.get("url"):
                        self._due.add(identity(record))
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        if stop.requested:
            raise CutShort

    def _read_marker(self) -> dict[str, Any] | None:
        name = self._out.layout.hidden(DONE)
        data = self._out.read(name)
        if data is None:
            return None
        try:
            marker: dict[str, Any] = orjson.loads(data)
            int(marker["input"]["records"]), str(marker["input"]["digest"])
            marker.setdefault("options", {}).items()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"{self._out.where(name)} cannot be read") from None
        return marker

    def _check(self, marker: dict[str, Any]) -> None:
        kept = marker["options"]
        for name, value in _shaping(self._options).items():
            if kept.get(name, value) != value:
                raise UsageError(
                    f"{self._name} is complete, with --{name.replace('_', '-')} {kept[name]}, not {value}"
                )
        if self.is_complete and marker["input"] != self._input.as_json():
            raise UsageError(
                f"{self._name} is complete, with another input"
                f" ({marker['input']['records']} records; {self._options.input} has {self._input.records}):"
                " give other input another --part"
            )

    def know(self, failures: Failures) -> None:
        """Take what is placed; and what failed in a complete part, since that may be tried again.

        The number of the next shard was settled before: where a twin adds a shard in between, that name is
        found taken, and no image is placed twice.
        """
        for row in self._out.since({}):
            number = _number(row)
            self._placed.add(number)
            self._due.take(number)
        if self._marker is not None:
            for record in failures.records():
                self._failed.add(identity_of(record))

    def leaves_out(self, record: Record) -> bool:
        """Whether the record's image is in the part already.

        Of equal lines it depends on what comes: `fetch --resume` leaves out as many as are placed, and
        others nothing. Only the input tells how many there are.

        Raises:
            RecordError: Its file cannot be read.
            UsageError: The record is not of the input, or not of the complete part.
        """
        self._taken += 1
        if record.get("url") and self._options.input is not None:
            number = identity(record)
            if number not in self._due:
                raise UsageError(
                    f"{record['url']} is not in {self._options.input}, the input of {self._name}"
                )
            return not self._due.take(number)
        if record.get("url") or not records.is_over(record):
            if not record.get("url"):
                images.fill_digest(record)
            if self._placed.take(_number(record)):
                self._again += 1
                return True
        if self._marker is not None and not self._failed.take(identity_of(record)):
            what = record.get("url") or record.get("path") or record.get("detail")
            raise self._other(f"{what} is not in it")
        return False

    def _other(self, why: str) -> UsageError:
        return UsageError(f"{self._name} is complete, with another input: {why}; give it another --part")

    def finish(self, failures: Failures) -> None:
        """Nothing more comes: write the marker.

        Raises:
            IncompleteError: The input ended early.
            UsageError: The part holds something else than its input.
            OutputError: The marker cannot be written.
        """
        marker, found = self._described(failures)
        if self._options.input is not None:
            self._compare(found, self._input)
        if self._marker is not None and self._again and self._taken != found.records:
            raise self._other(f"{self._taken} of its {found.records} records came")
        if marker != self._marker:
            data = orjson.dumps(marker, option=orjson.OPT_APPEND_NEWLINE)
            self._out.replace(self._out.layout.hidden(DONE), data, fsync=self._options.fsync != "none")

    def _compare(self, found: Digest, whole: Digest) -> None:
        if found.records < whole.records:
            raise IncompleteError(
                f"{self._name} is not complete: {found.records} of the {whole.records} records of"
                f" {self._options.input} came, so a stage before was stopped; run the same again to go on"
            )
        if found.as_json() != whole.as_json():
            raise UsageError(
                f"{self._name} holds {found.records} records, others than {self._options.input}"
                f" ({whole.records}): it was begun with another input"
            )

    def _described(self, failures: Failures) -> tuple[dict[str, Any], Digest]:
        found, size = Digest(), 0
        for row in self._out.since({}):
            found.add(row)
            size += int(row.get("bytes") or 0)
        placed = found.records
        statuses: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for record in failures.records():
            found.add(record)
            statuses[str(record.get("status"))] += 1
            kinds[str(record.get("error"))[:40]] += 1
        marker = {
            "part": self._options.part,
            "format": self._options.format,
            "placed": placed,
            "skipped": statuses[Status.SKIPPED],
            "failed": statuses[Status.FAILED],
            "kinds": dict(sorted(kinds.items())),
            "bytes": size,
            "input": found.as_json(),
            "shards": self._shards(),
            "options": _shaping(self._options),
            "version": VERSION,
            "imgpipe": __version__,
        }
        return marker, found

    def _shards(self) -> list[Record]:
        layout = self._out.layout
        heads = (next(self._out.rows(layout.sidecar(n)), {}) for n in layout.shards(self._out.names()))
        return [{name: head.get(name) for name in ("shard", "count", "sha256")} for head in heads]


def _chunks(descriptor: int, stop: Stop) -> Iterator[bytes]:
    """The bytes of a part's input, until its end or until somebody asks: nothing of it is placed yet."""
    while True:
        select.select([descriptor, stop.wakeup], [], [])
        if stop.requested or not (chunk := os.read(descriptor, CHUNK)):
            return
        yield chunk


def _number(record: Record) -> int:
    if record.get("url"):
        return identity(record)
    return identity({"url": "", "key": f"sha256:{record.get('sha256')}"})


def _shaping(options: ShardOptions) -> dict[str, Any]:
    found = {name: getattr(options, name) for name in _SHAPING}
    columns = options.columns
    # As it comes back from JSON.
    found["columns"] = None if columns is None else [list(column) for column in columns]
    return found
