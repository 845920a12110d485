"""`metadata.jsonl`: a line a placed image, appended, with a note of what is just being placed.

    1. the note: the whole line, the image's inode, where the line will stand
    2. the image gets its name
    3. the line

A process that is killed between 2 and 3 leaves an image without a line: the next start finds the note,
sees that the file of that name is the noted one, and appends the line. Torn lines are cut.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import orjson

from imgpipe.errors import OutputError, UsageError
from imgpipe.layout import METADATA, NOTE
from imgpipe.note import Note, parse_note
from imgpipe.records import Record
from imgpipe.shard.outfolder import OutFolder, write_all

_BLOCK: Final = 1 << 20
_TAIL: Final = 1 << 16


class Metadata:
    """The metadata of a data set of files, mended.

    Args:
        out: The data set.

    Attributes:
        count: Lines, so images in OUT.
        size: Bytes.
        unplaced: The name of an image that a killed run announced, and that never came.
    """

    def __init__(self, out: OutFolder) -> None:
        self._out = out
        self._where = f"{out.path}/{METADATA}"
        self._note = out.open_file(out.layout.hidden(NOTE), os.O_RDWR | os.O_CREAT, hidden=True)
        self._file: int | None = None
        self.count = 0
        self.size = 0
        self.unplaced: str | None = None
        if METADATA in os.listdir(out.descriptor):
            self._mend(self._opened())
        else:
            self._mend_first()

    def close(self) -> None:
        """Close the files."""
        os.close(self._note)
        if self._file is not None:
            os.close(self._file)

    def _opened(self) -> int:
        # The file is made with its first line: loaders fail on an empty one.
        if self._file is None:
            self._file = self._out.open_file(METADATA, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        return self._file

    def announce(self, inode: int, line: bytes) -> None:
        """Note that the file `inode` is about to get the name that `line` says.

        Raises:
            OutputError: It cannot be written.
        """
        note = Note(inode, self.count, self.size, line)
        try:
            os.pwrite(self._note, note.dump(), 0)
        except OSError as error:
            raise OutputError(f"cannot write to {self._where}: {error.strerror}") from error

    def append(self, line: bytes) -> None:
        """Append the line of an image that is in its place.

        Raises:
            OutputError: It cannot be written; nothing of it is left.
        """
        write_all(self._opened(), line, self._where)
        self.size += len(line)
        self.count += 1

    def last(self) -> Record | None:
        """The last line; None where there is none.

        Raises:
            UsageError: It is none of ours.
        """
        if not self.size:
            return None
        file = self._opened()
        length = _TAIL
        while True:
            tail = os.pread(file, length, max(0, self.size - length))[:-1]
            line = tail.rpartition(b"\n")
            if line[1] or length >= self.size:
                break
            length *= 16
        return self._parsed(line[2])

    def first(self) -> Record | None:
        """The first line; None where there is none.

        Raises:
            UsageError: It is none of ours.
        """
        if not self.size:
            return None
        head = b""
        while b"\n" not in head:
            head += os.pread(self._opened(), _TAIL, len(head))
        return self._parsed(head.partition(b"\n")[0])

    def _parsed(self, line: bytes) -> Record:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("file_name"), str):
            raise UsageError(f"{self._where} was not written by imgpipe; choose another folder")
        return record

    def _mend(self, file: int) -> None:
        size = os.fstat(file).st_size
        note = self._read_note()
        if note is not None and note.offset <= size <= note.offset + len(note.line):
            if os.pread(file, len(note.line), note.offset) == note.line:
                self.count, self.size = note.count + 1, size
                return
            os.ftruncate(file, note.offset)
            self.count, self.size = note.count, note.offset
            self._adopt(note)
            return
        self._count(file, size)

    def _mend_first(self) -> None:
        note = self._read_note()
        if note is not None and note.offset == 0:
            self._adopt(note)

    def _adopt(self, note: Note) -> None:
        """Append the line that a killed run still owed, if its image is in place."""
        if note.is_in_place(Path(self._out.path)):
            self.append(note.line)
        elif not os.path.lexists(f"{self._out.path}/{note.file_name}"):
            self.unplaced = note.file_name

    def sync(self) -> None:
        """Wait until the metadata is on the disk.

        Raises:
            OutputError: The disk failed.
        """
        try:
            os.fsync(self._opened())
        except OSError as error:
            raise OutputError(f"cannot write to {self._where}: {error.strerror}") from error

    def _count(self, file: int, size: int) -> None:
        """Count the lines, and cut what follows the last whole one."""
        end = offset = 0
        while block := os.pread(file, _BLOCK, offset):
            self.count += block.count(b"\n")
            if b"\n" in block:
                end = offset + block.rindex(b"\n") + 1
            offset += len(block)
        if end < size:
            os.ftruncate(file, end)
        self.size = end

    def _read_note(self) -> Note | None:
        return parse_note(os.pread(self._note, os.fstat(self._note).st_size, 0))
