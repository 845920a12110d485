"""The spool: files on their way through the pipe, and who owns them.

    SPOOL/imgpipe-run-PID-RANDOM/000000001.jpg

Each writing process has a run folder of its own, which it locks (`flock` on the folder itself) while
it lives. A file belongs to the record that names it: the stage that reads a spooled record passes it
on, replaces it or places it. Nothing outside such a folder is ever removed, whatever a record claims.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import stat
import tempfile
import threading
from pathlib import Path
from typing import Final

from imgpipe.errors import OutputError, UsageError
from imgpipe.records import Record

RUN_PREFIX: Final = "imgpipe-run-"

UPSTREAM_PREFIX: Final = "upstream-"
"""Begins the name of a link, in a run folder, to one whose files its own replaced."""


def default_root() -> Path:
    """`$IMGPIPE_SPOOL`, else `imgpipe-UID` in the temporary directory."""
    named = os.environ.get("IMGPIPE_SPOOL")
    return Path(named) if named else Path(tempfile.gettempdir()) / f"imgpipe-{os.getuid()}"


def _make_root(root: Path) -> None:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.lstat()
    except OSError as error:
        raise OutputError(
            f"cannot make the spool {root}: {error.strerror}; choose another with --spool"
        ) from error
    # A folder that somebody else planted under the well-known name would hand them our files.
    named = root != default_root() or "IMGPIPE_SPOOL" in os.environ
    if not named and (
        not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022
    ):
        raise UsageError(f"the spool {root} belongs to somebody else; choose another with --spool")


class Spool:
    """The run folder of one writing process, made at the first file.

    Args:
        root: The spool; None for the default.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root
        self._lock: int | None = None
        self._folder: str | None = None
        self._making = threading.Lock()
        self._numbers = itertools.count(1)
        self._followed: str | None = None

    @property
    def folder(self) -> str:
        """Absolute path of the run folder, which is made and locked now if it was not yet.

        Raises:
            OutputError: It cannot be made.
            UsageError: The default spool belongs to somebody else.
        """
        if self._folder is None:
            with self._making:
                # Threads that come at the same time share one.
                self._folder = self._folder or self._make()
        return self._folder

    def _make(self) -> str:
        root = self._root if self._root is not None else default_root()
        _make_root(root)
        folder = root.absolute() / f"{RUN_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        try:
            folder.mkdir(mode=0o700)
            self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise OutputError(
                f"cannot write to the spool {root}: {error.strerror}; choose another with --spool"
            ) from error
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return str(folder)

    def new_path(self, extension: str) -> str:
        """An unused absolute path in the run folder; the caller makes the file."""
        return f"{self.folder}/{next(self._numbers):09d}.{extension}"

    def follow(self, upstream: str) -> None:
        """Note that files here took the place of files in the run folder `upstream`.

        Whoever clears this folder when the pipe has ended clears that one too: the records in between
        that a filter dropped lead nowhere any more, and their files were never seen further on.
        """
        if upstream == self._followed:
            return
        self._followed = upstream
        with contextlib.suppress(FileExistsError):
            os.symlink(upstream, f"{self.folder}/{UPSTREAM_PREFIX}{os.path.basename(upstream)}")

    def close(self) -> None:
        """Give up the lock, and remove the folder if it is empty: the writer has ended."""
        if self._lock is None or self._folder is None:
            return
        with contextlib.suppress(OSError):
            os.rmdir(self._folder)
        os.close(self._lock)
        self._lock = None

    def remove(self) -> None:
        """Remove the folder with all that is in it: nobody will read it."""
        if self._folder is not None:
            remove_run(self._folder)


def remove_run(folder: str) -> None:
    """Remove a run folder with all that is in it, also while others still make files there."""
    # The new name makes other threads' new files in it fail, so that the removal comes to an end.
    doomed = folder + "-gone"
    try:
        os.rename(folder, doomed)
    except OSError:
        return
    shutil.rmtree(doomed, ignore_errors=True)


def run_folder(path: str) -> str | None:
    """The run folder of a spooled file; None where `path` is not directly in a run folder of ours."""
    folder, _, name = path.rpartition("/")
    if not name or name in (".", "..") or not folder.startswith("/"):
        return None
    if not folder.rpartition("/")[2].startswith(RUN_PREFIX):
        return None
    try:
        found = os.lstat(folder)
    except (OSError, ValueError):  # a path with NUL in it is a ValueError
        return None
    return folder if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() else None


def owned_path(record: Record) -> str | None:
    """The path of the record's file where it is the pipe's own, to be moved or unlinked; else None.

    A record is only believed about that when its file lies in a run folder.
    """
    path = record.get("path")
    if record.get("spooled") is not True or not isinstance(path, str):
        return None
    return path if run_folder(path) else None


def discard(record: Record) -> None:
    """Unlink the record's spooled file, if it has one, and drop `path` and `spooled` with it.

    For a stage that fails a record, or that wrote a new file in the old one's place.
    """
    path = owned_path(record)
    if path is not None:
        with contextlib.suppress(OSError, ValueError):
            os.unlink(path)
    if record.get("spooled") is True:
        record.pop("path", None)
    record.pop("spooled", None)
