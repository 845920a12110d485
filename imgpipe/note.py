"""The note of the image that is being placed, by which a killed run is mended."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import orjson


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
