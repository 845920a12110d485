"""Getting a file to its name in OUT: by link where the file system can, else by copy.

The old name goes last, once the image's line is written, so that nothing is lost in between.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from imgpipe import files
from imgpipe.errors import OutputError
from imgpipe.shard.images import Image
from imgpipe.shard.outfolder import OutFolder, take_name

_FOLDERS_REMEMBERED = 256


@dataclass(slots=True)
class Source:
    """A file on the file system of OUT that is about to get its name there."""

    path: str
    inode: int
    size: int
    copy: bool
    """Whether it is a copy of the image, made for this."""


class Moves:
    """Moves images into folders of OUT.

    Args:
        out: The data set's folder.
    """

    def __init__(self, out: OutFolder) -> None:
        self._out = out
        self._reached: dict[str, bool] = {}
        self._links = True
        # The permissions that a new file of the user would have.
        umask = os.umask(0)
        os.umask(umask)
        self._mode = 0o666 & ~umask

    def source(self, image: Image) -> Source:
        """The image as a file that can be linked into OUT.

        Raises:
            RecordError: It cannot be read.
            OutputError: It cannot be copied to OUT.
        """
        if not image.owned or not self._in_reach(image.path):
            return self._copied(image)
        if image.mode != self._mode:
            with contextlib.suppress(OSError):
                os.chmod(image.path, self._mode)
        return Source(image.path, image.inode, image.size, copy=False)

    def _in_reach(self, path: str) -> bool:
        """Whether files of the folder of `path` can be linked or renamed into OUT."""
        folder = path.rpartition("/")[0]
        found = self._reached.get(folder)
        if found is None:
            if len(self._reached) >= _FOLDERS_REMEMBERED:
                self._reached.clear()
            found = self._reached[folder] = self._try(path)
        return found

    def _try(self, path: str) -> bool:
        probe = self._out.temporary()
        try:
            os.link(path, probe, follow_symlinks=False)
        except OSError as error:
            if error.errno in files.NO_LINKS:
                self._links = False
                return os.stat(path).st_dev == os.fstat(self._out.hidden).st_dev
            return False
        os.unlink(probe)
        return True

    def _copied(self, image: Image) -> Source:
        path = self._out.temporary()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            with open(descriptor, "wb", buffering=0) as file:
                for block in image.blocks():
                    written = 0
                    while written < len(block):
                        written += file.write(block[written:] if written else block)
                found = os.fstat(file.fileno())
        except OSError as error:
            files.unlink_quietly(path)
            raise OutputError(f"cannot write to {self._out.path}: {error.strerror}") from error
        except BaseException:
            files.unlink_quietly(path)
            raise
        return Source(path, found.st_ino, found.st_size, copy=True)

    def place(self, source: Source, name: str, folder: int) -> None:
        """Give the file its name in the open folder; the old name stays where links are known.

        Raises:
            FileExistsError: The name is taken.
            OSError: Anything else.
        """
        if self._links:
            try:
                os.link(source.path, name, dst_dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                if error.errno not in files.NO_LINKS:
                    raise
                self._links = False
            else:
                return
        # The name is taken first, then renamed over.
        take_name(name, folder)
        os.rename(source.path, name, dst_dir_fd=folder)
