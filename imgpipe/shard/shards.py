"""Images in numbered shards: a tar or a parquet file, and its sidecar.

A shard is written under a temporary name. Once it is full its sidecar gets its name, then the shard gets
its own: that rename is the commit. What a killed run left uncommitted is done anew.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imgpipe import files, media, records
from imgpipe.errors import OutputError, UsageError
from imgpipe.records import Record
from imgpipe.shard import images, names, numbering, parquet, tars
from imgpipe.shard.columns import FIRST_ROWS
from imgpipe.shard.dataset import DataSet
from imgpipe.shard.images import Image
from imgpipe.shard.names import Taken
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.outbox import Outbox
from imgpipe.shard.sidecar import Sidecar
from imgpipe.shard.store import Store


@dataclass(slots=True)
class _Open:
    """The shard that is being written."""

    path: str
    rows_path: str
    content: tars.TarShard | parquet.ParquetShard
    sidecar: Sidecar
    taken: Taken


class Shards:
    """Places images in shards.

    Args:
        out: Where the data set is kept.
        dataset: What is fixed for all of its runs.
        options: The options.
        outbox: Takes each record whose image is in a shard, and is told of each commit.
    """

    def __init__(self, out: Store, dataset: DataSet, options: ShardOptions, outbox: Outbox) -> None:
        self._out = out
        self._dataset = dataset
        self._options = options
        self._outbox = outbox
        self._open: _Open | None = None
        self._kinds: Counter[str] = Counter()
        visible = out.names()
        if out.is_held:
            # Elsewhere it may be that of a twin, whose shard is on its way there.
            for name in numbering.lone_sidecars(out.layout, visible, out.names(hidden=True)):
                out.remove(name)
        self._number = numbering.next_number(out.layout, visible, options.folder_index)
        self._count = self._counted(visible)
        if options.format == "parquet":
            parquet.require()

    def _counted(self, visible: list[str]) -> int:
        """Images in OUT, by the sidecar of the last shard."""
        last = max(self._out.layout.shards(visible), default=None)
        if last is None:
            return 0
        head = next(self._out.rows(self._out.layout.sidecar(last)), {})
        first, count = head.get("first"), head.get("count")
        if type(first) is not int or type(count) is not int:
            raise UsageError(
                f"{self._out.path}: the shard {self._out.layout.stem(last)} has no sidecar that can be read"
            )
        return first + count

    @property
    def mark(self) -> dict[str, int]:
        """What is placed now, for `placed.since`."""
        return {"shard": self._number}

    def note(self, record: Record) -> None:
        """Count a record that failed or was skipped, for the sidecar."""
        self._kinds[str(record.get("error"))[:40]] += 1

    def add(self, record: Record) -> None:
        """Put the image of a record into the open shard.

        Raises:
            RecordError: It cannot be placed.
            OutputError: OUT cannot be written.
        """
        image = images.look(record)
        content = b"".join(image.blocks())
        index = self._count + (self._open.sidecar.count if self._open else 0)
        counter = names.index_stem(index, self._out.layout.part)
        stem = names.stem(
            record, self._options.name_format, counter, lambda: hashlib.sha256(content).hexdigest()
        )
        record.update(bytes=len(content), media_type=image.media_type)
        if self._is_full(content, record):
            self._commit()
        with self._writing():
            self._put(record, image, content, names.ascii_stem(stem, counter))
        if image.owned:
            files.unlink_quietly(image.path)
        record.pop("path", None)
        record.pop("spooled", None)
        self._outbox.put(records.succeed(record))

    def _is_full(self, content: bytes, record: Record) -> bool:
        if self._open is None:
            return False
        if self._open.sidecar.count >= self._options.folder_size:
            return True
        limit = self._options.max_shard_bytes
        if limit is None:
            return False
        row = self._dataset.columns(record).row({**record, "file_name": "x" * 100}, typed=True)
        return self._open.content.size + self._open.content.cost(content, row) > limit

    def _put(self, record: Record, image: Image, content: bytes, stem: str) -> None:
        extension = media.extension(image.media_type)
        columns = self._dataset.columns(record)
        if self._open is None:
            self._open = self._begin(extension, columns.types)
        now = self._open
        name = now.content.name(now.taken.free(stem), extension)
        record.update(shard=self._name(now), file_name=name)
        # Loaders take the types from the first rows of a tar; a parquet file has its own.
        row = columns.row(record, typed=now.content.untyped and now.sidecar.count < FIRST_ROWS)
        now.content.add(name, content, row)
        now.sidecar.add(row)

    def _name(self, now: _Open) -> str:
        return f"{self._out.layout.stem(self._number)}.{now.content.suffix}"

    def _begin(self, extension: str, types: dict[str, str]) -> _Open:
        path, rows_path = self._out.temporary(), self._out.temporary()
        content: Any
        if self._options.format == "parquet":
            content = parquet.ParquetShard(path, types=types)
        else:
            self._dataset.keep(extension=self._dataset.get("extension") or extension)
            captions = self._dataset.captions
            content = tars.TarShard(path, extension=self._dataset.get("extension"), captions=captions)
        return _Open(path, rows_path, content, Sidecar(rows_path), Taken())

    def _commit(self) -> None:
        if self._open is None:
            return
        now = self._open
        fsync = self._options.fsync != "none"
        shard = self._name(now)
        with self._writing():
            digest = now.content.finish(fsync=fsync)
            sidecar = self._out.temporary()
            now.sidecar.finish(
                sidecar, shard=shard, digest=digest, first=self._count, kinds=self._kinds, fsync=fsync
            )
        if now.content.untyped:
            self._dataset.keep(captions=bool(now.content.captions))
        self._out.commit((sidecar, self._out.layout.sidecar(self._number)), (now.path, shard), fsync=fsync)
        self._open = None
        self._dataset.is_new = False
        self._count += now.sidecar.count
        self._number += 1
        self._kinds.clear()
        self._outbox.release()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write to {self._out.path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Commit what is open: nothing more comes."""
        self._commit()

    def abandon(self) -> None:
        """Give up what is not committed."""
        now, self._open = self._open, None
        if now is not None:
            now.content.close()
            now.sidecar.close()
            for path in (now.path, now.rows_path):
                files.unlink_quietly(path)
        self._outbox.abandon()
