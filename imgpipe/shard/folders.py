"""Images in numbered folders, with one `metadata.jsonl` over all of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Final

from imgpipe import files, media, records
from imgpipe.errors import OutputError
from imgpipe.records import Record
from imgpipe.shard import images, names
from imgpipe.shard.dataset import DataSet
from imgpipe.shard.durable import Unsynced, sync_file
from imgpipe.shard.metadata import Metadata
from imgpipe.shard.moves import Moves, Source
from imgpipe.shard.names import Taken, folder_name
from imgpipe.shard.options import ShardOptions
from imgpipe.shard.outfolder import OutFolder, take_name, write_all

_SIDECARS: Final = frozenset({"json", "txt"})


class Folders:
    """Places images as files.

    Args:
        out: The data set's folder, locked.
        dataset: What is fixed for all of its runs.
        options: The options.
        done: Called with each record whose image is in place.
    """

    def __init__(
        self, out: OutFolder, dataset: DataSet, options: ShardOptions, done: Callable[[Record], None]
    ) -> None:
        self._out = out
        self._dataset = dataset
        self._options = options
        self._done = done
        self._moves = Moves(out)
        self._metadata = Metadata(out)
        self._number = options.folder_index
        self._descriptor: int | None = None
        self._held = 0
        self._taken = Taken()
        self._fsync = options.fsync
        self._unsynced = Unsynced(out.path)
        last = self._metadata.last()
        if last is not None:
            dataset.assume(self._metadata.first() or last)
            self._number = max(self._number, _folder_number(last))
        if options.sidecar and self._metadata.unplaced is not None:
            self._remove_sidecars(self._metadata.unplaced)

    @property
    def mark(self) -> dict[str, int]:
        """What is placed now, for `placed.since`."""
        return {"metadata": self._metadata.size}

    def add(self, record: Record) -> None:
        """Place the image of a record.

        Raises:
            RecordError: It cannot be placed.
            OutputError: OUT cannot be written.
        """
        image = images.look(record)
        stem = names.stem(
            record, self._options.name_format, names.index_stem(self._metadata.count), image.digest
        )
        folder = self._open_folder()
        source = self._moves.source(image)
        record.update(bytes=source.size, media_type=image.media_type, shard=folder_name(self._number))
        try:
            self._place(record, source, folder, stem)
        except OSError as error:
            if not os.path.lexists(source.path):
                raise images.missing(source.path, error.strerror) from error
            raise OutputError(f"cannot write to {self._out.path}: {error.strerror}") from error
        finally:
            if source.copy:
                files.unlink_quietly(source.path)
        if image.owned:
            files.unlink_quietly(image.path)
        self._held += 1
        record.update(path=f"{self._out.path}/{record['file_name']}", spooled=False)
        self._done(records.succeed(record))

    def _place(self, record: Record, source: Source, folder: int, stem: str) -> None:
        """Give the file a free name like `stem`, and write its line."""
        columns = self._dataset.columns(record)
        extension = media.extension(record["media_type"])
        if self._fsync == "each":
            sync_file(source.path)
        while True:
            free = self._taken.free(stem)
            name = f"{free}.{extension}"
            record["file_name"] = f"{record['shard']}/{name}"
            # Loaders take the types from the first rows.
            row = columns.row(record, typed=not self._metadata.count)
            line = records.dump(row)
            self._metadata.announce(source.inode, line)
            beside: list[str] = []
            try:
                if self._options.sidecar:
                    self._write_sidecars(free, row, folder, beside)
                self._moves.place(source, name, folder)
            except FileExistsError:
                _unlink(beside, folder)
                continue
            except BaseException:
                _unlink(beside, folder)
                raise
            break
        try:
            self._metadata.append(line)
        except OutputError:
            _unlink([name, *beside], folder)
            raise
        self._settle([name, *beside], folder)

    def _write_sidecars(self, stem: str, row: Record, folder: int, written: list[str]) -> None:
        contents = [(f"{stem}.json", records.dump(row)), (f"{stem}.txt", row["caption"].encode())]
        for name, content in contents:
            take_name(name, folder)
            written.append(name)
            descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                write_all(descriptor, content, self._out.path)
            finally:
                os.close(descriptor)

    def _remove_sidecars(self, file_name: str) -> None:
        """Remove what a killed run wrote beside an image that never came."""
        folder, _, name = file_name.rpartition("/")
        if not folder.isdecimal() or folder not in self._out.names():
            return
        descriptor = self._out.folder(folder)
        stem = name.rpartition(".")[0]
        _unlink([f"{stem}.json", f"{stem}.txt"], descriptor)
        os.close(descriptor)

    def _settle(self, names: list[str], folder: int) -> None:
        if self._fsync == "shard":
            for name in names:
                self._unsynced.note(name)
        elif self._fsync == "each":
            os.fsync(folder)
            self._metadata.sync()

    def _open_folder(self) -> int:
        """A descriptor of the folder that has room for one more image."""
        if self._descriptor is not None and self._held < self._options.folder_size:
            return self._descriptor
        while True:
            if self._descriptor is not None:
                self._close_folder()
                self._number += 1
            self._descriptor = self._out.folder(folder_name(self._number))
            self._taken = Taken()
            self._held = 0
            for entry in os.listdir(self._descriptor):
                stem, _, extension = entry.rpartition(".")
                self._taken.note(stem or entry)
                self._held += extension not in _SIDECARS
            if self._held < self._options.folder_size:
                return self._descriptor

    def _close_folder(self) -> None:
        if self._descriptor is None:
            return
        if self._fsync == "shard":
            self._unsynced.sync(self._descriptor)
            self._metadata.sync()
        os.close(self._descriptor)
        self._descriptor = None

    def note(self, record: Record) -> None:
        """A record failed or was skipped: it is in the list of failures, and nowhere here."""

    def abandon(self) -> None:
        """OUT cannot be written: what is placed stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._metadata.close()

    def close(self) -> None:
        """Nothing more comes."""
        self._close_folder()
        self._metadata.close()


def _unlink(names: list[str], folder: int) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)


def _folder_number(row: Record) -> int:
    name = str(row["file_name"]).partition("/")[0]
    return int(name) if name.isdecimal() else 0
