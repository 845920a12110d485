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
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from imgpipe.errors import OutputError, UsageError
from imgpipe.records import Record

RUN_PREFIX: Final = "imgpipe-run-"

_SEEN_AT_MOST: Final = 256
"""Run folders remembered before the emptied ones are removed early."""


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
        folder = root.absolute() / f"{RUN_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
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


class Kept:
    """Marks the run folders whose records are written to a file: there they wait, in any number of pieces.

    The mark is the folder's sticky bit, which has no other use on a folder of one user.
    """

    def __init__(self) -> None:
        self._folders: set[str] = set()

    def note(self, record: Record) -> None:
        """Mark the run folder of the record's file, if it is a spooled one."""
        path = record.get("path")
        if record.get("spooled") is not True or not isinstance(path, str):
            return
        folder = path.rpartition("/")[0]
        if folder in self._folders or run_folder(path) is None:
            return
        if len(self._folders) >= _SEEN_AT_MOST:
            self._folders.clear()
        self._folders.add(folder)
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700 | stat.S_ISVTX)


class Seen:
    """The run folders that a reading stage saw in its records."""

    def __init__(self) -> None:
        self._folders: set[str] = set()
        self._limit = _SEEN_AT_MOST

    def note(self, record: Record) -> None:
        """Remember the run folder of the record's file, if it is a spooled one."""
        path = record.get("path")
        if record.get("spooled") is not True or not isinstance(path, str):
            return
        folder = path.rpartition("/")[0]
        if folder in self._folders or run_folder(path) is None:
            return
        self._folders.add(folder)
        if len(self._folders) > self._limit:
            self.sweep()
            self._limit = max(_SEEN_AT_MOST, 2 * len(self._folders))

    def sweep(self, *, orphans: bool = False, patience: float = 0.0) -> None:
        """Remove the folders whose writers have ended.

        Args:
            orphans: Also those that still hold files, which no record names any more; those of records
                that were written to a file are left.
            patience: Seconds to wait for writers that are just ending.
        """
        deadline = time.monotonic() + patience
        for folder in sorted(self._folders):
            while not (gone := _remove_unlocked(folder, orphans=orphans)) and time.monotonic() < deadline:
                time.sleep(0.01)
            if gone:
                self._folders.discard(folder)


def _remove_unlocked(folder: str, *, orphans: bool) -> bool:
    """Whether there is no more to do about `folder`: it is gone, or was unlocked and is left to its file."""
    with _try_lock(folder) as locked:
        if locked is None:
            return True
        if not locked:
            return False
        kept = False
        with contextlib.suppress(OSError):
            kept = bool(os.stat(folder).st_mode & stat.S_ISVTX)
        if orphans and not kept:
            remove_run(folder)
            return True
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        return kept or not os.path.exists(folder)


@contextlib.contextmanager
def _try_lock(folder: str) -> Iterator[bool | None]:
    """Yields True with the lock held, False where its writer lives, None where it is no more."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def clean(root: Path, older_than: float, now: float) -> list[Path]:
    """Remove the run folders in `root` that nobody holds and nobody changed for `older_than` seconds.

    Args:
        root: The spool; one that does not exist holds nothing.
        older_than: Seconds since the folder last changed.
        now: The time, in seconds since the epoch.

    Returns:
        The folders that were removed.
    """
    removed = []
    for folder in sorted(root.glob(f"{RUN_PREFIX}*")):
        try:
            found = folder.lstat()
        except OSError:
            continue
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != os.getuid()
            or now - found.st_mtime < older_than
        ):
            continue
        with _try_lock(str(folder)) as locked:
            if locked:
                remove_run(str(folder))
                removed.append(folder)
    return removed
